//! Writes an adopted history atomically, under the migration lock.

use refit::{Connection, HistoryChange, Migrator};

use super::source::{Adopted, Takeover};

pub(super) async fn write(
    connection: &Connection,
    takeover: &Takeover,
    migrator: &Migrator,
) -> anyhow::Result<()> {
    let mut changes = Vec::new();
    if takeover.rewrite {
        changes.push(HistoryChange::Widen);
    }
    changes.extend(takeover.rows.iter().map(|row| change(row, takeover.rewrite)));
    Ok(migrator.change_history(connection, &changes).await?)
}

fn change(row: &Adopted, rewrite: bool) -> HistoryChange {
    let (name, applied_on, checksum) = (row.name.clone(), row.applied_on.clone(), row.checksum);
    match row.version {
        Some(version) if rewrite => HistoryChange::Rewrite { version, name, checksum },
        Some(version) => HistoryChange::Insert { version, name, applied_on, checksum },
        None => HistoryChange::Repeatable { name, applied_on, checksum },
    }
}
