//! The schema after some files have run.

use refit::REHEARSAL_SCHEMA;
use refit_catalog::{Catalog, ReadOptions};

use crate::error::Error;
use crate::execute::{Options, Session};
use crate::file::{File, in_order};
use crate::server::RehearsalServer;
use crate::session::runner;

/// Runs files in the given order on the server's database, which must be new, and reads its schema. Backfills run before the
/// files that wait for them, else at the end.
///
/// # Errors
/// [`Error::Failed`] with the first statement that fails, [`Error::Catalog`] when the schema cannot be read.
pub async fn schema_after(server: &RehearsalServer, files: &[File]) -> Result<Catalog, Error> {
    let url = server.url();
    let runner = runner(&url).await?;
    let options = Options::default();
    let session = Session::begin(&url, &runner, &options).await?;
    for (file, awaited) in in_order(files) {
        let failure = session.file(file, awaited).await?.into_iter().find_map(|statement| statement.failure);
        if let Some(failure) = failure {
            return Err(Error::Failed { path: file.path.clone(), failure: Box::new(failure) });
        }
    }
    session.end().await;
    let mut read = ReadOptions::default();
    read.exclude_schemas.push(REHEARSAL_SCHEMA.to_owned());
    let catalog = Catalog::read(&runner, &read).await?;
    runner.close().await;
    Ok(catalog)
}
