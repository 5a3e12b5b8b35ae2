//! # BEGIN, COMMIT or ROLLBACK in a migration
//!
//! Refit runs a migration and its row in the history in one transaction: both are there afterwards, or neither. A COMMIT in
//! the file would end that transaction half way, and what fails after it would leave a schema that no history knows. So Refit
//! refuses the file before it runs anything of the set. `transaction = false` does not change that: there, each statement
//! is a transaction of its own, and is counted together with its effect.
//!
//! SAVEPOINT and ROLLBACK TO are fine, and so is COMMIT in a procedure that runs by itself.
//!
//! Fires once for a file, at the first such statement. The other rules go on as if the words did what they say.
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
        true => "remove them: the migration is one transaction already; what needs two is two migrations",
        false => {
            "remove them: each statement is a transaction of its own here; what belongs together is a migration without `transaction = false`"
        }
    };
    let message = format!(
        "{} would take the migration apart from its row in the history; Refit refuses the file",
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
