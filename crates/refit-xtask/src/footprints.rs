//! `footprints.toml`: what each migration touches, where late migrations that commute are applied.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use refit_lint::{Input, footprints};
use refit_model::{Footprints, MigrationSet, OutOfOrder, SqlText, Touched, placeholders};
use refit_rehearsal::{Difference, Verdict};

/// The file for a set, if its settings ask for it.
pub(crate) fn file(set: &MigrationSet) -> Option<String> {
    if set.settings().policy.out_of_order != OutOfOrder::Commuting {
        return None;
    }
    let inputs: Vec<Input> = set
        .migrations()
        .iter()
        .map(|migration| Input::of_folder(&migration.path, migration.sql.written(), true))
        .collect();
    let texts: Vec<(&Input, SqlText)> =
        inputs.iter().map(|input| (input, SqlText::from(input.text()))).collect();
    let whole: Vec<_> = footprints(&texts).iter().map(refit_lint::FileFootprint::whole).collect();
    let objects: BTreeSet<String> = whole.iter().flat_map(|one| one.changes().cloned()).collect();
    let mut records: BTreeMap<String, Touched> = BTreeMap::new();
    for (migration, footprint) in set.migrations().iter().zip(&whole) {
        let mut touched = footprint.touched(&objects);
        let has_values =
            placeholders(&migration.path, migration.sql.written()).map_or(true, |found| !found.is_empty());
        if has_values {
            touched.opaque = Some("it has placeholders".to_owned());
        }
        records.insert(migration.stem.clone(), touched);
    }
    Some(Footprints::new(set.digest(), records).text())
}

/// How the file in a folder differs.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn difference(expected: &str, folder: &Path) -> std::io::Result<Option<Difference>> {
    let found = match std::fs::read_to_string(folder.join(Footprints::FILE)) {
        Ok(found) => Some(found.replace("\r\n", "\n")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let verdict = match &found {
        Some(found) if found == expected => return Ok(None),
        Some(_) => Verdict::Changed,
        None => Verdict::Missing,
    };
    let texts = found.map(|found| [found, expected.to_owned()]);
    Ok(Some(Difference { file: Footprints::FILE.to_owned(), verdict, diff: String::new(), texts }))
}
