//! A session for backups: pinned, so that its SQL and the texts of values mean the same everywhere.

use std::ops::Deref;

use refit::{ConnectOptions, Connection};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use crate::error::Error;

/// Only the server's own objects are found by unqualified names; row security fails instead of hiding rows; values are written in
/// one form, for digests.
const PIN: &str = "SET search_path = pg_catalog, pg_temp;SET row_security = off;SET standard_conforming_strings = on;\
    SET quote_all_identifiers = off;SET datestyle = 'ISO, YMD';SET intervalstyle = postgres;SET timezone = 'UTC';\
    SET extra_float_digits = 1;SET bytea_output = hex;SET lc_monetary = 'C';SET xmlbinary = base64;SET statement_timeout = 0;SET lock_timeout = '60s';\
    SET idle_in_transaction_session_timeout = 0;";

/// A connection, pinned.
pub(crate) struct Session {
    connection: Connection,
    /// The search path that the role has otherwise.
    pub(crate) search_path: String,
}

impl Deref for Session {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl Session {
    pub(crate) async fn open(url: &str, options: &ConnectOptions) -> Result<Session, Error> {
        let connection = refit::connect(url, options).await?;
        let failed = || Error::database("opening a session");
        let sql = "SELECT pg_catalog.current_setting('search_path')";
        let search_path = connection.query_typed_one(sql, &[]).await.map_err(failed())?.get(0);
        connection.batch_execute(PIN).await.map_err(failed())?;
        Ok(Session { connection, search_path })
    }

    pub(crate) async fn close(self) {
        self.connection.close().await;
    }
}

/// The database that a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The system identifier of the server, which is the same on its standbys, and another on every new cluster.
    pub system_identifier: String,
    /// The name of the database.
    pub database: String,
}

/// The facts of a server.
#[derive(Debug, Clone)]
pub(crate) struct ServerFacts {
    pub(crate) version: String,
    pub(crate) major: u32,
    pub(crate) identity: Identity,
    pub(crate) encoding: String,
    pub(crate) role: String,
    pub(crate) in_recovery: bool,
    pub(crate) wal_level: String,
    /// Why WAL is not archived; none if it is.
    pub(crate) not_archived: Option<String>,
    /// What the archiver failed at last, if nothing succeeded since.
    pub(crate) archive_failure: Option<String>,
    pub(crate) may_create_restore_point: bool,
}

impl ServerFacts {
    pub(crate) async fn read(session: &Session) -> Result<ServerFacts, Error> {
        let sql = "SELECT pg_catalog.current_setting('server_version'), \
                pg_catalog.current_setting('server_version_num')::int / 10000, \
                (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), \
                pg_catalog.current_database()::text, \
                pg_catalog.getdatabaseencoding()::text, current_user::text, \
                pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('wal_level'), \
                pg_catalog.current_setting('archive_mode'), \
                coalesce(pg_catalog.current_setting('archive_library', true), ''), \
                (SELECT coalesce(last_failed_wal || ' at ' || last_failed_time, '') FROM pg_catalog.pg_stat_archiver \
                 WHERE last_failed_time > coalesce(last_archived_time, '-infinity')), \
                pg_catalog.has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'EXECUTE'), \
                (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'archive_command')";
        let row =
            session.query_typed_one(sql, &[]).await.map_err(Error::database("reading the server's facts"))?;
        let (mode, library): (&str, &str) = (row.get(8), row.get(9));
        let command: Option<&str> = row.get(12);
        let not_archived = match (mode, library, command) {
            ("off", ..) => Some("archive_mode is off".to_owned()),
            // Another role than a superuser may not see the command; it is then not known to be empty.
            (_, "", Some("" | "(disabled)")) => Some("archive_command is empty".to_owned()),
            _ => None,
        };
        Ok(ServerFacts {
            version: row.get::<_, &str>(0).split_whitespace().next().unwrap_or_default().to_owned(),
            major: u32::try_from(row.get::<_, i32>(1)).unwrap_or(0),
            identity: Identity { system_identifier: row.get(2), database: row.get(3) },
            encoding: row.get(4),
            role: row.get(5),
            in_recovery: row.get(6),
            wal_level: row.get(7),
            not_archived,
            archive_failure: row.get(10),
            may_create_restore_point: row.get(11),
        })
    }
}

/// The relations that names stand for, found on a search path; names that find none are left out. A name is written as in SQL.
pub(crate) async fn resolve(
    session: &Session,
    names: &[String],
) -> Result<Vec<(String, Option<u32>)>, Error> {
    let set = "SELECT pg_catalog.set_config('search_path', $1, false)";
    let failed = || Error::database("looking for the tables");
    session.query_typed_one(set, &[(&session.search_path, Type::TEXT)]).await.map_err(failed())?;
    let mut found = Vec::new();
    for name in names {
        let sql = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
        let row = session.query_typed_one(sql, &[(name, Type::TEXT)]).await;
        let row = row.map_err(Error::database(format!("looking for the table {name}")))?;
        found.push((name.clone(), row.get(0)));
    }
    session.batch_execute("SET search_path = pg_catalog, pg_temp").await.map_err(failed())?;
    Ok(found)
}
