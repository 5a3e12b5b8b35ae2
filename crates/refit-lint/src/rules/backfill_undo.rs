//! # A backfill whose changes cannot be kept for its rollback
//!
//! `undo` keeps what a backfill changes: earlier values of columns, or the keys of the rows that it inserts into a table.
//! Keys are kept for a single `INSERT INTO … SELECT` into that table. ON CONFLICT DO UPDATE also changes rows that the
//! statement did not insert, and a rollback could not tell them from the others; a RETURNING is Refit's own, and other
//! changes in WITH would not be undone. A generated column cannot be restored, because UPDATE cannot set it.
//!
//! Refit refuses to start a backfill with such an `undo`.
//!
//! Lock: ROW EXCLUSIVE on the table, and a lock on every row that a batch changes until its commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! -- refit: backfill = { table = "posts", key = ["id"], undo = { inserted = "posts_archive" } }
//! INSERT INTO posts_archive SELECT id, title, status FROM posts WHERE id > $1 AND id <= $2
//! ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status;
//! ```
//!
//! ```toml,claim
//! error = "refused"
//! ```
//!
//! Leave rows alone that are there, and change them in a backfill of its own:
//!
//! ```sql,safe
//! -- refit: backfill = { table = "posts", key = ["id"], undo = { inserted = "posts_archive" } }
//! INSERT INTO posts_archive SELECT id, title, status FROM posts WHERE id > $1 AND id <= $2
//! ON CONFLICT DO NOTHING;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{DmlKind, Generated, Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "backfill-undo",
    source: include_str!("backfill_undo.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some(backfill) = &check.file.directives.backfill else { return };
    if check.in_body {
        return;
    }
    if let Some(table) = backfill.undo.inserted() {
        let table = Name::of_directive(table);
        if let Some((why, help)) = not_inserted(check, &table) {
            check
                .report(format!("`undo` keeps the rows that are inserted into {table}, and {why}"))
                .lock(LockMode::RowExclusive, &table)
                .help(help);
        }
        return;
    }
    let table = Name::of_directive(&backfill.table);
    if let (true, Some(column)) = (check.before.is_empty(), generated(check, &table, backfill.undo.columns()))
    {
        check
            .report(format!(
                "`undo` names the generated column {column} of {table}, which a rollback cannot restore"
            ))
            .table(&table)
            .help(
                "name the columns that it is computed from, or omit it: UPDATE cannot set a generated column",
            );
    }
}

/// Why the rows that a statement inserts cannot be kept, and how to fix it.
fn not_inserted(check: &StatementCheck<'_>, table: &Name) -> Option<(String, &'static str)> {
    const SINGLE: &str = "write a single `INSERT INTO … SELECT`";
    if !check.before.is_empty() {
        return Some(("there are several statements".to_owned(), SINGLE));
    }
    let StmtKind::Dml(dml) = &check.stmt.kind else {
        return Some(("the statement is no INSERT".to_owned(), SINGLE));
    };
    if dml.kind != DmlKind::Insert {
        return Some(("the statement is no INSERT".to_owned(), SINGLE));
    }
    if check.stmt.kind.changes().len() > 1 {
        return Some(("the statement changes rows in WITH too".to_owned(), SINGLE));
    }
    if dml.returning {
        return Some(("the statement has a RETURNING of its own".to_owned(), "remove it"));
    }
    if dml.updates_on_conflict {
        let why = "ON CONFLICT DO UPDATE changes rows that it did not insert".to_owned();
        return Some((why, "write ON CONFLICT DO NOTHING, and the update as a backfill of its own"));
    }
    (dml.table.key_ref() != table.key_ref()).then(|| {
        let why = format!("the statement inserts into {}", dml.table);
        (why, "name the table that it inserts into: `undo = { inserted = \"…\" }`")
    })
}

/// A column of `undo` that cannot be restored, judging by what the set says about the table.
fn generated<'a>(check: &StatementCheck<'_>, table: &Name, undo: &'a [String]) -> Option<&'a str> {
    let known = check.schema.table(table)?;
    let column = undo.iter().find(|column| {
        let generated = known.columns.get(column.as_str()).and_then(|column| column.generated);
        matches!(generated, Some(Generated::Stored | Generated::Virtual))
    })?;
    Some(column)
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn only_a_single_insert_can_be_kept() {
        let archive = |text: &str| {
            let undo = "undo = { inserted = \"public.posts_archive\" }";
            format!("-- refit: backfill = {{ table = \"posts\", key = [\"id\"], {undo} }}\n{text};")
        };
        let rows = "SELECT id, title, status FROM posts WHERE id > $1 AND id <= $2";
        for text in [
            format!("INSERT INTO posts_archive {rows} ON CONFLICT (id) DO UPDATE SET title = 'x'"),
            format!("INSERT INTO posts_archive {rows} RETURNING id"),
            format!(
                "INSERT INTO posts_archive {rows}; INSERT INTO posts_archive {rows} ON CONFLICT DO NOTHING"
            ),
            format!(
                "WITH gone AS (DELETE FROM people WHERE id > $1 AND id <= $2 RETURNING id) INSERT INTO posts_archive {rows}"
            ),
            format!("INSERT INTO old.posts_archive {rows}"),
            "UPDATE posts SET status = 'x' WHERE id > $1 AND id <= $2".to_owned(),
        ] {
            fires("backfill-undo", &[&archive(&text)]);
        }
        for text in [
            format!("INSERT INTO posts_archive {rows}"),
            format!("INSERT INTO public.posts_archive {rows} ON CONFLICT DO NOTHING"),
            format!("WITH p AS ({rows}) INSERT INTO posts_archive SELECT * FROM p"),
        ] {
            silent("backfill-undo", &[&archive(&text)]);
        }
    }

    #[test]
    fn a_generated_column_cannot_be_restored() {
        let table = "-- file: V1__t.sql\nCREATE TABLE t (id bigint PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a + 1) STORED);\n\
             -- file: V2__u.sql\n";
        let fill = |undo: &str| {
            format!(
                "{table}-- refit: backfill = {{ table = \"t\", key = [\"id\"], undo = [\"{undo}\"] }}\n\
                 UPDATE t SET a = 1 WHERE id > $1 AND id <= $2;"
            )
        };
        fires("backfill-undo", &[&fill("b")]);
        silent("backfill-undo", &[&fill("a")]);
    }
}
