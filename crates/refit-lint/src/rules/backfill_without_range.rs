//! # A backfill that goes beyond its batch
//!
//! The statements of a backfill run once per batch. `$1` and `$2` are the bounds of the batch: keys greater than `$1`,
//! up to and including `$2`. A statement that omits a bound, or does not compare the key with it, changes all rows each
//! time; one with `< $2` misses the last row. The key must be unique, because rows that share a key make a batch of any
//! size, and NOT NULL, because rows with a NULL key are never reached.
//!
//! A statement that sets the key, or inserts into the table that it walks, goes beyond its batch too: a later batch
//! reaches the row and changes it again. Refit refuses to start a backfill that omits a bound or goes beyond its batch.
//!
//! Lock: ROW EXCLUSIVE on the table, and a lock on every row that a batch changes until its commit. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET status = 'new' WHERE status IS NULL;
//! ```
//!
//! ```toml,claim
//! error = "refused"
//! ```
//!
//! ```sql,safe
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET status = 'new' WHERE id > $1 AND id <= $2 AND status IS NULL;
//! ```
//!
//! Each of these rows would be moved until its key is greater than all others:
//!
//! ```sql,unsafe
//! -- refit: backfill = { table = "people", key = ["id"], batch = 10000 }
//! UPDATE people SET id = id + 1000000 WHERE id > $1 AND id <= $2;
//! ```
//!
//! ```toml,claim
//! error = "refused"
//! ```
//!
//! Put the new key in its own column:
//!
//! ```sql,safe
//! ALTER TABLE people ADD COLUMN new_id bigint;
//! -- file: V2__number_people.sql
//! -- refit: backfill = { table = "people", key = ["id"], batch = 10000 }
//! UPDATE people SET new_id = id + 1000000 WHERE id > $1 AND id <= $2 AND new_id IS NULL;
//! ```
//!
//! A key of two columns has four bounds:
//!
//! ```sql,safe
//! CREATE TABLE post_tags (post_id bigint, tag text, weight integer, PRIMARY KEY (post_id, tag));
//! INSERT INTO post_tags SELECT i, tag FROM generate_series(1, 1000) i, unnest(ARRAY['a', 'b']) tag;
//! -- file: V2__weigh_tags.sql
//! -- refit: backfill = { table = "post_tags", key = ["post_id", "tag"], batch = 1000 }
//! UPDATE post_tags SET weight = 1 WHERE (post_id, tag) > ($1, $2) AND (post_id, tag) <= ($3, $4) AND weight IS NULL;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Change, Compare, Dml, DmlKind, Expr, Name};

