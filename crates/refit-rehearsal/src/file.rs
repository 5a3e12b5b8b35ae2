//! The files that run, and in which order: that of the set, with backfills at work beside it.

use refit_model::{Directives, FileKind, Migration, Repeatable, Version, front_matter, normalise};

/// A file that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// As the trace names it.
    pub path: String,
    /// Its normalised text.
    pub text: String,
    /// What its front matter says.
    pub directives: Directives,
    /// Its version, if it has one.
    pub version: Option<Version>,
    /// Whether a trace of it is wanted; otherwise it only runs.
    pub traced: bool,
    /// What undoes it.
    pub down: Option<Box<File>>,
}

impl File {
    /// A file from its path and text, which need not be normalised.
    pub fn new(path: impl Into<String>, text: &str, traced: bool) -> File {
        let path = path.into();
        let name = path.rsplit('/').next().unwrap_or(&path);
        let text = normalise(text).into_owned();
        let (directives, ..) = front_matter(name, &text);
        let version = match FileKind::of(name) {
            Ok(FileKind::Migration { version, .. }) => Some(version),
            _ => None,
        };
        File { path, text, directives, version, traced, down: None }
    }

    /// A migration of a set.
    pub fn migration(migration: &Migration, traced: bool) -> File {
        File {
            path: migration.path.clone(),
            text: migration.sql.clone().into_owned(),
            directives: migration.directives.clone(),
            version: Some(migration.version),
            traced,
            down: migration.down.as_ref().map(|down| Box::new(File::new(&*down.path, &down.text, false))),
        }
    }

    /// A repeatable migration of a set.
    pub fn repeatable(repeatable: &Repeatable, traced: bool) -> File {
        File {
            path: repeatable.path.clone(),
            text: repeatable.sql.clone().into_owned(),
            directives: repeatable.directives.clone(),
            version: None,
            traced,
            down: None,
        }
    }
}

/// Whether a file of that name, in a migrations folder, is one that runs.
pub fn runs(path: &str) -> bool {
    matches!(FileKind::of(path), Ok(FileKind::Migration { .. } | FileKind::Repeatable { .. }))
}

/// Files in the order in which they have their effect, from that of the set: a backfill is at work beside the boot, and
/// complete only when a later migration waits for it, or in the end.
///
/// The flag says whether a later one waited.
pub fn in_order(files: &[File]) -> Vec<(&File, bool)> {
    let mut order: Vec<(&File, bool)> = Vec::new();
    let mut at_work: Vec<&File> = Vec::new();
    for file in files {
        let awaited =
            |at: &mut &File| at.version.is_some_and(|version| file.directives.after.contains(&version));
        order.extend(at_work.extract_if(.., awaited).map(|file| (file, true)));
        match file.directives.backfill {
            Some(_) => at_work.push(file),
            None => order.push((file, false)),
        }
    }
    order.extend(at_work.into_iter().map(|file| (file, false)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_is_complete_where_somebody_waits_for_it() {
        let fill = "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET a = 1 WHERE id > $1 AND id <= $2;";
        let files = [
            File::new("m/V1__a.sql", "SELECT 1;", true),
            File::new("m/V2__fill.sql", fill, true),
            File::new("m/V3__b.sql", "SELECT 1;", true),
            File::new("m/V4__c.sql", "-- refit: after = [\"V2\"]\nSELECT 1;", true),
            File::new("m/V5__fill.sql", fill, true),
            File::new("m/V6__d.sql", "SELECT 1;", true),
        ];
        let order: Vec<_> =
            in_order(&files).into_iter().map(|(file, awaited)| (file.version, awaited)).collect();
        let expected = [(1, false), (3, false), (2, true), (4, false), (6, false), (5, false)];
        assert_eq!(order, expected.map(|(version, awaited)| (Some(version), awaited)));
    }
}
