//! Adopts the history of plain refinery, which without its feature `int8-versions` uses 32-bit versions, also in checksums.

use anyhow::{Context as _, bail};
use refit::Connection;
use refit_model::MigrationSet;
use tokio_postgres::types::Type;

use super::{Proof, Tables, Takeover, Tool};

pub(super) async fn read(
    connection: &Connection,
    tables: &Tables,
    set: &MigrationSet,
) -> anyhow::Result<Takeover> {
    let mut takeover = Takeover::new("refinery");
    takeover.rewrite = true;
    let table = tables.existing(connection, Tool::Refinery).await?;
    let sql = "SELECT atttypid = 'int4'::regtype FROM pg_attribute \
               WHERE attrelid = pg_catalog.to_regclass($1) AND attname = 'version'";
    let int4 = connection.query_typed(sql, &[(&table, Type::TEXT)]).await?;
    let int4: bool = int4.first().with_context(|| format!("{table} has no column version"))?.get(0);
    let sql = format!(
        "SELECT version::int8, coalesce(name, ''), coalesce(applied_on, ''), coalesce(checksum, '') \
         FROM {table} ORDER BY version"
    );
    for row in connection.query(&sql, &[]).await? {
        let (version, name, applied_on, checksum): (i64, String, String, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let Ok(checksum) = checksum.parse::<u64>() else {
            bail!(
                "version {version} ({name}) has the checksum {checksum:?}, which is not a number: not refinery's"
            );
        };
        takeover.add(set, version, &name, applied_on, |migration| {
            let narrow = refit::narrow_checksum(&migration.name, migration.version, &migration.sql);
            if checksum == migration.checksum || narrow == Some(checksum) {
                Proof::SameText
            } else {
                Proof::Differs
            }
        });
        // A row in Refit's format needs no change.
        if !int4
            && takeover
                .rows
                .last()
                .is_some_and(|row| row.version == Some(version) && row.checksum == checksum)
        {
            takeover.rows.pop();
        }
    }
    Ok(takeover)
}
