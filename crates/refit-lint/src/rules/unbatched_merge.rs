//! # MERGE of a whole table
//!
//! MERGE joins its whole source with the target and changes every match in one transaction: as many rows as the source
//! has stay locked until the end. It also fails with a duplicate key if other sessions insert the same rows at the same
//! time.
//!
//! A source of one row changes as many rows as its ON matches: all of them with `ON true`, one if ON compares a key of
//! the target. WHEN NOT MATCHED BY SOURCE changes the rest of the target, whatever the source is.
//!
//! Not reported: a source that is bounded by LIMIT, VALUES or a key and joined by a key of the target; and a source or
//! target that this migration created.
//!
//! Lock: ROW EXCLUSIVE on the target, and a lock on every changed row, until commit. PostgreSQL 15 to 18; earlier
//! versions have no MERGE.
//!
//! ```sql,unsafe,pg15
//! MERGE INTO posts_archive a
//! USING posts p ON p.id = a.id
//! WHEN MATCHED THEN UPDATE SET title = p.title
//! WHEN NOT MATCHED THEN INSERT (id, title, status) VALUES (p.id, p.title, p.status);
//! ```
//!
//! ```toml,claim
//! lock = "ROW EXCLUSIVE"
//! table = "posts_archive"
//! scan = true
//! ```
//!
//! A backfill merges in batches, in the background:
//!
//! ```sql,safe,pg15
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! MERGE INTO posts_archive a
//! USING (SELECT id, title, status FROM posts WHERE id > $1 AND id <= $2) p ON p.id = a.id
//! WHEN MATCHED THEN UPDATE SET title = p.title
//! WHEN NOT MATCHED THEN INSERT (id, title, status) VALUES (p.id, p.title, p.status);
//! ```

use super::unbatched::{InBatches, report};
use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::DmlKind;

pub(super) const RULE: Rule = Rule {
    name: "unbatched-merge",
    source: include_str!("unbatched_merge.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

const IN_BATCHES: InBatches = InBatches {
    verb: "merge",
    statement: |table, from, range| {
        format!("MERGE INTO {table} USING (SELECT * FROM {from} WHERE {range}) s ON …")
    },
};

fn check(check: &mut StatementCheck<'_>) {
    report(check, DmlKind::Merge, &IN_BATCHES);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_is_bounded() {
        fires(
            "unbatched-merge",
            &[
                "MERGE INTO posts p USING authors a ON a.id = p.author_id WHEN MATCHED THEN UPDATE SET title = a.name;",
                "MERGE INTO posts p USING (VALUES (1)) v (id) ON true WHEN MATCHED THEN UPDATE SET score = 0;",
                "MERGE INTO posts p USING (VALUES (1)) v (id) ON p.legacy WHEN MATCHED THEN DELETE;",
                "MERGE INTO posts p USING (VALUES ('x')) v (s) ON v.s = p.status WHEN MATCHED THEN DELETE;",
                "MERGE INTO posts p USING (VALUES (1)) v (id) ON p.id = v.id WHEN NOT MATCHED BY SOURCE THEN DELETE;",
                "MERGE INTO posts p USING (SELECT * FROM authors LIMIT 10) a ON a.id = p.author_id WHEN MATCHED THEN DELETE;",
                "MERGE INTO posts p USING (SELECT * FROM authors) a ON a.id = p.author_id WHEN MATCHED THEN DELETE;",
            ],
        );
        silent(
            "unbatched-merge",
            &[
                "MERGE INTO posts p USING (VALUES (1, 'a')) AS v (id, title) ON v.id = p.id WHEN MATCHED THEN UPDATE SET title = v.title;",
                "MERGE INTO posts p USING (SELECT * FROM authors LIMIT 10) a ON a.id = p.id WHEN MATCHED THEN DELETE;",
                "MERGE INTO posts p USING (VALUES ('x')) v (s) ON v.s = p.status WHEN NOT MATCHED THEN INSERT (status) VALUES (v.s);",
                "CREATE TEMP TABLE fresh (id bigint);\nMERGE INTO posts p USING fresh f ON f.id = p.id WHEN MATCHED THEN DELETE;",
            ],
        );
    }
}
