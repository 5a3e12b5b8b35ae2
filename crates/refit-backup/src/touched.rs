//! The tables that migrations touch, as the linter predicts.

use std::collections::BTreeSet;

use refit::StepKind;
use refit_lint::{Input, LockMode, predict};
use refit_model::{MigrationSet, Version};

/// The tables that steps touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// The tables whose rows may change, written as in SQL. Some may not exist yet.
    pub tables: Vec<String>,
    /// Files that may change other tables too: with dynamic SQL, unknown procedures, or a dropped schema.
    pub opaque: Vec<String>,
}

/// The tables whose rows some steps of a set may change, for a server of a major version.
///
/// Locks that do not allow changes of rows, such as those of CREATE INDEX and SELECT, do not count.
pub fn touched<'a>(
    set: &MigrationSet,
    steps: impl IntoIterator<Item = (StepKind, Option<Version>, &'a str)>,
    postgres: u32,
) -> Touched {
    let (mut paths, mut tables) = (BTreeSet::new(), BTreeSet::new());
    let mut inputs: Vec<Input> = Vec::new();
    let files = set.migrations().iter().map(|migration| &migration.file);
    for file in files.chain(set.repeatables().iter().map(|repeatable| &repeatable.file)) {
        inputs.push(Input::of_folder(&file.path, file.sql.as_bytes(), false));
    }
    for (kind, version, stem) in steps {
        match (kind, version) {
            (StepKind::Undo, Some(version)) => {
                let down = set.migration(version).and_then(|migration| migration.down.as_ref());
                if let Some(down) = down {
                    inputs.push(Input::of_folder(&down.path, down.text.as_bytes(), false));
                    paths.insert(down.path.clone());
                }
                tables.extend(set.migration(version).and_then(|migration| backfilled(&migration.file)));
            }
            _ => {
                let Some(step) = set.step(version, stem) else { continue };
                paths.insert(step.file().path.clone());
                tables.extend(backfilled(step.file()));
            }
        }
    }
    let mut opaque = BTreeSet::new();
    for prediction in predict(&inputs, postgres).into_iter().filter(|one| paths.contains(&one.path)) {
        if prediction.opaque {
            opaque.insert(prediction.path.clone());
        }
        let locked =
            prediction.effects.locks.iter().filter(|(_, mode)| changes_rows(*mode)).map(|(name, _)| name);
        tables.extend(locked.map(ToString::to_string));
    }
    Touched { tables: tables.into_iter().collect(), opaque: opaque.into_iter().collect() }
}

/// Whether a statement with a lock of this mode may change rows.
fn changes_rows(mode: LockMode) -> bool {
    mode == LockMode::RowExclusive || mode >= LockMode::ShareRowExclusive
}

fn backfilled(file: &refit_model::MigrationFile) -> Option<String> {
    file.directives.backfill.as_ref().map(|backfill| backfill.table.clone())
}

#[cfg(test)]
mod tests {
    use refit_model::SourceFile;

    use super::*;

    #[test]
    fn tables_are_named_by_the_values_of_placeholders() {
        let files = vec![
            SourceFile::new("refit.toml", b"[variables]\ntable = \"Posts\"\n"),
            SourceFile::new("V1__t.sql", b"UPDATE ${table:ident} SET a = 1;"),
        ];
        let set = MigrationSet::from_files("migrations", files).unwrap();
        let sent = set.with_variables("production", &std::collections::BTreeMap::new()).unwrap();
        let Touched { tables, opaque } = touched(&sent, [(StepKind::Versioned, Some(1), "V1__t")], 14);
        assert_eq!((tables, opaque), (vec!["\"Posts\"".to_owned()], Vec::new()));
    }
}
