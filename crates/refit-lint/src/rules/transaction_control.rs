//! # BEGIN, COMMIT or ROLLBACK in a migration
//!
//! Refit runs a migration and writes its history row in one transaction: either both are committed or neither. A COMMIT
//! in the file would end that transaction early, and a later failure would leave a schema that the history does not
//! know. Refit therefore refuses the file before it runs anything of the set. `transaction = false` does not change
//! that: there, each statement is its own transaction, recorded together with its effect.
//!
//! SAVEPOINT and ROLLBACK TO are allowed, and so is COMMIT in a procedure that runs on its own.
//!
//! Reported once per file, at the first such statement. The other rules treat these statements as if they ran.
//!
//! Lock: none. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! BEGIN;
//! ALTER TABLE posts ADD COLUMN note text;
//! COMMIT;
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN note text;
//! ```

use crate::check::FileCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "transaction-control",
    source: include_str!("transaction_control.rs"),
    severity: Some(Severity::Error),
    check: Check::File(check),
};

fn check(check: &mut FileCheck<'_>) {
    let words = check.stmts.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Transaction(word) => Some((stmt.span, word.as_str())),
        _ => None,
    });
    let found: Vec<_> = words.collect();
    let Some((first, _)) = found.first() else { return };
    let mut names: Vec<&str> = Vec::new();
    for (_, word) in &found {
        if !names.contains(word) {
            names.push(word);
        }
    }
    let help = match check.file.directives.transaction {
        true => {
            "remove them: the migration already is one transaction; use two migrations for two transactions"
        }
        false => {
            "remove them: each statement is its own transaction here; put statements that belong together in a migration without `transaction = false`"
        }
    };
    let message = format!(
        "{} would separate the migration from its history row; Refit refuses the file",
        names.join(" and ")
    );
    check.report_at(*first, message).help(help);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn which_words_end_transactions() {
        fires(
            "transaction-control",
            &[
                "BEGIN; SELECT 1; COMMIT;",
                "START TRANSACTION; SELECT 1; END;",
                "SELECT 1; ROLLBACK;",
                "COMMIT AND CHAIN;",
                "PREPARE TRANSACTION 'a';",
                "-- refit: transaction = false\nBEGIN; SELECT 1; COMMIT;",
            ],
        );
        silent(
            "transaction-control",
            &[
                "SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a;",
                "-- refit: transaction = false\nDO $$ BEGIN COMMIT; END $$;",
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;",
            ],
        );
    }
}
