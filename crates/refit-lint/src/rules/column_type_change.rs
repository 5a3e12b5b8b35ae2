//! # ALTER COLUMN TYPE that rewrites the table
//!
//! ALTER COLUMN TYPE takes ACCESS EXCLUSIVE. For most changes it then rewrites every row and rebuilds every index on
//! the column while it holds the lock: reads and writes wait until the end of the transaction. Running code whose
//! prepared statements or driver still expect the old type fails too.
//!
//! Measured: a rewrite for int → bigint, text → varchar(n), a shorter varchar, another scale of numeric, timestamptz →
//! timestamptz(3), and every USING that computes a value. No rewrite: a longer varchar or one without a limit, varchar
//! → text and back, more digits of numeric at the same scale, more digits of a time, a domain → its base type. If a
//! CHECK uses the column, even these read every row to check it again. With another COLLATE, with timestamp ↔
//! timestamptz under UTC, and if an expression or WHERE of an index uses the column, rows are kept but the indexes on
//! the column are rebuilt.
//!
//! The set shows the old type if one of its migrations created the column. If not, the rule says so instead of
//! guessing.
//!
//! The safe way is a new column: add it, let the application write both, fill it in batches, read from it, drop the old
//! one.
//!
//! Lock: ACCESS EXCLUSIVE on the table, for the whole rewrite. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ALTER COLUMN score TYPE bigint;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! rewrite = true
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN score_new bigint;
//! -- file: V2__fill_score_new.sql
//! -- refit: backfill = { table = "posts", key = ["id"], batch = 10000 }
//! UPDATE posts SET score_new = score WHERE id > $1 AND id <= $2 AND score_new IS NULL;
//! ```
//!
//! A change that needs no rewrite can be made directly:
//!
//! ```sql,safe
//! ALTER TABLE posts ALTER COLUMN code TYPE varchar(40);
//! ALTER TABLE posts ALTER COLUMN price TYPE numeric(12, 2);
//! ```

use crate::batches::Batches;
use crate::check::StatementCheck;
use crate::effects::{TypeChange, column_change};
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, ColumnChange, DataType, Name, Span};
use crate::words::Words;

