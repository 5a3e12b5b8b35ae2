//! # DELETE of an unbounded number of rows
//!
//! A DELETE over a large table is one transaction: every deleted row stays locked until the end, VACUUM cannot clean
//! up, replicas fall behind, and cascades do the same to referencing tables. If it is larger than expected, every
//! writer of the table is affected.
//!
//! A DELETE is bounded under the same conditions as in `unbatched-update`: an equality or IN list on a primary or
//! unique key, both bounds on a key, a key from a query with LIMIT, or a table that this migration created. The rule
//! also checks WITH, DO blocks and functions that the migration calls.
//!
//! Lock: ROW EXCLUSIVE on the table, and a lock on every deleted row, until commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! DELETE FROM posts WHERE status = 'draft';
//! ```
//!
//! ```toml,claim
//! lock = "ROW EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```
//!
//! A backfill deletes in batches, in the background:
//!
//! ```sql,safe
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! DELETE FROM posts WHERE id > $1 AND id <= $2 AND status = 'draft';
//! ```

use super::unbatched::{InBatches, report};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::DmlKind;

pub(super) const RULE: Rule = Rule {
    name: "unbatched-delete",
    source: include_str!("unbatched_delete.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const IN_BATCHES: InBatches = InBatches {
    verb: "delete",
    statement: |table, _, range| format!("DELETE FROM {table} WHERE {range} AND …;"),
};

fn check(check: &mut StatementCheck<'_>) {
    report(check, DmlKind::Delete, &IN_BATCHES);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_is_bounded() {
        fires(
            "unbatched-delete",
            &[
                "DELETE FROM posts;",
                "EXPLAIN (ANALYZE, VERBOSE) DELETE FROM posts;",
                "PREPARE p AS DELETE FROM posts; EXECUTE p;",
                "DELETE FROM public.posts WHERE true;",
                "DELETE FROM posts USING authors a WHERE a.id = author_id;",
                "DELETE FROM posts WHERE author_id NOT IN (SELECT id FROM authors);",
                "DELETE FROM posts WHERE published_at < now() - interval '1 year';",
                "WITH gone AS (DELETE FROM posts RETURNING *) INSERT INTO posts_archive SELECT id, title, status FROM gone;",
                "DO $$ BEGIN DELETE FROM posts WHERE status IS NULL; END $$;",
                "DO $$ BEGIN EXECUTE 'DELETE FROM posts'; END $$;",
            ],
        );
        silent(
            "unbatched-delete",
            &[
                "DELETE FROM posts WHERE id = 7;",
                "DELETE FROM posts WHERE id = ANY (ARRAY[1, 2]);",
                "DELETE FROM posts WHERE ctid = ANY (ARRAY (SELECT ctid FROM posts WHERE status IS NULL LIMIT 1000));",
                "CREATE TEMP TABLE fresh (a int);\nDELETE FROM fresh;",
                "DO $$ DECLARE low bigint := 5; BEGIN DELETE FROM posts WHERE id > low AND id <= low + 1000; END $$;",
                "WITH few AS (SELECT id FROM posts WHERE status IS NULL LIMIT 10), gone AS (DELETE FROM posts p USING few WHERE p.id = few.id RETURNING p.id) SELECT count(*) FROM gone;",
            ],
        );
    }
}
