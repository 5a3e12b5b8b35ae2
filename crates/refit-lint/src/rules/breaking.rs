//! What the rules about breaking changes share: when they do not apply, and the safe way.

use crate::check::StatementCheck;
use crate::sql::Name;

/// Whether the rule does not apply: the migration breaks on purpose and gives a reason, or no other session can know
/// the table.
pub(super) fn is_meant(check: &StatementCheck<'_>, table: Option<&Name>) -> bool {
    check.file.may_break() || table.is_some_and(|table| check.is_new(table))
}

/// The statement as written, with all its options; `otherwise` if its text is not in the file.
pub(super) fn as_written(check: &StatementCheck<'_>, otherwise: impl FnOnce() -> String) -> String {
    format!("{};", check.written(check.stmt.span).map_or_else(otherwise, str::to_owned))
}

/// The safe way: a sentence that says what comes first, and the statement in its own migration with a reason.
pub(super) fn contract(check: &StatementCheck<'_>, first: &str, sql: &str) -> String {
    let in_phase = check.file.directives.phase == Some(refit_model::Phase::Contract);
    let sentence = match in_phase {
        true => {
            "the phase is contract but no reason is given: add a comment of at least three words at the top, or a .md file"
        }
        false => first,
    };
    format!("{sentence}\n-- refit: phase = \"contract\"\n-- Why no running release needs it any more.\n{sql}")
}