pub(super) const RULE: Rule = Rule {
    name: "column-type-change",
    source: include_str!("column_type_change.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some((table, actions)) = check.alters() else { return };
    for (span, action) in actions {
        let AlterAction::AlterColumn { column, change: ColumnChange::Type { to, using, collate } } = action
        else {
            continue;
        };
        let from = check.schema.column(table, column).and_then(|known| known.data_type.as_deref());
        let (old, new) = (from.map(written), written(to));
        let kept = "while reads and writes wait until the transaction ends";
        let message = match column_change(check.schema, table, column, to, using.as_ref(), *collate) {
            TypeChange::Free => continue,
            TypeChange::Recheck => {
                format!("{column} keeps its rows, but a CHECK on it reads every row of {table} again {kept}")
            }
            TypeChange::Reindex => format!("the indexes on {column} of {table} are rebuilt {kept}"),
            TypeChange::Rewrite => {
                let from = old.map_or(String::new(), |old| format!("from {old} "));
                format!("changing {column} {from}to {new} rewrites every row of {table} {kept}")
            }
            TypeChange::Unknown => format!(
                "the set does not show the old type of {column}: {}, every row of {table} is rewritten {kept}",
                unless(to)
            ),
        };
        let help = beside(check, table, column, (*span, &new));
        check.report_at(*span, message).lock(LockMode::AccessExclusive, table).help(help);
    }
}

/// The old types from which the change is free.
fn unless(to: &DataType) -> String {
    match (to.name.as_str(), to.modifiers.as_slice()) {
        _ if to.array => format!("unless it was {}", written(to)),
        ("text" | "varchar", []) => "unless it was varchar or text".to_owned(),
        ("varchar", [limit, ..]) => format!("unless it was varchar({limit}) or shorter"),
        ("numeric", _) => "unless it was numeric with the same scale and no more digits".to_owned(),
        _ => format!("unless it was {}", written(to)),
    }
}

/// The new column, with the type, collation and values that the action at `span` gives the old one.
fn beside(check: &StatementCheck<'_>, table: &Name, column: &str, (span, new): (Span, &str)) -> String {
    let (beside, column) = (super::quoted(&format!("{column}_new")), super::quoted(column));
    let Batches { directive, range, .. } = Batches::or_by_id(check.schema, table);
    let words = Words::of(check.written(span).unwrap_or_default());
    let using = words.find(0, &["USING"]);
    let value = using.map_or(column.as_str(), |at| words.from(at + 1));
    let collate = words.find(0, &["COLLATE"]).map(|at| {
        let last = using.unwrap_or(words.all.len()) - 1;
        format!(" {}", words.between(at, last).unwrap_or_default())
    });
    let collate = collate.unwrap_or_default();
    format!(
        "add a new column, and let the application write both before the backfill:\n\
         ALTER TABLE {table} ADD COLUMN {beside} {new}{collate};\n\
         -- the next migration:\n\
         -- refit: backfill = {directive}\n\
         UPDATE {table} SET {beside} = {value} WHERE {range} AND {beside} IS NULL;"
    )
}

fn written(data_type: &DataType) -> String {
    let numbers: Vec<String> = data_type.modifiers.iter().map(i32::to_string).collect();
    let numbers = if numbers.is_empty() { String::new() } else { format!("({})", numbers.join(", ")) };
    format!("{}{numbers}{}", data_type.name, if data_type.array { "[]" } else { "" })
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn changes_that_cost() {
        fires(
            "column-type-change",
            &[
                "ALTER TABLE posts ALTER COLUMN score TYPE bigint;",
                "ALTER TABLE posts ALTER score SET DATA TYPE int8;",
                "ALTER TABLE posts ALTER COLUMN title TYPE varchar(100);",
                "ALTER TABLE posts ALTER COLUMN code TYPE varchar(10);",
                "ALTER TABLE posts ALTER COLUMN price TYPE numeric(12, 4);",
                "ALTER TABLE posts ALTER COLUMN published_at TYPE timestamptz(3);",
                "ALTER TABLE posts ALTER COLUMN published_at TYPE timestamp;",
                "ALTER TABLE posts ALTER COLUMN code TYPE text USING upper(code);",
                "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY i ON posts (title);\n-- file: V2__x.sql\n\
                 ALTER TABLE posts ALTER COLUMN title TYPE text COLLATE \"C\";",
                "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY i ON posts (lower(code));\n-- file: V2__x.sql\n\
                 ALTER TABLE posts ALTER COLUMN code TYPE varchar(40);",
                "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY i ON posts (id) WHERE code <> '';\n-- file: V2__x.sql\n\
                 ALTER TABLE posts ALTER COLUMN code TYPE varchar(40);",
                "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY i ON posts (published_at);\n-- file: V2__x.sql\n\
                 SET LOCAL timezone = 'UTC'; ALTER TABLE posts ALTER COLUMN published_at TYPE timestamp;",
                "ALTER TABLE posts ALTER COLUMN score TYPE positive;",
                "ALTER TABLE unknown ALTER COLUMN a TYPE text;",
                "ALTER TABLE unknown ALTER COLUMN a TYPE bigint;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (code <> '') NOT VALID;\n-- file: V2__x.sql\n\
                 ALTER TABLE posts VALIDATE CONSTRAINT c;\n-- file: V3__x.sql\nALTER TABLE posts ALTER COLUMN code TYPE text;",
            ],
        );
        silent(
            "column-type-change",
            &[
                "ALTER TABLE posts ALTER COLUMN code TYPE varchar(40);",
                "ALTER TABLE posts ALTER COLUMN title TYPE text COLLATE \"C\";",
                "SET LOCAL timezone = 'UTC'; ALTER TABLE posts ALTER COLUMN published_at TYPE timestamp;",
                "ALTER TABLE posts ALTER COLUMN code TYPE character varying;",
                "ALTER TABLE posts ALTER COLUMN code TYPE text;",
                "ALTER TABLE posts ALTER COLUMN code TYPE text USING code::text;",
                "ALTER TABLE posts ALTER COLUMN title TYPE varchar;",
                "ALTER TABLE posts ALTER COLUMN price TYPE decimal(12, 2);",
                "ALTER TABLE posts ALTER COLUMN price TYPE numeric;",
                "ALTER TABLE posts ALTER COLUMN published_at TYPE timestamptz(6);",
                "ALTER TABLE labels ALTER COLUMN label TYPE text;",
                "ALTER TABLE labels ALTER COLUMN rank TYPE integer;",
                "ALTER TABLE posts ALTER COLUMN title TYPE short_text;",
                "ALTER TABLE posts ALTER COLUMN score TYPE int4;",
                "ALTER TABLE public.posts ALTER COLUMN code TYPE varchar(40);\n-- file: V2__x.sql\n\
                 ALTER TABLE posts ALTER COLUMN code TYPE varchar(50);",
                "CREATE TABLE t (a int); ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            ],
        );
    }
}
