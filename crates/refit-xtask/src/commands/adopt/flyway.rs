//! Flyway: CRC-32 over the lines of a file, and repeatable migrations known by description.

use refit::Connection;
use refit_model::MigrationSet;

use super::source::{Adopted, Proof, Takeover, rfc3339};

pub(super) async fn read(connection: &Connection, set: &MigrationSet) -> anyhow::Result<Takeover> {
    let mut takeover = Takeover::new("Flyway");
    let sql = format!(
        "SELECT DISTINCT ON (coalesce(version, description)) version, description, type, script, checksum, {}, success \
         FROM flyway_schema_history WHERE type NOT IN ('SCHEMA', 'DELETE') \
         ORDER BY coalesce(version, description), installed_rank DESC",
        rfc3339("installed_on::timestamptz")
    );
    for row in connection.query(&sql, &[]).await? {
        let version: Option<String> = row.get(0);
        let (description, kind, script): (String, String, String) = (row.get(1), row.get(2), row.get(3));
        let (checksum, applied_on): (Option<i32>, String) = (row.get(4), row.get(5));
        if !row.get::<_, bool>(6) {
            anyhow::bail!("{script} failed in Flyway; repair it there first");
        }
        let proof = |text: &str| match checksum {
            Some(checksum) if checksum == crc32(text) => Proof::SameText,
            Some(_) => Proof::Differs,
            None => Proof::NoChecksum,
        };
        match version.as_deref().map(|version| (version, version.parse::<i64>())) {
            // A baseline stands for everything up to it.
            Some((_, Ok(version))) if kind == "BASELINE" => {
                for migration in set.migrations().iter().filter(|migration| migration.version <= version) {
                    takeover
                        .add(set, migration.version, &description, applied_on.clone(), |_| Proof::NoChecksum);
                }
            }
            Some((_, Ok(version))) => {
                takeover.add(set, version, &description, applied_on, |migration| proof(&migration.sql));
            }
            Some((text, Err(_))) => takeover.unmatched.push(format!(
                "{script}: version {text} is no whole number; rename the file and its row first"
            )),
            None => repeatable(&mut takeover, set, &description, applied_on, proof),
        }
    }
    Ok(takeover)
}

/// A repeatable migration that differs simply runs again, so only an equal one is taken over.
fn repeatable(
    takeover: &mut Takeover,
    set: &MigrationSet,
    description: &str,
    applied_on: String,
    proof: impl Fn(&str) -> Proof,
) {
    let name = description.replace(' ', "_");
    let found = set.repeatables().iter().find(|repeatable| repeatable.name == name);
    if let Some(repeatable) = found.filter(|repeatable| proof(&repeatable.sql) == Proof::SameText) {
        takeover.rows.push(Adopted {
            version: None,
            name: repeatable.name.clone(),
            stem: repeatable.stem.clone(),
            checksum: repeatable.checksum,
            applied_on,
            proof: Proof::SameText,
        });
    }
}

/// Over the lines without their endings, as a signed number.
fn crc32(text: &str) -> i32 {
    let mut hasher = crc32fast::Hasher::new();
    for line in text.lines() {
        hasher.update(line.as_bytes());
    }
    hasher.finalize().cast_signed()
}
