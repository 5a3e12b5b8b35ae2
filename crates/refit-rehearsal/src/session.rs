//! The sessions of a rehearsal.

use refit::{ConnectOptions, Connection, application_name};

use crate::error::Error;

/// Opens a session that runs migrations, without parallel workers, which would keep their own statistics. As startup options,
/// these settings survive RESET.
pub(crate) async fn runner(url: &str) -> Result<Connection, Error> {
    let settings = "-c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0";
    connect(url, application_name::REHEARSAL, settings).await
}

/// Opens an auxiliary session whose reads are not counted, because the statistics add up all sessions.
pub(crate) async fn open(url: &str, purpose: &str) -> Result<Connection, Error> {
    connect(url, &application_name::rehearsal(purpose), "-c track_counts=off").await
}

async fn connect(url: &str, name: &str, settings: &str) -> Result<Connection, Error> {
    let encoded = settings.replace(' ', "%20").replace('=', "%3D");
    let separator = if url.contains('?') { '&' } else { '?' };
    let options = ConnectOptions { application_name: name.to_owned(), ..ConnectOptions::default() };
    Ok(refit::connect(&format!("{url}{separator}options={encoded}"), &options).await?)
}
