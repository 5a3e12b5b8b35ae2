//! # Batches in a loop that share one transaction
//!
//! A loop that changes a thousand rows per iteration still changes all of them in one transaction if that transaction
//! ends after the last iteration: row locks are held until then, VACUUM cannot clean up, and an error in the last
//! iteration undoes everything. A migration runs in a transaction, so a COMMIT in its DO block does not help: it fails
//! with 2D000.
//!
//! Not reported: loops of a file with `transaction = false` that commit by themselves; rows that the text lists (VALUES
//! without fields of a row variable, FOREACH over an array); and tables that this migration created. `unbatched-update`
//! and similar rules cover a change that is not bounded within its iteration.
//!
//! Lock: ROW EXCLUSIVE on the table, and a lock on every row that any iteration changes, until commit. PostgreSQL 14 to
//! 18.
//!
//! ```sql,unsafe
//! DO $$
//! BEGIN
//!     FOR batch IN 0..199 LOOP
//!         UPDATE posts SET status = 'new' WHERE id > batch * 1000 AND id <= (batch + 1) * 1000 AND status IS NULL;
//!     END LOOP;
//! END $$;
//! ```
//!
//! ```toml,claim
//! lock = "ROW EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,unsafe
//! DO $$
//! BEGIN
//!     FOR batch IN 0..199 LOOP
//!         UPDATE posts SET status = 'new' WHERE id > batch * 1000 AND id <= (batch + 1) * 1000 AND status IS NULL;
//!         COMMIT;
//!     END LOOP;
//! END $$;
//! ```
//!
//! ```toml,claim
//! error = "2D000"
//! ```
//!
//! A backfill does the same, commits after each batch, and resumes where it was interrupted:
//!
//! ```sql,safe
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 1000 }
//! UPDATE posts SET status = 'new' WHERE id > $1 AND id <= $2 AND status IS NULL;
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! DO $$
//! BEGIN
//!     FOR batch IN 0..199 LOOP
//!         UPDATE posts SET status = 'new' WHERE id > batch * 1000 AND id <= (batch + 1) * 1000 AND status IS NULL;
//!         COMMIT;
//!     END LOOP;
//! END $$;
//! ```

use super::unbatched::{backfill_help, unbounded};
use crate::check::StatementCheck;
use crate::engine::{may_run_others, nested};
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Change, DmlKind, Expr, Name, Span, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "unbatched-loop",
    source: include_str!("unbatched_loop.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    // Only the whole body shows whether an iteration commits.
    if check.in_body || !may_run_others(check.stmt) {
        return;
    }
    let stmt = check.stmt;
    let all = nested(stmt, check.schema);
    let in_transaction = check.window.in_transaction;
    let mut commit = None;
    let mut change: Option<(Span, Name)> = None;
    for part in all.iter().filter(|part| part.in_body) {
        if matches!(&part.stmt.kind, StmtKind::Transaction(word) if ends(word)) {
            commit.get_or_insert(part.stmt.span);
        }
        let found =
            part.stmt.kind.changes().into_iter().find(|change| part.in_loop && is_iteration(check, change));
        if let (Some(found), None) = (found, &change) {
            change = Some((part.stmt.span, found.dml.table.clone()));
        }
    }
    if let (Some(span), true) = (commit, in_transaction) {
        let message =
            "COMMIT in a body fails in the migration's transaction: 2D000, invalid transaction termination";
        check
            .report_at(span, message)
            .help(format!("run the file outside a transaction:\n-- refit: transaction = false\n{BACKFILL}"));
    } else if let (Some((span, table)), true) = (change, in_transaction || commit.is_none()) {
        let message = format!(
            "all iterations of the loop share one transaction: every row of {table} that they change stays locked until it ends"
        );
        let lead = "use a backfill in its own migration, which commits after each batch";
        let statement = |range: &str| format!("UPDATE {table} SET … WHERE {range} AND …;");
        let help = backfill_help(check.schema, &table, lead, statement);
        check.report_at(span, message).lock(LockMode::RowExclusive, &table).help(help);
    }
}

