//! Adopts the history of sqlx: versions as in its file names, and SHA-384 over the file's bytes.

use anyhow::bail;
use refit::Connection;
use refit_model::MigrationSet;
use sha2::{Digest, Sha384};

use super::{Proof, Tables, Takeover, Tool, rfc3339};

pub(super) async fn read(
    connection: &Connection,
    tables: &Tables,
    set: &MigrationSet,
) -> anyhow::Result<Takeover> {
    let mut takeover = Takeover::new("sqlx");
    let sql = format!(
        "SELECT version, description, {}, success, checksum FROM {} ORDER BY version",
        rfc3339("installed_on"),
        tables.existing(connection, Tool::Sqlx).await?
    );
    for row in connection.query(&sql, &[]).await? {
        let (version, description, applied_on): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
        if !row.get::<_, bool>(3) {
            bail!("version {version} ({description}) failed in sqlx; finish or undo it first");
        }
        let checksum: Vec<u8> = row.get(4);
        takeover.add(set, version, &description, applied_on, |migration| {
            // sqlx may have read the file with other line endings.
            let windows = migration.sql.replace('\n', "\r\n");
            let same = [migration.sql.as_ref(), &windows]
                .iter()
                .any(|text| Sha384::digest(text)[..] == checksum[..]);
            if same { Proof::SameText } else { Proof::Differs }
        });
    }
    Ok(takeover)
}
