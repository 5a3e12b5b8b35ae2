//! # A statement that fails in a transaction
//!
//! VACUUM, CREATE and DROP DATABASE, CREATE and DROP TABLESPACE, ALTER SYSTEM, CREATE and DROP SUBSCRIPTION with a
//! slot, REINDEX of a schema, a database or a partitioned table, CLUSTER of all tables, DISCARD ALL and a few more
//! commit by themselves or cannot be undone. PostgreSQL refuses them in a transaction block: 25001, "cannot run inside
//! a transaction block". Every migration is one transaction unless it has `transaction = false`.
//!
//! Few of them belong in a migration: autovacuum runs VACUUM and ANALYZE, databases and tablespaces are created before
//! the service boots, and ALTER SYSTEM is server configuration.
//!
//! Lock: none, the statement fails. PostgreSQL 14 to 18; CLUSTER of a partitioned table exists since 15.
//!
//! ```sql,unsafe
//! VACUUM posts;
//! ```
//!
//! ```toml,claim
//! error = "25001"
//! ```
//!
//! ```sql,safe
//! -- refit: transaction = false
//! VACUUM (ANALYZE) posts;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "non-transactional-statement",
    source: include_str!("non_transactional_statement.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let Some(statement) = alone(check) else { return };
    if check.in_body {
        check
            .report(format!("{statement} fails in a DO block or function (25001)"))
            .help("write it as a separate statement, in a migration with:\n-- refit: transaction = false");
    } else if check.window.in_transaction {
        let written = check.written(check.stmt.span).unwrap_or_default();
        check
            .report(format!("{statement} fails in a transaction (25001)"))
            .help(format!("put it in its own migration:\n-- refit: transaction = false\n{written};"));
    }
}

/// The name of the statement, if it cannot run in a transaction.
fn alone(check: &StatementCheck<'_>) -> Option<String> {
    let named = |name: &str| Some(name.to_owned());
    match &check.stmt.kind {
        StmtKind::Vacuum { .. } => named("VACUUM"),
        StmtKind::Cluster { table: None } => named("CLUSTER of all tables"),
        StmtKind::Cluster { table: Some(table) } if check.schema.is_partitioned(table) => {
            named("CLUSTER of a partitioned table")
        }
        // REINDEX CONCURRENTLY is covered by `concurrently-in-transaction`.
        StmtKind::Reindex { what, name, concurrently: false } => match (what.as_str(), name) {
            ("SCHEMA" | "DATABASE" | "SYSTEM", _) => Some(format!("REINDEX {what}")),
            ("TABLE", Some(table)) if check.schema.is_partitioned(table) => {
                named("REINDEX of a partitioned table")
            }
            _ => None,
        },
        StmtKind::Other(words) => other(check, words),
        _ => None,
    }
}

fn other(check: &StatementCheck<'_>, words: &str) -> Option<String> {
    if !["CREATE", "DROP", "ALTER", "DISCARD"].iter().any(|verb| words.starts_with(verb)) {
        return None;
    }
    let words: Vec<&str> = words.split(' ').collect();
    let says = |option: &str| {
        let text = check.written(check.stmt.span).unwrap_or_default().to_ascii_lowercase();
        text.split_whitespace().collect::<String>().contains(option)
    };
    let alone = match words[..] {
        ["CREATE" | "DROP", "DATABASE" | "TABLESPACE", ..]
        | ["ALTER", "SYSTEM", ..]
        | ["DISCARD", "ALL", ..]
        | ["ALTER", "DATABASE", _, "SET", "TABLESPACE", ..] => true,
        // Without a replication slot, a subscription is only a catalog row.
        ["CREATE", "SUBSCRIPTION", ..] => !says("create_slot=false") && !says("connect=false"),
        ["DROP", "SUBSCRIPTION", ..] => !check.before.iter().any(
            |stmt| matches!(&stmt.kind, StmtKind::Other(words) if words.starts_with("ALTER SUBSCRIPTION")),
        ),
        ["ALTER", "SUBSCRIPTION", _, "REFRESH", ..] => true,
        _ => false,
    };
    alone.then(|| words[..2].join(" "))
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn what_must_be_alone() {
        fires(
            "non-transactional-statement",
            &[
                "VACUUM;",
                "VACUUM (FULL, ANALYZE) posts;",
                "CREATE DATABASE other;",
                "DROP DATABASE IF EXISTS other;",
                "ALTER SYSTEM SET work_mem = '1GB';",
                "ALTER DATABASE app SET TABLESPACE fast;",
                "CREATE TABLESPACE fast LOCATION '/fast';",
                "CREATE SUBSCRIPTION s CONNECTION 'host=a' PUBLICATION p;",
                "REINDEX SCHEMA public;",
                "REINDEX TABLE events;",
                "CLUSTER;",
                "DISCARD ALL;",
                "-- refit: transaction = false\nBEGIN; VACUUM posts; COMMIT;",
            ],
        );
        silent(
            "non-transactional-statement",
            &[
                "-- refit: transaction = false\nVACUUM posts;",
                "ANALYZE posts;",
                "ALTER DATABASE app SET work_mem = '1GB';",
                "CREATE SUBSCRIPTION s CONNECTION 'host=a' PUBLICATION p WITH (connect = false);",
                "ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s;",
                "REINDEX TABLE posts;",
                "CLUSTER posts USING posts_author_id_idx;",
                "COMMENT ON TABLE posts IS 'CREATE DATABASE';",
            ],
        );
    }
}