const BACKFILL: &str = "-- or let a backfill commit after each batch:\n\
    -- refit: backfill = { table = \"…\", key = [\"id\"], batch = 1000 }";

fn ends(word: &str) -> bool {
    word.starts_with("COMMIT") || word.starts_with("ROLLBACK") || word.starts_with("END")
}

/// Whether a change in a loop is one iteration of many, each bounded by itself.
fn is_iteration(check: &StatementCheck<'_>, change: &Change<'_>) -> bool {
    let dml = change.dml;
    if check.is_new(&dml.table) || unbounded(check, change).is_some() {
        return false;
    }
    match (&dml.source, dml.kind) {
        // A list is bounded by its text; fields of a row variable come from as many rows as the table has.
        (Some(source), DmlKind::Insert) if source.values || source.from.is_empty() => {
            source.columns.iter().any(of_a_row)
        }
        (None, DmlKind::Insert) => false,
        _ => true,
    }
}

/// Whether a value is a field of a loop's row variable.
fn of_a_row(value: &Expr) -> bool {
    let mut found = false;
    value.walk(&mut |part| found |= matches!(part, Expr::Column { table: Some(_), .. }));
    found
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn rounds_of_one_transaction() {
        fires(
            "unbatched-loop",
            &[
                "DO $$ BEGIN LOOP DELETE FROM posts WHERE id IN (SELECT id FROM posts WHERE status IS NULL LIMIT 1000); EXIT WHEN NOT FOUND; END LOOP; END $$;",
                "DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM posts LOOP UPDATE posts SET status = 'new' WHERE id = r.id; END LOOP; END $$;",
                "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM posts LOOP INSERT INTO posts_archive VALUES (r.id, r.title, r.status); END LOOP; END $$;",
                "DO $$ DECLARE low bigint := 0; BEGIN WHILE low < 1000000 LOOP UPDATE unknown SET a = 1 WHERE id > low AND id <= low + 1000; low := low + 1000; END LOOP; END $$;",
                "CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM posts LOOP UPDATE posts SET status = 'new' WHERE id = r.id; END LOOP; END $$;\nSELECT fill();",
                "-- refit: transaction = false\nDO $$ BEGIN FOR i IN 0..9 LOOP UPDATE posts SET status = 'new' WHERE id = i; END LOOP; END $$;",
                "DO $$ BEGIN COMMIT; END $$;",
                "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL p();",
                "BEGIN;\nDO $$ BEGIN FOR i IN 0..9 LOOP UPDATE posts SET status = 'new' WHERE id = i; COMMIT; END LOOP; END $$;\nCOMMIT;",
            ],
        );
        silent(
            "unbatched-loop",
            &[
                "DO $$ BEGIN FOR i IN 1..10 LOOP INSERT INTO authors (name) VALUES ('author ' || i); END LOOP; END $$;",
                "DO $$ DECLARE word text; BEGIN FOREACH word IN ARRAY ARRAY['a', 'b'] LOOP UPDATE posts SET status = word WHERE id = 1; END LOOP; END $$;",
                "-- refit: transaction = false\nDO $$ BEGIN LOOP DELETE FROM posts WHERE ctid = ANY (ARRAY (SELECT ctid FROM posts WHERE status IS NULL LIMIT 1000)); EXIT WHEN NOT FOUND; COMMIT; END LOOP; END $$;",
                "DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM posts LOOP RAISE NOTICE '%', r.id; END LOOP; END $$;",
                "CREATE TABLE t (id bigint);\nDO $$ BEGIN FOR i IN 0..9 LOOP UPDATE t SET id = 1 WHERE id = i; END LOOP; END $$;",
                "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables LOOP EXECUTE format('GRANT SELECT ON %I TO reader', r.tablename); END LOOP; END $$;",
                "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;",
            ],
        );
    }
}
