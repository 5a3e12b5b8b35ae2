//! # RENAME of a schema, function, sequence or type breaks code that uses the old name
//!
//! An object has one name, but two releases run at once during every deployment. The old release fails from the moment
//! of the rename: with 42883 for a function or procedure, 42P01 for a sequence or an object of a renamed schema, 42704
//! for a type or domain.
//!
//! Create the new object beside the old one, and drop the old one once nothing uses its name; a function can call the
//! other. Not reported: a migration with `-- refit: phase = "contract"` that gives a reason, in a comment of at least
//! three words above its first statement or in its `.md` file; and an object that the same migration created.
//!
//! Lock: none that blocks others; for a sequence, SHARE ROW EXCLUSIVE for a moment. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER SCHEMA old RENAME TO archive;
//! ```
//!
//! ```sql,safe
//! -- refit: phase = "contract"
//! -- No release and no search_path names the schema.
//! ALTER SCHEMA old RENAME TO archive;
//! ```

use super::breaking::{as_written, contract, is_meant};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, AlterTarget, Name, Stmt, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "rename-object",
    source: include_str!("rename_object.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const FIRST: &str =
    "create the new one beside it; once no running release uses the old name, use a contract migration:";

fn check(check: &mut StatementCheck<'_>) {
    let (what, name, to) = match &check.stmt.kind {
        StmtKind::Rename { what, name, to } => (*what, name, to),
        StmtKind::Alter { target: AlterTarget::Sequence, table, actions } => {
            let renamed = actions.iter().find_map(|(_, action)| match action {
                AlterAction::RenameTo(to) => Some(to),
                _ => None,
            });
            let Some(to) = renamed else { return };
            ("SEQUENCE", table, to)
        }
        _ => return,
    };
    if is_meant(check, Some(name)) || is_created_here(check, what, name) {
        return;
    }
    let written = as_written(check, || "ALTER … RENAME TO …".to_owned());
    let help = contract(check, FIRST, &written);
    let kind = what.to_ascii_lowercase();
    check
        .report(format!("every running release that uses the {kind} {name} fails once it is renamed to {to}"))
        .help(help);
}

fn is_created_here(check: &StatementCheck<'_>, what: &str, name: &Name) -> bool {
    let key = name.key();
    let makes = |stmt: &Stmt| match &stmt.kind {
        StmtKind::CreateRoutine { name, .. } => name.key_ref() == key,
        StmtKind::CreateSequence { name } => name.key_ref() == key,
        StmtKind::CreateSchema { name } => what == "SCHEMA" && *name == key,
        StmtKind::CreateEnum { name, .. } | StmtKind::CreateDomain { name, .. } => name.key_ref() == key,
        _ => false,
    };
    check.before.iter().any(makes)
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn names_that_others_say() {
        fires(
            "rename-object",
            &[
                "ALTER SCHEMA old RENAME TO archive;",
                "ALTER FUNCTION touch() RENAME TO touched;",
                "ALTER PROCEDURE p(int) RENAME TO q;",
                "ALTER SEQUENCE s RENAME TO t;",
                "ALTER TYPE mood RENAME TO feeling;",
                "ALTER DOMAIN positive RENAME TO above_zero;",
            ],
        );
        silent(
            "rename-object",
            &[
                "ALTER SCHEMA old OWNER TO postgres;",
                "ALTER FUNCTION touch() OWNER TO postgres;",
                "CREATE SEQUENCE s; ALTER SEQUENCE s RENAME TO t;",
                "CREATE TYPE t AS ENUM ('a'); ALTER TYPE t RENAME TO u;",
                "ALTER TABLE posts RENAME TO articles;",
                "ALTER INDEX posts_author_id_idx RENAME TO i;",
            ],
        );
    }
}
