//! What the checksum in a history row shows about a file: the same migration, the same text under another name, or another text.
//!
//! A checksum covers version, name and text as it is written. refinery without its feature `int8-versions` keeps versions in 32 bits and hashes
//! them so; both forms count. *Invariant*: wide checksums are computed by refinery itself.

use std::hash::{Hash, Hasher};

use refit_model::{Migration, MigrationFile, MigrationSet, Version};
use siphasher::sip::SipHasher13;

use super::HistoryRow;

/// How a file and a history row of the same version compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The row is this file's.
    Same,
    /// The text is the applied one, and the name differs.
    Renamed,
    /// The text differs.
    Changed,
}

/// Compares a file with the row of its version.
pub(crate) fn compare(migration: &Migration, row: &HistoryRow) -> Comparison {
    let Migration { version, file: MigrationFile { name, sql, checksum, .. }, .. } = migration;
    if *checksum == row.checksum || narrow_checksum(name, *version, sql.written()) == Some(row.checksum) {
        return Comparison::Same;
    }
    if row.name != *name && is_of(row, *version, &row.name, sql.written()) {
        return Comparison::Renamed;
    }
    Comparison::Changed
}

/// The file that a row was written for, if it was renumbered since; searched among files that are not applied.
pub(crate) fn renumbered<'a>(
    set: &'a MigrationSet,
    row: &HistoryRow,
    is_applied: impl Fn(Version) -> bool,
) -> Option<&'a Migration> {
    let candidates = set.migrations().iter().filter(|migration| !is_applied(migration.version));
    candidates.into_iter().find(|migration| is_of(row, row.version, &row.name, migration.sql.written()))
}

/// The checksums that are valid for this migration.
pub(crate) fn accepted(migration: &Migration) -> Vec<u64> {
    let narrow = narrow_checksum(&migration.name, migration.version, migration.sql.written());
    std::iter::once(migration.checksum).chain(narrow).collect()
}

fn is_of(row: &HistoryRow, version: Version, name: &str, sql: &str) -> bool {
    let wide = refinery_core::Migration::unapplied(&format!("V{version}__{name}"), sql);
    wide.is_ok_and(|wide| wide.name() == name && wide.checksum() == row.checksum)
        || narrow_checksum(name, version, sql) == Some(row.checksum)
}

/// The checksum as refinery computes it with 32-bit versions: SipHash 1-3 over name, version and text.
///
/// `None` for a version that does not fit in 32 bits. Refit accepts this checksum in a history like its own.
pub fn narrow_checksum(name: &str, version: Version, sql: &str) -> Option<u64> {
    let version = i32::try_from(version).ok()?;
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    version.hash(&mut hasher);
    sql.hash(&mut hasher);
    Some(hasher.finish())
}
