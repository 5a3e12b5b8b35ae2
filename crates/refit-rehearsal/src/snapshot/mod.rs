//! The schema that a set creates and what each migration changes in it: the set runs on a private server, and the results are
//! written beside the migrations as files for `cargo insta review`.

mod files;
mod test;

use std::sync::Arc;

use refit::REHEARSAL_SCHEMA;
use refit_catalog::{Catalog, Delta, Origin, ReadOptions, Snapshot};
use refit_model::MigrationSet;

pub use files::{Difference, SNAPSHOTS, SnapshotFile, Verdict};
pub use test::check_snapshots;

use crate::error::Error;
use crate::execute::{Options, Session};
use crate::file::{File, in_order};
use crate::server::RehearsalServer;
use crate::session::runner;

/// The schema that a set creates, and its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshots {
    /// The schema after all migrations.
    pub snapshot: Snapshot,
    /// The migrations, in the order in which they took effect.
    pub steps: Vec<SnapshotStep>,
}

/// The changes of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotStep {
    /// Its stem.
    pub stem: String,
    /// Its file, relative to the folder.
    pub path: String,
    /// What it changed in the schema.
    pub delta: Delta,
}

/// Runs a set on the server's database, which must be new, and reads the schema after each migration. Backfills run before
/// the migrations that wait for them, else at the end.
///
/// # Errors
/// [`Error::Failed`] with the first statement that fails, [`Error::Catalog`] when the schema cannot be read or, with
/// [`ReadOptions::strict`], contains objects that the model does not support.
pub async fn snapshots(
    server: &RehearsalServer,
    set: &MigrationSet,
    environment: &str,
    read: &ReadOptions,
) -> Result<Snapshots, Error> {
    let url = server.url();
    let options = Options::default();
    let runner = runner(&url).await?;
    let session = Session::begin(&url, &runner, &options).await?;
    let mut lenient = ReadOptions { strict: false, ..read.clone() };
    lenient.exclude_schemas.push(REHEARSAL_SCHEMA.to_owned());
    let files: Vec<File> = set.steps_in(environment, None).map(|step| File::step(step, false)).collect();
    let mut steps = Vec::new();
    let mut schema = Arc::new(Catalog::read(&runner, &lenient).await?);
    for (file, awaited) in in_order(&files) {
        let failure = session.file(file, awaited).await?.into_iter().find_map(|statement| statement.failure);
        if let Some(failure) = failure {
            return Err(Error::Failed { path: file.path.clone(), failure: Box::new(failure) });
        }
        let before = schema;
        schema = Arc::new(Catalog::read(&runner, &lenient).await?);
        // Comparing takes nearly as long as reading, so it runs concurrently with the next migration.
        let after = Arc::clone(&schema);
        steps.push((file, tokio::task::spawn_blocking(move || Delta::between(&before, &after))));
    }
    session.end().await;
    runner.close().await;
    let mut done = Vec::new();
    for (file, delta) in steps {
        let stem = file.path.trim_end_matches(".sql").to_owned();
        done.push(SnapshotStep { stem, path: file.path.clone(), delta: delta.await? });
    }
    let catalog = Arc::unwrap_or_clone(schema);
    if read.strict && !catalog.unknown.is_empty() {
        return Err(refit_catalog::Error::Unknown { names: catalog.unknown }.into());
    }
    let origin = Origin {
        digest: set.digest(),
        environment: environment.to_owned(),
        version: files.iter().filter_map(|file| file.version).max(),
        postgres: server.major(),
    };
    Ok(Snapshots { snapshot: Snapshot { origin, catalog }, steps: done })
}
