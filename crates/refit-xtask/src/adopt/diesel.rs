//! Adopts the history of diesel: versions are the digits of its folders' names, and there is no checksum.

use refit::Connection;
use refit_model::MigrationSet;

use super::{Proof, Tables, Takeover, Tool, rfc3339};

pub(super) async fn read(
    connection: &Connection,
    tables: &Tables,
    set: &MigrationSet,
) -> anyhow::Result<Takeover> {
    let mut takeover = Takeover::new("diesel");
    let sql = format!(
        "SELECT version, {} FROM {} ORDER BY version",
        rfc3339("run_on::timestamptz"),
        tables.existing(connection, Tool::Diesel).await?
    );
    for row in connection.query(&sql, &[]).await? {
        let (text, applied_on): (String, String) = (row.get(0), row.get(1));
        // Skip diesel's setup migration, which creates two helper functions and has no file in the converted folder.
        if text.bytes().all(|byte| byte == b'0') && set.migration(0).is_none() {
            continue;
        }
        match text.parse() {
            Ok(version) => takeover.add(set, version, &text, applied_on, |_| Proof::NoChecksum),
            Err(_) => takeover.unmatched.push(format!("version {text} is not a whole number")),
        }
    }
    Ok(takeover)
}
