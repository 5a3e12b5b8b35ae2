//! Checkpoints: the schema after a version in one file, with which new databases begin (`cargo xtask squash`).
//!
//! The file names the migrations that it replaces by a digest, so that none of them can be added or edited without a new
//! checkpoint: a new database would not get the change.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::file_name::Version;
use crate::migration::Migration;
use crate::problem::Problem;
use crate::set::hex;
use crate::sql_text::SqlText;

/// What the line with the digest begins with.
const SQUASHES: &str = "-- refit: squashes = ";

/// A checkpoint of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The last version that it contains.
    pub version: Version,
    /// The file name without `.sql`: `B0018__baseline`.
    pub stem: String,
    /// The name after the underscores.
    pub name: String,
    /// Path relative to the folder.
    pub path: String,
    /// Normalized text.
    #[serde(skip)]
    pub sql: SqlText,
}

impl Checkpoint {
    /// The line that binds a checkpoint to the migrations that it replaces.
    pub fn heading<'a>(squashed: impl IntoIterator<Item = &'a Migration>) -> String {
        format!("{SQUASHES}\"{}\"\n", digest(squashed))
    }

    /// What is wrong with it in its set, whose migrations are in order.
    pub(crate) fn problems(&self, migrations: &[Migration]) -> Vec<Problem> {
        let Checkpoint { version, path, .. } = self;
        let problem = |message: String, fix: String| Problem::new(path, message, fix);
        if !migrations.iter().any(|migration| migration.version == *version) {
            return vec![problem(
                format!("there is no migration of version {version}"),
                "give it the version of its last migration, or remove it".to_owned(),
            )];
        }
        let (squashed, later) =
            migrations.split_at(migrations.partition_point(|one| one.version <= *version));
        let mut problems = Vec::new();
        if self
            .sql
            .lines()
            .find_map(|line| line.strip_prefix(SQUASHES))
            .map(|digest| digest.trim().trim_matches('"'))
            != Some(&digest(squashed))
        {
            problems.push(problem(
                format!("it is not of the migrations up to {version} as they are now, which a new database would not get"),
                format!("run `cargo xtask squash --to {version}` again, or remove it"),
            ));
        }
        let conditional = |one: &&Migration| one.directives.manual || !one.directives.environments.is_empty();
        if let Some(one) = squashed.iter().find(conditional) {
            problems.push(problem(
                format!("{} does not run on every database, so a checkpoint cannot contain it", one.path),
                "squash to a version before it".to_owned(),
            ));
        }
        let is_backfill = |version: &Version| {
            squashed.iter().any(|one| one.version == *version && one.directives.backfill.is_some())
        };
        for one in later {
            if let Some(backfill) = one.directives.after.iter().find(|version| is_backfill(version)) {
                let message = format!(
                    "`after` names the backfill {backfill}, of which a database that begins with {path} has no record"
                );
                let fix = "squash to a version after this migration, or before the backfill";
                problems.push(Problem::new(&one.path, message, fix));
            }
        }
        problems
    }
}

/// SHA-256 in hex over the versions and checksums of migrations.
fn digest<'a>(migrations: impl IntoIterator<Item = &'a Migration>) -> String {
    let mut hasher = Sha256::new();
    for migration in migrations {
        hasher.update(format!("{} {}\n", migration.version, migration.checksum));
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::MigrationSet;
    use crate::source::SourceFile;

    const FILL: &str = "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET a = 1 WHERE id > $1 AND id <= $2;";

    fn set(files: &[(&str, &str)]) -> Result<MigrationSet, Vec<String>> {
        let file = |(path, text): &(&str, &str)| SourceFile::new(*path, text.as_bytes().to_vec());
        MigrationSet::from_files("migrations", files.iter().map(file).collect())
            .map_err(|error| error.problems.iter().map(ToString::to_string).collect())
    }

    /// A checkpoint of the first two of three migrations.
    fn with_checkpoint(files: &[(&str, &str); 3], version: &str) -> Result<MigrationSet, Vec<String>> {
        let squashed = set(files).unwrap();
        let text = format!("{}SELECT 1;", Checkpoint::heading(&squashed.migrations()[..2]));
        let path = format!("B{version}__base.sql");
        set(&[files[0], files[1], files[2], (&path, &text)])
    }

    #[test]
    fn a_checkpoint_belongs_to_its_migrations() {
        let files = [("V1__a.sql", "SELECT 1;"), ("V2__b.sql", FILL), ("V3__c.sql", "SELECT 3;")];
        let made = with_checkpoint(&files, "2").unwrap();
        assert_eq!(made.checkpoint().map(|one| (one.version, &*one.stem)), Some((2, "B2__base")));
        assert_eq!(made.migrations().len(), 3);
        assert!(with_checkpoint(&files, "3").unwrap_err()[0].contains("up to 3 as they are now"));
        assert!(with_checkpoint(&files, "4").unwrap_err()[0].contains("no migration of version 4"));
        let waits = "-- refit: after = [\"V2\"]\nSELECT 3;";
        let waiting = [files[0], files[1], ("V3__c.sql", waits)];
        assert!(
            with_checkpoint(&waiting, "2").unwrap_err()[0]
                .contains("V3__c.sql: `after` names the backfill 2")
        );
        let manual = [files[0], ("V2__b.sql", "-- refit: manual = true\nSELECT 1;"), files[2]];
        assert!(
            with_checkpoint(&manual, "2").unwrap_err()[0]
                .contains("V2__b.sql does not run on every database")
        );
    }

    #[test]
    fn the_newest_checkpoint_counts_and_versions_are_unique() {
        let migrations = [("V1__a.sql", "SELECT 1;"), ("V2__b.sql", "SELECT 2;")];
        let squashed = set(&migrations).unwrap();
        let [one, two] =
            [1, 2].map(|count| format!("{}SELECT 1;", Checkpoint::heading(&squashed.migrations()[..count])));
        let both = set(&[migrations[0], migrations[1], ("B1__x.sql", &one), ("B2__x.sql", &two)]).unwrap();
        assert_eq!(both.checkpoint().map(|one| one.version), Some(2));
        let twice =
            set(&[migrations[0], migrations[1], ("B1__x.sql", &one), ("B1__y.sql", &one)]).unwrap_err();
        assert!(twice[0].contains("version 1 is also used by B1__x.sql"), "{twice:?}");
    }
}
