//! # UPDATE of an unbounded number of rows
//!
//! An UPDATE over a large table is one transaction: it writes a new version of every row, holds row locks until the
//! end, keeps VACUUM from cleaning up, and makes replicas fall behind. Measured on 5,000,000 rows: writers of the same
//! rows waited for 39 s, and the table doubled in size.
//!
//! An UPDATE is bounded by an equality or IN list on a primary or unique key, both bounds on a key, a key from a query
//! with LIMIT, or if this migration created the table.
//!
//! Lock: ROW EXCLUSIVE on the table, and a lock on every changed row, until commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! UPDATE posts SET status = 'new' WHERE status IS NULL;
//! ```
//!
//! ```toml,claim
//! lock = "ROW EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! A backfill does the same in batches, in the background:
//!
//! ```sql,safe
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET status = 'new' WHERE id > $1 AND id <= $2 AND status IS NULL;
//! ```

use super::unbatched::{InBatches, report};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::DmlKind;

pub(super) const RULE: Rule = Rule {
    name: "unbatched-update",
    source: include_str!("unbatched_update.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const IN_BATCHES: InBatches = InBatches {
    verb: "change the rows",
    statement: |table, _, range| format!("UPDATE {table} SET … WHERE {range} AND …;"),
};

fn check(check: &mut StatementCheck<'_>) {
    report(check, DmlKind::Update, &IN_BATCHES);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_is_bounded() {
        fires(
            "unbatched-update",
            &[
                "UPDATE posts SET status = 'new';",
                "UPDATE posts SET status = 'new' WHERE true;",
                "UPDATE posts SET status = 'new' WHERE status IS NULL;",
                "UPDATE posts SET status = 'new' WHERE id > 5;",
                "UPDATE posts p SET status = a.name FROM authors a WHERE a.id = p.author_id;",
                "UPDATE posts SET status = 'new' WHERE author_id = 7;",
                "UPDATE posts SET status = 'new' WHERE EXISTS (SELECT FROM authors WHERE id = author_id);",
                "WITH done AS (UPDATE posts SET status = 'new' RETURNING id) SELECT count(*) FROM done;",
                "DO $$ BEGIN UPDATE public.posts SET status = 'new'; END $$;",
                "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'UPDATE posts SET status = NULL';\nSELECT f();",
                "UPDATE unknown SET a = 1;",
                "DO $$ BEGIN UPDATE posts SET status = 'new' WHERE id = author_id; END $$;",
                "CREATE TABLE IF NOT EXISTS fresh (a int);\nUPDATE fresh SET a = 1;",
            ],
        );
        silent(
            "unbatched-update",
            &[
                "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'i'::regclass OR indisready;",
                "UPDATE pg_catalog.pg_class SET reloptions = NULL;",
                "UPDATE posts SET status = 'new' WHERE id = 5;",
                "UPDATE posts SET status = 'new' WHERE id IN (1, 2, 3);",
                "UPDATE posts SET status = 'new' WHERE id BETWEEN 1 AND 1000;",
                "UPDATE posts SET status = 'new' WHERE id IN (SELECT id FROM posts WHERE status IS NULL LIMIT 100);",
                "CREATE TABLE fresh (a int);\nUPDATE fresh SET a = 1;",
                "CREATE TEMP TABLE fresh (a int);\nUPDATE fresh SET a = 1;",
                "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'UPDATE posts SET status = NULL';",
                "DO $$ DECLARE low bigint := 5; BEGIN UPDATE posts SET status = 'new' WHERE id > low AND id <= low + 1000; END $$;",
                "DO $$ DECLARE r record; BEGIN UPDATE unknown SET a = 1 WHERE id = r.id; END $$;",
            ],
        );
    }
}
