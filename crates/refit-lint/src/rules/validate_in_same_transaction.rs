//! # VALIDATE CONSTRAINT in the transaction that added it
//!
//! NOT VALID and VALIDATE are separate steps so that the strong lock of the first is released before the second reads
//! the table. In one transaction it is not: ADD CONSTRAINT takes ACCESS EXCLUSIVE (a foreign key takes SHARE ROW
//! EXCLUSIVE on both tables) and keeps it during the scan, until commit. This is no better than adding a validated
//! constraint.
//!
//! Lock: what ADD CONSTRAINT took, for the whole scan. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0) NOT VALID;
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_score_check;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0) NOT VALID;
//! -- file: V2__validate_posts_score_check.sql
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_score_check;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::schema::added_name;
use crate::sql::{AlterAction, ConstraintKind, Name};

pub(super) const RULE: Rule = Rule {
    name: "validate-in-same-transaction",
    source: include_str!("validate_in_same_transaction.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some((table, actions)) = check.alters() else { return };
    // Constraints added in the current transaction, or by this statement, which is always one transaction.
    let mut added: Vec<&str> = Vec::new();
    let own: Vec<String> = actions
        .iter()
        .filter_map(|(_, action)| match action {
            AlterAction::AddConstraint(constraint) => Some(added_name(check.schema, table, constraint)),
            _ => None,
        })
        .collect();
    added.extend(own.iter().map(String::as_str));
    let key = table.key();
    let earlier = check.window.not_valid.iter().filter(|(of, _)| *of == key);
    added.extend(earlier.map(|(_, name)| name.as_str()));
    for (span, action) in actions {
        let AlterAction::ValidateConstraint(name) = action else { continue };
        if !added.contains(&name.as_str()) {
            continue;
        }
        let mode = lock_of(check, table, name);
        let message = format!(
            "{mode} on {table}, taken to add {name}, is held while every row is read: {} wait until the transaction ends",
            if mode.stops_reads() { "reads and writes" } else { "writes" }
        );
        let help = format!(
            "validate it in its own migration, after this one:\nALTER TABLE {table} VALIDATE CONSTRAINT {name};"
        );
        check.report_at(*span, message).lock(mode, table).help(help);
    }
}

/// The lock that adding the constraint took: from the schema, or from this statement if it adds the constraint.
fn lock_of(check: &StatementCheck<'_>, table: &Name, name: &str) -> LockMode {
    let here = check.alters().into_iter().flat_map(|(_, actions)| actions).any(|(_, action)| {
        matches!(action, AlterAction::AddConstraint(constraint)
            if matches!(constraint.kind, ConstraintKind::ForeignKey { .. })
                && added_name(check.schema, table, constraint) == name)
    });
    let known = check.schema.constraint(table, name).map(|constraint| constraint.kind);
    match here || known == Some(crate::schema::ConstraintType::ForeignKey) {
        true => LockMode::ShareRowExclusive,
        false => LockMode::AccessExclusive,
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn when_the_lock_is_still_held() {
        fires(
            "validate-in-same-transaction",
            &[
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (score >= 0) NOT VALID; ALTER TABLE posts VALIDATE CONSTRAINT c;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (score >= 0) NOT VALID, VALIDATE CONSTRAINT c;",
                "ALTER TABLE posts ADD FOREIGN KEY (author_id) REFERENCES authors NOT VALID;\n\
                 ALTER TABLE public.posts VALIDATE CONSTRAINT posts_author_id_fkey;",
                "ALTER TABLE posts ADD FOREIGN KEY (code) REFERENCES authors NOT VALID;\n-- file: V2__more.sql\n\
                 ALTER TABLE posts ADD FOREIGN KEY (code) REFERENCES authors NOT VALID;\n\
                 ALTER TABLE posts VALIDATE CONSTRAINT posts_code_fkey1;",
                "ALTER TABLE posts ADD CHECK (score >= 0) NOT VALID; ALTER TABLE posts VALIDATE CONSTRAINT posts_score_check;",
                "-- refit: transaction = false\nBEGIN;\nALTER TABLE posts ADD CONSTRAINT c CHECK (score >= 0) NOT VALID;\n\
                 ALTER TABLE posts VALIDATE CONSTRAINT c;\nCOMMIT;",
            ],
        );
        silent(
            "validate-in-same-transaction",
            &[
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (score >= 0) NOT VALID;\n-- file: V2__x.sql\n\
                 ALTER TABLE posts VALIDATE CONSTRAINT c;",
                "-- refit: transaction = false\nALTER TABLE posts ADD CONSTRAINT c CHECK (score >= 0) NOT VALID;\n\
                 ALTER TABLE posts VALIDATE CONSTRAINT c;",
                "ALTER TABLE posts VALIDATE CONSTRAINT older;",
                "CREATE TABLE t (a int); ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c;",
            ],
        );
    }
}
