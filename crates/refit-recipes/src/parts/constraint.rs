//! A constraint that is not validated when it is added, and its validation by the next migration.

use refit_lint::safe::validated;
use refit_lint::sequence::Runs;

use super::checks;
use crate::step::{Phase, Step};
use crate::table::Table;

/// The down file of a validation; `{{ constraint }}` and `{{ definition }}` are its name and definition.
pub(crate) const AGAIN: &str = "\
-- A constraint cannot be made unvalidated again: it is replaced by one that is not validated.
ALTER TABLE {{ table }}
    DROP CONSTRAINT {{ constraint|ident }},
    ADD CONSTRAINT {{ constraint|ident }} {{ definition }} NOT VALID;
";

/// Both steps, with their titles; `{{ constraint }}` and `{{ definition }}` are the name and the definition.
pub(crate) fn steps(
    table: &Table<'_>,
    name: &str,
    definition: &str,
    [add_title, validate_title]: [&'static str; 2],
    phase: Phase,
) -> [Step; 2] {
    let [add, validate] =
        validated(&format!("ALTER TABLE {}", table.written()), name, definition, Runs::Apart);
    [
        Step::quick(add_title, phase)
            .form(&add)
            .down("ALTER TABLE {{ table }} DROP CONSTRAINT {{ constraint|ident }};"),
        Step::validation(validate_title, phase)
            .why("Looks at the rows that were there before the constraint.")
            .form(&validate)
            .down(AGAIN)
            .check(checks::CONSTRAINT),
    ]
}