pub(super) const RULE: Rule = Rule {
    name: "backfill-without-range",
    source: include_str!("backfill_without_range.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some(backfill) = &check.file.directives.backfill else { return };
    if check.in_body {
        return;
    }
    let table = Name::of_directive(&backfill.table);
    let key: Vec<&str> = backfill.key.iter().map(String::as_str).collect();
    if let (true, Some(why)) = (check.before.is_empty(), bad_key(check, &table, &key)) {
        check
            .report(format!("the key {} of {table} {why}", key.join(", ")))
            .table(&table)
            .help("name the columns of the primary key, or of a unique index whose columns are NOT NULL");
        return;
    }
    let changes = check.stmt.kind.changes();
    let moving =
        changes.iter().find_map(|change| moves(change.dml, &table, &key).map(|why| (change.dml, why)));
    if let Some((dml, (why, help))) = moving {
        check
            .report_at(dml.span, format!("a batch goes beyond its range in {table}: {why}"))
            .lock(LockMode::RowExclusive, &dml.table)
            .help(help);
        return;
    }
    let Some(last) = changes.last() else { return };
    if let Some(why) = strays(&changes, &key) {
        let changed = &last.dml.table;
        check
            .report_at(last.dml.span, format!("a batch goes beyond its range in {table}: {why}"))
            .lock(LockMode::RowExclusive, changed)
            .help(format!("compare the key with both bounds:\n… WHERE {} AND …", range(&key)));
    }
}

/// Why a change moves rows into later batches, and how to fix it.
fn moves(dml: &Dml, table: &Name, key: &[&str]) -> Option<(String, &'static str)> {
    if dml.table.key_ref() != table.key_ref() {
        return None;
    }
    match dml.kind {
        DmlKind::Insert => Some((
            "it inserts into the table that it walks, so later batches reach the new rows".to_owned(),
            "insert into another table",
        )),
        DmlKind::Update => {
            let (column, _) = dml.columns.iter().find(|(column, _)| key.contains(&column.as_str()))?;
            let why =
                format!("it sets {column}, a column of its key, so a later batch may reach the row again");
            Some((why, "write the new value into another column, or walk another unique key"))
        }
        DmlKind::Delete | DmlKind::Merge => None,
    }
}

/// Why a key cannot divide the table into batches, judging by what the set says about the table.
fn bad_key(check: &StatementCheck<'_>, table: &Name, key: &[&str]) -> Option<String> {
    let known = check.schema.table(table)?;
    if known.complete
        && let Some(missing) = key.iter().find(|column| !known.columns.contains_key(**column))
    {
        return Some(format!("does not exist: there is no column {missing}"));
    }
    if check.schema.is_unique_key(table, key) == Some(false) {
        return Some("is not unique: a batch has no maximum size if rows share a value".to_owned());
    }
    let nullable = key.iter().find(|column| {
        known.columns.get(**column).is_some_and(|column| column.data_type.is_some() && !column.not_null)
    })?;
    Some(format!("may be NULL: rows where {nullable} is NULL are never reached"))
}

/// The condition that a batch needs.
fn range(key: &[&str]) -> String {
    let bounds =
        |from: usize| (from..from + key.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let (lower, upper) = (bounds(1), bounds(1 + key.len()));
    match key {
        [column] => {
            let column = super::quoted(column);
            format!("{column} > {lower} AND {column} <= {upper}")
        }
        _ => {
            let columns = key.iter().map(|column| super::quoted(column)).collect::<Vec<_>>().join(", ");
            format!("({columns}) > ({lower}) AND ({columns}) <= ({upper})")
        }
    }
}

/// Why the changes of a statement go beyond their batch, or `None` if they do not.
fn strays(changes: &[Change<'_>], key: &[&str]) -> Option<String> {
    let width = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (mut lower, mut upper, mut short) = (false, false, false);
    let mut see = |op: Compare, columns: &Expr, bounds: &Expr| {
        let Some(first) = params(bounds, width) else { return };
        if !is_key(columns, key) {
            return;
        }
        match op {
            Compare::Gt | Compare::Ge => lower |= first == 1,
            Compare::Le => upper |= first == 1 + width,
            Compare::Lt => short |= first == 1 + width,
            Compare::Eq | Compare::Ne => {}
        }
    };
    for condition in changes.iter().flat_map(|change| change.dml.conditions()) {
        match condition {
            Expr::Compare { op, left, right } => {
                see(*op, left, right);
                see(flipped(*op), right, left);
            }
            Expr::Between { negated: false, value, low, high } => {
                see(Compare::Ge, value, low);
                see(Compare::Le, value, high);
            }
            _ => {}
        }
    }
    let columns = key.join(", ");
    match (lower, upper) {
        (true, true) => None,
        (_, false) if short => Some(format!("{columns} < ${} misses the last row of each batch", 1 + width)),
        (false, false) => Some(format!("{columns} is not compared with either bound")),
        (false, true) => Some(format!("{columns} is not compared with its lower bound $1")),
        (true, false) => Some(format!("{columns} is not compared with its upper bound ${}", 1 + width)),
    }
}

fn flipped(op: Compare) -> Compare {
    match op {
        Compare::Gt => Compare::Lt,
        Compare::Ge => Compare::Le,
        Compare::Lt => Compare::Gt,
        Compare::Le => Compare::Ge,
        same => same,
    }
}

/// The number of the first parameter, if the expression is `width` consecutive parameters.
fn params(bounds: &Expr, width: u32) -> Option<u32> {
    match bounds {
        Expr::Param(n) => (width == 1).then_some(*n),
        Expr::Cast { value, .. } => params(value, width),
        Expr::Row(parts) if parts.len() as u32 == width => {
            let first = params(parts.first()?, 1)?;
            let consecutive = parts.iter().zip(first..).all(|(part, n)| params(part, 1) == Some(n));
            consecutive.then_some(first)
        }
        _ => None,
    }
}

/// Whether an expression is the columns of the key, in order.
fn is_key(columns: &Expr, key: &[&str]) -> bool {
    match (columns, key) {
        (Expr::Column { name, .. }, [column]) => name == column,
        (Expr::Row(parts), _) => {
            parts.len() == key.len() && parts.iter().zip(key).all(|(part, column)| is_key(part, &[column]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn batches_and_their_bounds() {
        let posts = |text: &str| {
            format!("-- refit: backfill = {{ table = \"posts\", key = [\"id\"], batch = 10000 }}\n{text}")
        };
        let stray = [
            "UPDATE posts SET status = 'new';",
            "UPDATE posts SET status = 'new' WHERE id > $1;",
            "UPDATE posts SET status = 'new' WHERE id <= $2;",
            "UPDATE posts SET status = 'new' WHERE id > $1 AND id < $2;",
            "UPDATE posts SET status = 'new' WHERE id > $1 OR id <= $2;",
            "UPDATE posts SET status = 'new' WHERE author_id > $1 AND author_id <= $2;",
            "UPDATE posts SET status = 'new' WHERE id > $2 AND id <= $1;",
            "DELETE FROM posts_archive;",
            "INSERT INTO posts_archive SELECT id, title, status FROM posts;",
        ];
        let kept = [
            "UPDATE posts SET status = 'new' WHERE id > $1 AND id <= $2;",
            "UPDATE posts p SET status = a.name FROM authors a WHERE p.id > $1::bigint AND $2 >= p.id AND a.id = p.author_id;",
            "UPDATE posts SET status = 'new' WHERE id BETWEEN $1 AND $2;",
            "INSERT INTO posts_archive SELECT id, title, status FROM posts WHERE id > $1 AND id <= $2;",
            "WITH b AS (SELECT id FROM posts WHERE id > $1 AND id <= $2) UPDATE posts p SET status = 'a' FROM b WHERE b.id = p.id;",
            "WITH gone AS (DELETE FROM posts WHERE id > $1 AND id <= $2 RETURNING *) INSERT INTO posts_archive SELECT id, title, status FROM gone;",
        ];
        for text in stray {
            fires("backfill-without-range", &[&posts(text)]);
        }
        for text in kept {
            silent("backfill-without-range", &[&posts(text)]);
            silent("unbatched-update", &[&posts(text)]);
        }
        silent("backfill-without-range", &["UPDATE posts SET status = 'new';"]);
    }

    #[test]
    fn keys_that_move() {
        let people = |text: &str| {
            format!("-- refit: backfill = {{ table = \"public.\\\"people\\\"\", key = [\"id\"] }}\n{text}")
        };
        for text in [
            "UPDATE people SET id = id + 1 WHERE id > $1 AND id <= $2;",
            "UPDATE public.people p SET (age, \"id\") = (1, p.id) WHERE p.id > $1 AND p.id <= $2;",
            "WITH moved AS (UPDATE people SET id = -id WHERE id > $1 AND id <= $2 RETURNING id) SELECT count(*) FROM moved;",
            "INSERT INTO people (id) SELECT id + 1 FROM people WHERE id > $1 AND id <= $2 ON CONFLICT (id) DO UPDATE SET id = 1;",
        ] {
            fires("backfill-without-range", &[&people(text)]);
        }
        silent(
            "backfill-without-range",
            &[
                &people("UPDATE people SET age = id WHERE id > $1 AND id <= $2;"),
                &people(
                    "UPDATE posts_archive a SET id = 1 FROM people p WHERE p.id > $1 AND p.id <= $2 AND a.id = p.id;",
                ),
            ],
        );
    }

    #[test]
    fn keys_that_cannot_be_one() {
        let update = |key: &str| {
            format!(
                "-- refit: backfill = {{ table = \"public.posts\", key = [\"{key}\"] }}\n\
                 UPDATE posts SET status = 'new' WHERE {key} > $1 AND {key} <= $2;"
            )
        };
        for key in ["author_id", "code", "nonesuch"] {
            fires("backfill-without-range", &[&update(key)]);
        }
        let unique = "-- file: V1__i.sql\n-- refit: transaction = false\nCREATE UNIQUE INDEX CONCURRENTLY i ON posts (%);\n-- file: V2__u.sql\n";
        fires("backfill-without-range", &[&(unique.replace('%', "code") + &update("code"))]);
        silent(
            "backfill-without-range",
            &[
                &(unique.replace('%', "slug") + &update("slug")),
                "-- refit: backfill = { table = \"unknown\", key = [\"number\"] }\n\
                 UPDATE unknown SET a = 1 WHERE number > $1 AND number <= $2;",
            ],
        );
    }
}
