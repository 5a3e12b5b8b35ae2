//! # DISABLE TRIGGER blocks writes, then lets them bypass the trigger
//!
//! ALTER TABLE … DISABLE TRIGGER takes SHARE ROW EXCLUSIVE on the table: writes wait until the end of the transaction.
//! Once it commits, the trigger is off for all sessions, not only for the migration. Rows that the application writes
//! before ENABLE are not audited or synchronized and, with DISABLE TRIGGER ALL, not even checked against foreign keys.
//! A migration that fails before it enables the trigger again leaves it off.
//!
//! To skip the trigger for the migration's own changes, let the trigger's function read a setting that the migration
//! sets with SET LOCAL.
//!
//! Lock: SHARE ROW EXCLUSIVE on the table, until commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts DISABLE TRIGGER posts_touch;
//! ```
//!
//! ```toml,claim
//! lock = "SHARE ROW EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
//! BEGIN
//!     IF current_setting('app.skip_touch', true) = 'on' THEN
//!         RETURN new;
//!     END IF;
//!     RETURN new;
//! END $$;
//! -- file: V2__correct_one_row.sql
//! SET LOCAL app.skip_touch = 'on';
//! UPDATE posts SET status = 'draft' WHERE id = 17;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::AlterAction;

pub(super) const RULE: Rule = Rule {
    name: "disable-trigger",
    source: include_str!("disable_trigger.rs"),
    severity: Some(Severity::Warning),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some((table, actions)) = check.alters() else { return };
    for (span, action) in actions {
        if !matches!(action, AlterAction::Trigger { disable: true }) {
            continue;
        }
        check
            .report_at(*span, format!("writes to {table} wait until the transaction ends, and no write fires the trigger after that"))
            .lock(LockMode::ShareRowExclusive, table)
            .help(
                "let the trigger's function return early if a setting is on, and set it for this migration only:\n\
                 -- in the function: IF current_setting('app.skip_trigger', true) = 'on' THEN RETURN new; END IF;\n\
                 SET LOCAL app.skip_trigger = 'on';",
            );
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn triggers_that_others_count_on() {
        fires(
            "disable-trigger",
            &[
                "ALTER TABLE posts DISABLE TRIGGER posts_touch;",
                "ALTER TABLE unknown DISABLE TRIGGER ALL;",
                "ALTER TABLE posts DISABLE TRIGGER USER;",
            ],
        );
        silent(
            "disable-trigger",
            &[
                "ALTER TABLE posts ENABLE TRIGGER posts_touch;",
                "CREATE TABLE t (a int); ALTER TABLE t DISABLE TRIGGER ALL;",
            ],
        );
    }
}
