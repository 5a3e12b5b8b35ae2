//! # Batches in a loop, all in one transaction
//!
//! A loop that changes a thousand rows at a time changes all of them, when the transaction around it ends only after the last
//! round: each round's row locks are held until then, VACUUM cannot clean up behind any of them, and an error in the last round
//! undoes all. A migration runs in a transaction, so that a COMMIT in its DO block does not help: it fails with 2D000.
//!
//! Silent: loops of a file with `transaction = false` that commit by themselves, rows that the text lists (VALUES without
//! variables of a row, FOREACH over an array), and tables that this migration created. A change that is not even bounded within
//! its round is a matter of `unbatched-update` and its like.
//!
//! Lock: ROW EXCLUSIVE on the table, and a lock on every row that any round changes, held until commit. PostgreSQL 14 to 18.
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
//! A backfill does the same, with a commit after each batch, and goes on where it was interrupted:
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

use super::unbatched::unbounded;
use crate::batches::Batches;
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
    // Whether a round is committed is known of the whole body only.
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
            part.stmt.kind.changes().into_iter().find(|change| part.in_loop && is_round(check, change));
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
            "all rounds of the loop are one transaction: every row of {table} that any of them touches stays locked until its end"
        );
        let Batches { directive, range, .. } = Batches::or_by_id(check.schema, &table);
        let help = format!(
            "let a backfill do the rounds, each in a transaction of its own, in a migration of its own:\n\
             -- refit: backfill = {directive}\n\
             UPDATE {table} SET … WHERE {range} AND …;"
        );
        check.report_at(span, message).lock(LockMode::RowExclusive, &table).help(help);
    }
}

const BACKFILL: &str = "-- or let a backfill commit after each batch:\n\
    -- refit: backfill = { table = \"…\", key = [\"id\"], batch = 1000 }";

fn ends(word: &str) -> bool {
    word.starts_with("COMMIT") || word.starts_with("ROLLBACK") || word.starts_with("END")
}

/// Whether a change in a loop is one round of many, each bounded by itself.
fn is_round(check: &StatementCheck<'_>, change: &Change<'_>) -> bool {
    let dml = change.dml;
    if check.is_new(&dml.table) || unbounded(check, change).is_some() {
        return false;
    }
    match (&dml.source, dml.kind) {
        // What is listed is as long as it is written; what comes out of a row is as long as its table.
        (Some(source), DmlKind::Insert) if source.values || source.from.is_empty() => {
            source.columns.iter().any(of_a_row)
        }
        (None, DmlKind::Insert) => false,
        _ => true,
    }
}

/// Whether a value is a field of a row that a loop is at.
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
