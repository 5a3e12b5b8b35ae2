//! Plain refinery. Without its feature `int8-versions` it keeps 32-bit versions, and hashes them into the checksum.

use std::hash::{Hash, Hasher};

use anyhow::{Context as _, bail};
use refit::Connection;
use refit_model::{Migration, MigrationSet};
use siphasher::sip::SipHasher13;

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
            if checksum == migration.checksum || narrow_checksum(migration) == Some(checksum) {
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

/// The checksum as refinery computes it with 32-bit versions: SipHash 1-3 over name, version and text.
fn narrow_checksum(migration: &Migration) -> Option<u64> {
    let version = i32::try_from(migration.version).ok()?;
    let mut hasher = SipHasher13::new();
    migration.name.hash(&mut hasher);
    version.hash(&mut hasher);
    migration.sql.hash(&mut hasher);
    Some(hasher.finish())
}
