//! # INSERT that copies an unbounded number of rows
//!
//! `INSERT … SELECT` from a table is one transaction whose length grows with the table. Other sessions do not wait for
//! its rows, but the boot does. In the meantime VACUUM cannot clean up anywhere, all of the WAL is written at once, and
//! an error in the last row undoes everything.
//!
//! Not reported: VALUES, generate_series and other functions; a source that is bounded by a key or LIMIT, is a system
//! table, or was created by this migration; and a temporary target.
//!
//! Lock: ROW EXCLUSIVE on the target and ACCESS SHARE on the source until commit; neither blocks reads or writes.
//! PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! INSERT INTO posts_archive (id, title, status) SELECT id + 2000000, title, status FROM posts;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS SHARE"
//! table = "posts"
//! scan = true
//! ```
//!
//! A backfill copies in batches, in the background; ON CONFLICT makes it safe to repeat a batch:
//!
//! ```sql,safe
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! INSERT INTO posts_archive (id, title, status)
//! SELECT id + 2000000, title, status FROM posts WHERE id > $1 AND id <= $2
//! ON CONFLICT (id) DO NOTHING;
//! ```

use super::unbatched::{InBatches, report};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::DmlKind;

pub(super) const RULE: Rule = Rule {
    name: "unbatched-insert",
    source: include_str!("unbatched_insert.rs"),
    severity: Some(Severity::Warning),
    check: Check::Statement(check),
};

const IN_BATCHES: InBatches = InBatches {
    verb: "copy",
    statement: |table, from, range| {
        format!("INSERT INTO {table} SELECT … FROM {from} WHERE {range}\nON CONFLICT DO NOTHING;")
    },
};

fn check(check: &mut StatementCheck<'_>) {
    report(check, DmlKind::Insert, &IN_BATCHES);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_is_bounded() {
        fires(
            "unbatched-insert",
            &[
                "INSERT INTO posts_archive SELECT id, title, status FROM posts WHERE status = 'draft';",
                "INSERT INTO posts_archive TABLE unknown;",
                "INSERT INTO posts_archive SELECT 1, 'a', 'b' UNION ALL SELECT id, title, status FROM posts;",
                "CREATE TABLE fresh (id bigint);\nINSERT INTO fresh SELECT id FROM posts;",
                "DO $$ BEGIN INSERT INTO posts_archive SELECT id, title, status FROM posts; END $$;",
            ],
        );
        silent(
            "unbatched-insert",
            &[
                "INSERT INTO authors (name) VALUES ('a'), ('b');",
                "INSERT INTO authors (name) SELECT 'a' || i FROM generate_series(1, 10) i;",
                "INSERT INTO posts_archive SELECT id, title, status FROM posts WHERE id = 5;",
                "INSERT INTO posts_archive SELECT id, title, status FROM posts ORDER BY id LIMIT 100;",
                "INSERT INTO authors (name) SELECT 'a' WHERE NOT EXISTS (SELECT FROM authors WHERE name = 'a');",
                "CREATE TABLE fresh (id bigint);\nINSERT INTO authors (name) SELECT id::text FROM fresh;",
                "INSERT INTO authors DEFAULT VALUES;",
                "INSERT INTO authors (name) SELECT v.name FROM (VALUES ('a')) AS v (name);",
                "INSERT INTO authors (name) SELECT nspname FROM pg_namespace;",
            ],
        );
    }

    /// Names of WITH items that mean a table, an item around, or a recursion.
    #[test]
    fn items_of_with_that_name_themselves() {
        fires(
            "unbatched-insert",
            &[
                "WITH posts AS (SELECT * FROM posts) INSERT INTO posts_archive SELECT id, title, status FROM posts;",
                "WITH RECURSIVE tree (id) AS (SELECT id FROM posts UNION ALL SELECT p.id FROM posts p JOIN tree t ON p.id = t.id) \
                 INSERT INTO posts_archive SELECT id, 'a', 'b' FROM tree;",
                "WITH a AS (WITH a AS (SELECT 1 AS id) SELECT * FROM a) INSERT INTO posts_archive SELECT p.id, title, status FROM posts p, a;",
                "WITH RECURSIVE a AS (SELECT id FROM b), b AS (SELECT id FROM a) INSERT INTO posts_archive SELECT id, 'a', 'b' FROM a;",
            ],
        );
        silent(
            "unbatched-insert",
            &[
                "WITH a AS (WITH a AS (SELECT 1 AS id) SELECT * FROM a) INSERT INTO posts_archive SELECT id, 'a', 'b' FROM a;",
                "WITH a AS (SELECT 1 AS id), b AS (SELECT id FROM a) INSERT INTO posts_archive SELECT id, 'a', 'b' FROM b;",
            ],
        );
    }

    /// Each item names the one before twice: looked at once each, that is nothing; followed each time, it never ends.
    #[test]
    fn items_that_are_named_often_are_looked_at_once() {
        let mut with = "WITH c0 AS (SELECT 1 AS id)".to_owned();
        for number in 1..60 {
            let before = number - 1;
            with.push_str(&format!(", c{number} AS (SELECT x.id FROM c{before} x, c{before} y)"));
        }
        silent(
            "unbatched-insert",
            &[&format!("{with} INSERT INTO posts_archive SELECT id, 'a', 'b' FROM c59;")],
        );
    }
}
