//! # CREATE INDEX that blocks writes
//!
//! CREATE INDEX takes a SHARE lock and keeps it while it reads the whole table and builds the index: reads continue,
//! but every INSERT, UPDATE and DELETE waits until the build is done and the transaction ends. CREATE INDEX
//! CONCURRENTLY takes SHARE UPDATE EXCLUSIVE, which blocks neither reads nor writes. It reads the table twice and
//! cannot run in a transaction: make it the only statement of a migration with `transaction = false`. If a build is
//! interrupted, Refit drops the INVALID index that it left before it retries.
//!
//! CONCURRENTLY fails on a partitioned table (0A000, "cannot create index on partitioned table concurrently"). There,
//! CREATE INDEX ON ONLY the parent is instant (0.3 ms measured). Build the index of each partition concurrently and
//! attach it; the parent's index becomes valid when the last one is attached.
//!
//! Not reported: tables that the same migration creates. `CREATE TABLE IF NOT EXISTS` does not count, because the table
//! may have existed before.
//!
//! Lock: SHARE on the table, for the whole build. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! CREATE INDEX posts_status_idx ON posts (status);
//! ```
//!
//! ```toml,claim
//! lock = "SHARE"
//! table = "posts"
//! scan = true
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! CREATE INDEX CONCURRENTLY posts_status_idx ON posts (status);
//! ```
//!
//! On a partitioned table:
//!
//! ```sql,safe
//! CREATE INDEX events_note_idx ON ONLY events (note);
//! -- file: V2__index_events_2025.sql
//! -- refit: transaction = false
//! CREATE INDEX CONCURRENTLY events_2025_note_idx ON events_2025 (note);
//! -- file: V3__attach_index_of_events_2025.sql
//! ALTER INDEX events_note_idx ATTACH PARTITION events_2025_note_idx;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Index, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "index-not-concurrent",
    source: include_str!("index_not_concurrent.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::CreateIndex(index) = &check.stmt.kind else { return };
    let table = &index.table;
    let partitioned = check.schema.is_partitioned(table);
    let known_plain = !partitioned && check.schema.table(table).is_some_and(|known| known.complete);
    if check.is_new(table) || index.only && !known_plain {
        return;
    }
    if partitioned {
        let message = match index.concurrently {
            true => format!("{table} is partitioned: CREATE INDEX CONCURRENTLY fails on it (0A000)"),
            false => format!(
                "writes to {table} and all of its partitions wait until every index is built and the transaction ends"
            ),
        };
        check.report(message).lock(LockMode::Share, table).help(partition_by_partition(index));
    } else if !index.concurrently {
        let help = format!(
            "build it without blocking writes, in its own migration:\n-- refit: transaction = false\n{};",
            concurrently(check, index)
        );
        check
            .report(format!("writes to {table} wait until the whole index is built and the transaction ends"))
            .lock(LockMode::Share, table)
            .help(help);
    }
}

fn name_of(index: &Index) -> String {
    let columns =
        || index.columns.iter().map(|column| column.as_deref().unwrap_or("expr")).collect::<Vec<_>>();
    match &index.name {
        Some(name) => name.to_string(),
        None => super::quoted(&format!("{}_{}_idx", index.table.name, columns().join("_"))),
    }
}

fn columns_of(index: &Index) -> String {
    index
        .columns
        .iter()
        .map(|column| column.as_deref().map_or("…".to_owned(), super::quoted))
        .collect::<Vec<_>>()
        .join(", ")
}

fn unique(index: &Index) -> &'static str {
    if index.unique { "UNIQUE " } else { "" }
}

/// The statement as written, with CONCURRENTLY and with the name that Refit needs to resume it.
fn concurrently(check: &StatementCheck<'_>, index: &Index) -> String {
    let written = check.written(check.stmt.span).filter(|_| index.name.is_some());
    let at = written.and_then(|text| text.to_ascii_uppercase().find("INDEX"));
    match (written, at) {
        (Some(text), Some(at)) => {
            let (head, tail) = text.split_at(at + "INDEX".len());
            format!("{head} CONCURRENTLY{tail}")
        }
        _ => format!(
            "CREATE {}INDEX CONCURRENTLY {} ON {} ({})",
            unique(index),
            name_of(index),
            index.table,
            columns_of(index)
        ),
    }
}

fn partition_by_partition(index: &Index) -> String {
    let (name, table, columns, unique) = (name_of(index), &index.table, columns_of(index), unique(index));
    format!(
        "create it on the parent only, which is instant; then build one per partition concurrently and attach it:\n\
         CREATE {unique}INDEX {name} ON ONLY {table} ({columns});\n\
         -- a migration for each partition:\n\
         -- refit: transaction = false\n\
         CREATE {unique}INDEX CONCURRENTLY {table}_part_idx ON {table}_part ({columns});\n\
         -- and one more:\n\
         ALTER INDEX {name} ATTACH PARTITION {table}_part_idx;"
    )
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn who_waits_for_an_index() {
        fires(
            "index-not-concurrent",
            &[
                "CREATE INDEX ON posts (status);",
                "CREATE UNIQUE INDEX IF NOT EXISTS i ON public.posts (lower(slug));",
                "CREATE INDEX i ON unknown (a);",
                "CREATE TABLE IF NOT EXISTS orders (a text); CREATE INDEX i ON orders (a);",
                "CREATE INDEX i ON ONLY posts (status);",
                "CREATE INDEX i ON events (note);",
                "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY i ON events (note);",
                "DO $$ BEGIN EXECUTE 'CREATE INDEX i ON posts (status)'; END $$;",
                "CREATE INDEX i ON post_counts (posts);",
            ],
        );
        silent(
            "index-not-concurrent",
            &[
                "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY i ON posts (status);",
                "CREATE INDEX i ON ONLY measurements (ts);",
                "CREATE INDEX i ON ONLY events (note);",
                "CREATE TABLE t (a int); CREATE INDEX ON public.t (a);",
                "CREATE TEMP TABLE t AS SELECT 1 AS a; CREATE INDEX ON t (a);",
                "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');\n\
                 CREATE INDEX ON events_2027 (note);",
                "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a; CREATE INDEX ON v (a);",
            ],
        );
    }
}
