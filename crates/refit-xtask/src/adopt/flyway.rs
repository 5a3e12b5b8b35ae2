//! Adopts the history of Flyway: checksums are CRC-32 over a file's lines, repeatable migrations are identified by description.
//!
//! Flyway's history is a log: undoing a migration, or deleting it with `repair`, adds a row. The rows are therefore replayed in
//! the order of their ranks, and the last row of each migration counts.

use std::collections::BTreeMap;

use refit::Connection;
use refit_model::{MigrationSet, Version};

use super::{Adopted, Proof, Tables, Takeover, Tool, rfc3339};

/// One row of the log.
struct Row {
    version: Option<String>,
    description: String,
    kind: String,
    script: String,
    checksum: Option<i32>,
    applied_on: String,
    success: bool,
}

impl Row {
    /// Whether the row means that the migration is no longer applied.
    fn is_undo(&self) -> bool {
        self.kind == "DELETE" || self.kind.starts_with("UNDO_")
    }

    /// Whether the row represents all migrations up to its version: written by `flyway baseline` or a file `B1__….sql`.
    fn is_baseline(&self) -> bool {
        self.kind == "BASELINE" || self.kind.ends_with("_BASELINE")
    }

    fn proof(&self, text: &str) -> Proof {
        match self.checksum {
            Some(checksum) if checksum == crc32(text) => Proof::SameText,
            Some(_) => Proof::Differs,
            None => Proof::NoChecksum,
        }
    }
}

/// The result of replaying the rows.
#[derive(Default)]
struct Log {
    versioned: BTreeMap<Version, Row>,
    baselines: BTreeMap<Version, Row>,
    repeatable: BTreeMap<String, Row>,
    /// Rows whose version is not a whole number, by that version.
    others: BTreeMap<String, Row>,
}

pub(super) async fn read(
    connection: &Connection,
    tables: &Tables,
    set: &MigrationSet,
) -> anyhow::Result<Takeover> {
    let mut takeover = Takeover::new("Flyway");
    let log = replay(connection, &tables.existing(connection, Tool::Flyway).await?).await?;
    let versioned = log.versioned.values().chain(log.baselines.values());
    let mut all = versioned.chain(log.repeatable.values()).chain(log.others.values());
    if let Some(failed) = all.find(|row| !row.success) {
        anyhow::bail!(
            "{} failed in Flyway (type {}); finish or undo it there, and run `flyway repair`",
            failed.script,
            failed.kind
        );
    }
    if let Some((newest, row)) = log.baselines.last_key_value() {
        let below = set.migrations().iter().filter(|migration| migration.version <= *newest);
        // A migration with its own row is compared with its file below.
        for migration in below.filter(|migration| !log.versioned.contains_key(&migration.version)) {
            let applied_on = row.applied_on.clone();
            takeover.add(set, migration.version, &row.description, applied_on, |_| Proof::NoChecksum);
        }
    }
    for (version, row) in &log.versioned {
        takeover.add(set, *version, &row.description, row.applied_on.clone(), |migration| {
            row.proof(&migration.sql)
        });
    }
    for (text, row) in &log.others {
        takeover.unmatched.push(format!(
            "{}: version {text} is not a whole number; rename the file and its row first",
            row.script
        ));
    }
    for row in log.repeatable.values() {
        repeatable(&mut takeover, set, row);
    }
    Ok(takeover)
}

/// Replays the log.
async fn replay(connection: &Connection, table: &str) -> anyhow::Result<Log> {
    let sql = format!(
        "SELECT version::text, description::text, type::text, script::text, checksum, {}, success \
         FROM {table} WHERE type <> 'SCHEMA' ORDER BY installed_rank",
        rfc3339("installed_on::timestamptz")
    );
    let mut log = Log::default();
    for row in connection.query(&sql, &[]).await? {
        let row = Row {
            version: row.get(0),
            description: row.get(1),
            kind: row.get(2),
            script: row.get(3),
            checksum: row.get(4),
            applied_on: row.get(5),
            success: row.get(6),
        };
        match row.version.as_deref().map(|version| (version, whole_number(version))) {
            Some((_, Some(version))) if row.is_baseline() => record(&mut log.baselines, version, row),
            Some((_, Some(version))) => {
                // `flyway repair` writes the same row for a migration and for a baseline.
                if row.kind == "DELETE" {
                    log.baselines.remove(&version);
                }
                record(&mut log.versioned, version, row);
            }
            Some((text, None)) => record(&mut log.others, text.to_owned(), row),
            None => record(&mut log.repeatable, row.description.clone(), row),
        }
    }
    Ok(log)
}

/// Records a row as the last one of its migration. A failed undo is kept, because it leaves the migration in an unknown state.
fn record<K: Ord>(rows: &mut BTreeMap<K, Row>, key: K, row: Row) {
    match row.is_undo() && row.success {
        true => rows.remove(&key),
        false => rows.insert(key, row),
    };
}

/// Parses a version without a fractional part: in Flyway, 1, 001 and 1.0 are the same version.
fn whole_number(version: &str) -> Option<Version> {
    let mut parts = version.split('.');
    let first = parts.next()?.parse().ok()?;
    parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte == b'0')).then_some(first)
}

/// Adopts a repeatable migration only if the text is equal; otherwise it runs again.
fn repeatable(takeover: &mut Takeover, set: &MigrationSet, row: &Row) {
    let name = row.description.replace(' ', "_");
    let found = set.repeatables().iter().find(|repeatable| repeatable.name == name);
    if let Some(repeatable) = found.filter(|repeatable| row.proof(&repeatable.sql) == Proof::SameText) {
        takeover.rows.push(Adopted {
            version: None,
            name: repeatable.name.clone(),
            stem: repeatable.stem.clone(),
            checksum: repeatable.checksum,
            applied_on: row.applied_on.clone(),
            proof: Proof::SameText,
        });
    }
}

/// CRC-32 over the lines without their endings, as a signed number.
fn crc32(text: &str) -> i32 {
    let mut hasher = crc32fast::Hasher::new();
    for line in text.lines() {
        hasher.update(line.as_bytes());
    }
    hasher.finalize().cast_signed()
}
