//! # FOREIGN KEY that is validated immediately
//!
//! Adding a foreign key takes SHARE ROW EXCLUSIVE on both the referencing and the referenced table, and holds it while
//! it looks up every row of the first in the second: writes to both wait until the end of the transaction. Reads
//! continue.
//!
//! NOT VALID skips the lookups: the locks are the same but last a moment, and new rows are checked from then on.
//! VALIDATE CONSTRAINT, in a later migration, looks up the existing rows under SHARE UPDATE EXCLUSIVE on the
//! referencing table and ROW SHARE on the other. These block neither reads nor writes.
//!
//! Up to PostgreSQL 17, a NOT VALID foreign key fails on a partitioned table ("cannot add NOT VALID foreign key on
//! partitioned table"). Add the key to each partition NOT VALID, validate it there, and then add it to the parent,
//! which adopts the keys of its partitions without reading the rows again.
//!
//! Lock: SHARE ROW EXCLUSIVE on both tables, for the whole check. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD CONSTRAINT posts_editor_fk FOREIGN KEY (editor_id) REFERENCES authors (id);
//! ```
//!
//! ```toml,claim
//! lock = "SHARE ROW EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD CONSTRAINT posts_editor_fk FOREIGN KEY (editor_id) REFERENCES authors (id) NOT VALID;
//! -- file: V2__validate_posts_editor_fk.sql
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_editor_fk;
//! ```

use super::constraints::{added, in_two_steps};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{ConstraintKind, Name};

pub(super) const RULE: Rule = Rule {
    name: "foreign-key-validated",
    source: include_str!("foreign_key_validated.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    for (table, span, constraint) in added(check) {
        let ConstraintKind::ForeignKey { columns, table: other, referenced } = &constraint.kind else {
            continue;
        };
        let partitioned = check.schema.is_partitioned(table);
        if constraint.not_valid && !(partitioned && check.settings.postgres < 18) {
            continue;
        }
        let (message, help) = if partitioned && check.settings.postgres < 18 {
            let target = match referenced.is_empty() {
                true => other.to_string(),
                false => format!("{other} ({})", list(referenced)),
            };
            let (keys, action) = (list(columns), format!("REFERENCES {target}"));
            let part = Name { name: format!("{}_part", table.name), ..table.clone() };
            let help = format!(
                "up to PostgreSQL 17, add it to each partition; the parent then adopts these keys:\n\
                 ALTER TABLE {part} ADD CONSTRAINT fk FOREIGN KEY ({keys}) {action} NOT VALID;\n\
                 -- a later migration:\n\
                 ALTER TABLE {part} VALIDATE CONSTRAINT fk;\n\
                 -- when each partition has it:\n\
                 ALTER TABLE {table} ADD CONSTRAINT fk FOREIGN KEY ({keys}) {action};"
            );
            let message = match constraint.not_valid {
                true => format!("{table} is partitioned: NOT VALID fails on it up to PostgreSQL 17 (42809)"),
                false => waits(&table.to_string(), &other.to_string()),
            };
            (message, help)
        } else {
            let otherwise = format!("FOREIGN KEY ({}) REFERENCES {other}", list(columns));
            let help = in_two_steps(check, (table, span, constraint), &otherwise);
            (waits(&table.to_string(), &other.to_string()), help)
        };
        check.report_at(span, message).lock(LockMode::ShareRowExclusive, table).help(help);
    }
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| super::quoted(column)).collect::<Vec<_>>().join(", ")
}

fn waits(table: &str, other: &str) -> String {
    let both = if table == other { table.to_owned() } else { format!("{table} and {other}") };
    format!("writes to {both} wait until every row of {table} is looked up and the transaction ends")
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn keys_that_look_at_rows() {
        fires(
            "foreign-key-validated",
            &[
                "ALTER TABLE posts ADD CONSTRAINT fk FOREIGN KEY (author_id) REFERENCES authors (id);",
                "ALTER TABLE posts ADD FOREIGN KEY (author_id) REFERENCES authors;",
                "ALTER TABLE unknown ADD FOREIGN KEY (a) REFERENCES other;",
                "CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE posts ADD FOREIGN KEY (score) REFERENCES t;",
                "ALTER TABLE events ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES authors (id) NOT VALID;",
                "DO $$ BEGIN ALTER TABLE posts ADD FOREIGN KEY (author_id) REFERENCES authors; END $$;",
            ],
        );
        silent(
            "foreign-key-validated",
            &[
                "ALTER TABLE posts ADD CONSTRAINT fk FOREIGN KEY (author_id) REFERENCES authors (id) NOT VALID;",
                "CREATE TABLE t (a bigint REFERENCES authors);",
                "CREATE TABLE t (a bigint); ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES authors;",
            ],
        );
    }
}
