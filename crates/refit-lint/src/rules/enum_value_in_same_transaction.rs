//! # A new enum value fails in the transaction that adds it
//!
//! ALTER TYPE … ADD VALUE can run in a transaction, but the value cannot be used until that transaction commits: 55P04,
//! "unsafe use of new value". A default, a comparison, a CHECK or an index condition counts as a use too.
//!
//! An enum that the same migration created is an exception: its values can be used immediately.
//!
//! Lock: none on any table. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TYPE mood ADD VALUE 'meh';
//! UPDATE people SET mood = 'meh' WHERE id = 1;
//! ```
//!
//! ```toml,claim
//! error = "55P04"
//! ```
//!
//! ```sql,safe
//! ALTER TYPE mood ADD VALUE 'meh';
//! -- file: V2__first_use.sql
//! UPDATE people SET mood = 'meh' WHERE id = 1;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::parser::strings;
use crate::rule::{Check, Rule};
use crate::sql::{Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "enum-value-in-same-transaction",
    source: include_str!("enum_value_in_same_transaction.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let values = &check.window.enum_values;
    // Statements that name the value without using it: changes to the enum itself, and code that runs later.
    let aside = matches!(
        check.stmt.kind,
        StmtKind::AddEnumValue { .. }
            | StmtKind::RenameEnumValue { .. }
            | StmtKind::CreateRoutine { .. }
            | StmtKind::Do(_)
            | StmtKind::Set { .. }
    );
    if values.is_empty() || aside {
        return;
    }
    let span = check.stmt.span;
    let text = check.file.text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let strings = strings(text);
    let used = values.iter().find(|(kind, value)| strings.contains(value) && may_hold(check, kind, text));
    let Some((kind, value)) = used else { return };
    let written = check.written(span).unwrap_or("…");
    let help = format!("use it in the next migration, after this one commits:\n{written};");
    check
        .report(format!("'{value}' was added to {kind} in this transaction: using it fails (55P04)"))
        .help(help);
}

/// Whether the statement may involve a column of the enum; always true for tables that the set does not show.
fn may_hold(check: &StatementCheck<'_>, kind: &Name, text: &str) -> bool {
    let tables: Vec<&Name> = match &check.stmt.kind {
        StmtKind::Dml(dml)
            if dml.from.is_empty() && dml.source.as_ref().is_none_or(|source| source.values) =>
        {
            vec![&dml.table]
        }
        StmtKind::Alter { table, .. } => vec![table],
        StmtKind::CreateIndex(index) => vec![&index.table],
        StmtKind::Other(_) => return false,
        _ => return true,
    };
    let key = kind.key();
    let names_it = text.to_ascii_lowercase().contains(&kind.name);
    names_it
        || tables.iter().any(|table| match check.schema.table(table).filter(|known| known.complete) {
            Some(known) => {
                let mut types = known.columns.values().filter_map(|column| column.data_type.as_ref());
                types.any(|data_type| data_type.name == key)
            }
            None => true,
        })
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    const ADD: &str = "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'meh' BEFORE 'bad';\n";

    #[test]
    fn uses_of_a_new_value() {
        let with = |rest: &str| format!("{ADD}{rest}");
        let used: Vec<String> = [
            "UPDATE people SET mood = 'meh' WHERE id = 1;",
            "INSERT INTO people (id, mood) VALUES (1, 'meh');",
            "ALTER TABLE people ALTER COLUMN mood SET DEFAULT 'meh';",
            "ALTER TABLE people ADD CONSTRAINT c CHECK (mood <> 'meh') NOT VALID;",
            "CREATE TABLE t (mood mood DEFAULT 'meh');",
            "SELECT 'meh'::mood;",
            "UPDATE unknown SET m = 'meh' WHERE id = 1;",
            "DO $$ BEGIN UPDATE people SET mood = 'meh' WHERE id = 1; END $$;",
        ]
        .map(with)
        .to_vec();
        fires("enum-value-in-same-transaction", &used.iter().map(String::as_str).collect::<Vec<_>>());
        let unused: Vec<String> = [
            "UPDATE posts SET status = 'meh' WHERE id = 1;",
            "UPDATE people SET mood = 'good' WHERE id = 1; -- 'meh'",
            "ALTER TYPE mood ADD VALUE 'so-so' AFTER 'meh';",
            "COMMENT ON TYPE mood IS 'meh';",
            "-- file: V2__x.sql\nUPDATE people SET mood = 'meh' WHERE id = 1;",
        ]
        .map(with)
        .to_vec();
        silent("enum-value-in-same-transaction", &unused.iter().map(String::as_str).collect::<Vec<_>>());
        silent(
            "enum-value-in-same-transaction",
            &[
                "CREATE TYPE e AS ENUM ('a'); ALTER TYPE e ADD VALUE 'b'; SELECT 'b'::e;",
                "-- refit: transaction = false\nALTER TYPE mood ADD VALUE 'meh';\nUPDATE people SET mood = 'meh' WHERE id = 1;",
            ],
        );
    }
}
