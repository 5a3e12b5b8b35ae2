//! A failed attempt to connect: whether to try again, and what to do about it.

use std::io;
use std::time::Duration;

use super::{Target, security};
use crate::error::describe;

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// With an error of the server, the driver or the system.
    Driver(tokio_postgres::Error),
    /// No server responded within this time.
    Timeout(Duration),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Failed {
        Failed::Driver(error)
    }
}

/// Why an attempt failed, and what to do.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reason: String,
    hint: String,
    /// Whether the same attempt may succeed later.
    pub(super) is_transient: bool,
}

impl Refused {
    pub(super) fn of(failed: &Failed, target: &Target) -> Refused {
        let error = match failed {
            Failed::Driver(error) => error,
            Failed::Timeout(limit) => {
                let reason = format!("no server responded within {limit:?}");
                let hint = "check host and port, and that the server can be reached".to_owned();
                return Refused { reason, hint, is_transient: true };
            }
        };
        let reason = security::reason(error).unwrap_or_else(|| describe(error));
        Refused { reason, hint: hint(error, target), is_transient: is_transient(error) }
    }

    /// The server was reached, but does not have the requested role. Another attempt may succeed: a standby may be promoted.
    pub(super) fn role(reason: &str) -> Refused {
        let hint = "name a host that has this role, or change target_session_attrs";
        Refused { reason: reason.to_owned(), hint: hint.to_owned(), is_transient: true }
    }

    /// The hint with its separator, and the number of attempts.
    pub(super) fn hint(&self, attempts: usize) -> String {
        if self.hint.is_empty() {
            return String::new();
        }
        let tried = if attempts > 1 { format!(" (tried {attempts} times)") } else { String::new() };
        format!("; {}{tried}", self.hint)
    }
}

fn is_transient(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // Starting up, shutting down, too many connections.
        Some(code) => matches!(code.code(), "57P01" | "57P02" | "57P03" | "53300"),
        None => !error.to_string().contains("TLS") && !error.to_string().contains("configuration"),
    }
}

fn hint(error: &tokio_postgres::Error, target: &Target) -> String {
    let Some(db) = error.as_db_error() else { return hint_without_answer(error, target).to_owned() };
    // Messages are in the server's language; the name of the routine that sent them is not translated.
    let routine = db.routine().unwrap_or_default();
    let has_options = target.config.get_options().is_some();
    let hint = match db.code().code() {
        "28P01" => "check user and password",
        "28000" => "check the role, and pg_hba.conf for this host, user and database",
        "3D000" => "create the database, or check its name",
        "53300" if routine == "InitializeSessionUserId" || db.message().contains("for role") => {
            "the role has reached its connection limit: end sessions of this role, or raise it with \
             `ALTER ROLE … CONNECTION LIMIT`"
        }
        "53300" if routine == "CheckMyDatabase" || db.message().contains("for database") => {
            "the database has reached its connection limit: end sessions of this database, or raise it with \
             `ALTER DATABASE … CONNECTION LIMIT`"
        }
        "53300" => "all connections of the server are in use: raise max_connections, or close some",
        "08P01" if db.message().contains("startup parameter") => {
            "a connection pooler does not accept this parameter: remove it (or `options`) from the URL, \
             add it to the pooler's ignore_startup_parameters, or connect to the server itself"
        }
        "08P01" if db.message().contains("max_client_conn") => {
            "all connections of the connection pooler are in use: raise its max_client_conn, or close some"
        }
        "42704" | "22023" | "42601" | "55P02" if has_options => "check `options` in the URL",
        _ => "",
    };
    hint.to_owned()
}

/// The hint for an error that no server reported.
fn hint_without_answer(error: &tokio_postgres::Error, target: &Target) -> &'static str {
    if let Some(hint) = security::hint(error, &target.tls) {
        return hint;
    }
    let text = describe(error);
    if text.contains("password missing") {
        return "give a password in the URL";
    }
    if text.contains("server does not support TLS") {
        return "enable TLS with `ssl = on` in postgresql.conf, or check sslmode: `prefer` connects without it";
    }
    if error.to_string().contains("TLS") {
        return "check sslmode and sslrootcert";
    }
    match cause(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "is the server running on that host and port?",
        Some(io::ErrorKind::NotFound) => "is the socket's folder right, and the server running?",
        Some(io::ErrorKind::PermissionDenied) if text.contains("read only") || text.contains("writes") => {
            "no host has sessions of the kind that target_session_attrs requires"
        }
        _ => "check host and port, and that the server can be reached",
    }
}

/// The first cause of a type. `source` of an I/O error skips the error that it wraps, so that one is looked up separately.
pub(super) fn cause<T: std::error::Error + 'static>(error: &tokio_postgres::Error) -> Option<&T> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let carried = carried.and_then(|carried| carried.downcast_ref::<T>());
        if let Some(found) = cause.downcast_ref::<T>().or(carried) {
            return Some(found);
        }
        source = cause.source();
    }
    None
}
