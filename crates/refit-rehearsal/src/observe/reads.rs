//! The rows that a session has read and changed, from the statistics.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::{Client, Row};

use super::relations::Relation;
use crate::error::Error;

/// Counts by table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads(BTreeMap<u32, Count>);

/// The counts of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Sequential scans.
    pub(crate) scans: i64,
    /// Rows that they read.
    pub(crate) rows: i64,
    /// Index scans.
    pub(crate) by_index: i64,
    pub(crate) inserted: i64,
    pub(crate) updated: i64,
    pub(crate) deleted: i64,
}

const COLUMNS: &str = "relid, seq_scan, seq_tup_read, idx_scan, n_tup_ins, n_tup_upd, n_tup_del";

impl Reads {
    /// The session's statistics that are not flushed yet; within a transaction none are flushed.
    pub(crate) async fn of_transaction(client: &Client) -> Result<Reads, Error> {
        Reads::from(client, "pg_catalog.pg_stat_xact_user_tables").await
    }

    async fn from(client: &Client, view: &str) -> Result<Reads, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM {view} \
             WHERE seq_scan > 0 OR idx_scan > 0 OR n_tup_ins + n_tup_upd + n_tup_del > 0"
        );
        let rows = client.query_typed(&sql, &[]).await.map_err(Error::database("reading the statistics"))?;
        Ok(Reads(rows.iter().map(count).collect()))
    }

    /// The difference from earlier counts.
    pub(super) fn since(&self, earlier: &Reads) -> Vec<(u32, Count)> {
        let difference = |(oid, now): (&u32, &Count)| {
            let then = earlier.0.get(oid).copied().unwrap_or_default();
            let count = Count {
                scans: now.scans - then.scans,
                rows: now.rows - then.rows,
                by_index: now.by_index - then.by_index,
                inserted: now.inserted - then.inserted,
                updated: now.updated - then.updated,
                deleted: now.deleted - then.deleted,
            };
            (*oid, count)
        };
        self.0.iter().map(difference).filter(|(_, count)| *count != Count::default()).collect()
    }
}

fn count(row: &Row) -> (u32, Count) {
    let number = |column: usize| row.get::<_, Option<i64>>(column).unwrap_or_default();
    let count = Count {
        scans: number(1),
        rows: number(2),
        by_index: number(3),
        inserted: number(4),
        updated: number(5),
        deleted: number(6),
    };
    (row.get(0), count)
}

/// The statistics of all sessions, including this one. Before PostgreSQL 15, a session sends its statistics at most every
/// half second, and the statistics collector adds them up.
pub(super) async fn flushed(client: &Client) -> Result<Reads, Error> {
    let forced =
        client.query_typed("SELECT pg_catalog.current_setting('server_version_num')::int >= 150000", &[]);
    let forced = forced.await.map_err(Error::database("reading the server's version"))?;
    if forced.iter().any(|row| row.get(0)) {
        let flush = client.batch_execute("SELECT pg_catalog.pg_stat_force_next_flush()").await;
        flush.map_err(Error::database("flushing the statistics"))?;
    } else {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        client.batch_execute("SELECT 1").await.map_err(Error::database("flushing the statistics"))?;
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    Reads::from(client, "pg_catalog.pg_stat_user_tables").await
}

/// Whether the rows read are most of the table's rows. True where the rows cannot be counted.
pub(super) async fn is_whole(
    client: &Client,
    relation: &Relation,
    read: &Count,
    in_transaction: bool,
) -> Result<bool, Error> {
    if relation.relkind == 'p' {
        return Ok(false);
    }
    let limit = (read.rows.saturating_mul(2) + read.inserted - read.deleted).max(0) + 1;
    let sql =
        format!("SELECT pg_catalog.count(*) FROM (SELECT FROM ONLY {} LIMIT {limit}) s", relation.quoted);
    let around = |sql: &str| if in_transaction { sql.to_owned() } else { String::new() };
    client
        .batch_execute(&around("SAVEPOINT refit_observe"))
        .await
        .map_err(Error::database("counting the rows of a scanned table"))?;
    let counted = client.query_typed(&sql, &[]).await;
    client
        .batch_execute(&around("ROLLBACK TO SAVEPOINT refit_observe; RELEASE SAVEPOINT refit_observe"))
        .await
        .map_err(Error::database("counting the rows of a scanned table"))?;
    Ok(counted
        .ok()
        .and_then(|rows| rows.first().map(|row| row.get::<_, i64>(0)))
        .is_none_or(|all| all < limit))
}
