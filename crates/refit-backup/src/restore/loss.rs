//! What a restore would change in a table.

use serde::Serialize;
use tokio_postgres::types::{ToSql, Type};

use crate::digest::digest;
use crate::error::Error;
use crate::metadata::{Backup, TableRows};
use crate::session::Session;
use crate::tables::escaped;

/// Rows of a table: in the backup, now, and what differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// The table, qualified and quoted.
    pub table: String,
    /// Rows in the backup.
    pub rows_in_backup: i64,
    /// Rows now.
    pub rows_now: i64,
    /// Whether the rows are the same; none if that cannot be determined.
    pub is_same: Option<bool>,
    /// Rows that were inserted or updated since, which a restore deletes or sets back; none if that cannot be determined.
    pub written_since: Option<i64>,
    /// Rows of the backup that were deleted or updated since, which a restore brings back; none if that cannot be determined.
    pub gone_since: Option<i64>,
}

/// Half of the 32-bit transaction ids: of two that are further apart, it is unknown which is older.
const HALF: i64 = 1 << 31;

/// The loss of a table. `comparable`: whether digests can be compared; `is_own`: whether transaction ids can.
pub(super) async fn of(
    session: &Session,
    rows: &TableRows,
    backup: &Backup,
    comparable: bool,
    is_own: bool,
) -> Result<Loss, Error> {
    let now = digest(session, &rows.schema, &rows.name).await?;
    let written_since = match is_own {
        true => written_since(session, rows, backup).await?,
        false => None,
    };
    Ok(Loss {
        table: rows.quoted(),
        rows_in_backup: rows.rows,
        rows_now: now.rows,
        is_same: comparable.then(|| now.rows == rows.rows && now.sum == rows.digest),
        written_since,
        gone_since: written_since.map(|written| (rows.rows - (now.rows - written)).max(0)),
    })
}

/// The rows whose version was written by a transaction that the backup does not see.
async fn written_since(session: &Session, rows: &TableRows, backup: &Backup) -> Result<Option<i64>, Error> {
    let Some(dump) = &backup.dump else { return Ok(None) };
    let doing = || Error::database(format!("counting the rows of {}", rows.quoted()));
    let sql = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8";
    let next: i64 = session.query_typed_one(sql, &[]).await.map_err(doing())?.get(0);
    if !(0..HALF).contains(&(next - dump.snapshot.xmax)) {
        return Ok(None);
    }
    let low = |id: i64| id & 0xffff_ffff;
    let running: Vec<i64> = dump.snapshot.running.iter().map(|id| low(*id)).collect();
    // Ids below 3 are not of transactions.
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM (SELECT xmin::pg_catalog.text::pg_catalog.int8 AS id FROM ONLY {}) AS written \
         WHERE id > 2 AND ((id - $1 + 4294967296) % 4294967296 < {HALF} OR id = ANY ($2))",
        escaped(&rows.schema, &rows.name)
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&low(dump.snapshot.xmax), Type::INT8), (&running, Type::INT8_ARRAY)];
    Ok(Some(session.query_typed_one(&sql, &parameters).await.map_err(doing())?.get(0)))
}
