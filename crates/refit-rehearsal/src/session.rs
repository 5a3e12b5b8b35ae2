//! The sessions of a rehearsal, and their failures.

use refit::{ConnectOptions, Connection, application_name};
use refit_model::redact::{self, Secrets};
use refit_model::{Position, Statement};
use tokio_postgres::error::ErrorPosition;

use crate::error::Error;
use crate::trace::Failure;

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

/// The server's error for a statement, with the position in the file.
pub(crate) fn failure(error: &tokio_postgres::Error, statement: &Statement<'_>, file: &str) -> Failure {
    let own = statement.position(file);
    let Some(db) = error.as_db_error() else {
        return unsent(own, error.to_string());
    };
    let position = match db.position() {
        Some(ErrorPosition::Original(character)) => {
            let index = (*character as usize).saturating_sub(1);
            let byte = statement.text.char_indices().nth(index).map_or(0, |(byte, _)| byte);
            Position::of(file, statement.offset + byte)
        }
        _ => own,
    };
    let secrets = Secrets::of(file);
    Failure {
        sqlstate: Some(db.code().code().to_owned()),
        message: secrets.redact(db.message()),
        detail: db.detail().map(|detail| secrets.redact(&redact::detail(db.code().code(), detail))),
        hint: db.hint().map(|hint| secrets.redact(hint)),
        line: position.line,
        column: position.column,
    }
}

/// A failure without an error from the server.
pub(crate) fn unsent(at: Position, message: impl Into<String>) -> Failure {
    Failure {
        sqlstate: None,
        message: message.into(),
        detail: None,
        hint: None,
        line: at.line,
        column: at.column,
    }
}
