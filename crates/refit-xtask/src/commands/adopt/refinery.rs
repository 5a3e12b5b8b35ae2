//! Plain refinery. Without its feature `int8-versions` it keeps 32-bit versions, and hashes them into the checksum.

use anyhow::{Context as _, bail};
use refit::Connection;
use refit_model::MigrationSet;

use super::source::{Proof, Takeover};

pub(super) async fn read(connection: &Connection, set: &MigrationSet) -> anyhow::Result<Takeover> {
    let mut takeover = Takeover::new("refinery");
    takeover.rewrite = true;
    let int4 = connection
        .query_opt(
            "SELECT atttypid = 'int4'::regtype FROM pg_attribute \
             WHERE attrelid = to_regclass('refinery_schema_history') AND attname = 'version'",
            &[],
        )
        .await?
        .context("there is no table refinery_schema_history on the search path")?
        .get::<_, bool>(0);
    let sql = "SELECT version::int8, coalesce(name, ''), coalesce(applied_on, ''), coalesce(checksum, '') \
               FROM refinery_schema_history ORDER BY version";
    for row in connection.query(sql, &[]).await? {
        let (version, name, applied_on, checksum): (i64, String, String, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let Ok(checksum) = checksum.parse::<u64>() else {
            bail!(
                "version {version} ({name}) has the checksum {checksum:?}, which is no number: not refinery's"
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
        // A row that is as refit would have written it needs nothing.
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
