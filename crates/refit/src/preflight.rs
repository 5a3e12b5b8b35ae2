//! What must be known of a session before anything runs on it.

use refit_model::Version;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::history::HISTORY_TABLE;

/// The facts of a session, read in one round trip.
#[derive(Debug, Clone)]
pub(crate) struct Preflight {
    pub(crate) standby: bool,
    pub(crate) read_only: bool,
    pub(crate) backend_pid: i32,
    /// Where the history is, or will be: quoted and qualified.
    pub(crate) history_table: String,
    pub(crate) history_exists: bool,
    /// SQL that removes what a step leaves in `pg_temp`; nothing where the caller has something of its own there.
    pub(crate) discard: &'static str,
    /// SQL that makes the transaction act as the role that the session had at the start, until it ends.
    pub(crate) as_before: String,
    /// SQL that puts the session back as the caller left it, after RESET ALL.
    pub(crate) restore: String,
}

impl Preflight {
    pub(crate) async fn read(client: &Client, schema: Option<&str>) -> Result<Preflight, Error> {
        // A history that the search path finds stays where it is; a new one goes where refinery would put it.
        let sql = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool, pg_backend_pid(), \
                   coalesce($1, (SELECT relnamespace::regnamespace::name FROM pg_class \
                                 WHERE oid = to_regclass($2)), current_schema())::text, \
                   current_setting('role'), \
                   (SELECT coalesce(string_agg(format('SELECT pg_catalog.set_config(%L, %L, false);', name, \
                                                      current_setting(name)), '' ORDER BY name), '') \
                    FROM pg_settings WHERE source = 'session'), \
                   EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_my_temp_schema()), \
                   to_regclass(coalesce(quote_ident($1) || '.', '') || $2) IS NOT NULL";
        let row = client
            .query_typed_one(sql, &[(&schema, Type::TEXT), (&HISTORY_TABLE, Type::TEXT)])
            .await
            .map_err(Error::database("looking at the session"))?;
        let schema: Option<String> = row.get(3);
        let schema = schema.ok_or_else(|| {
            let hint = "no schema of the search path exists: create one, or name one for the history";
            Error::Target(hint.to_owned())
        })?;
        let role: String = row.get(4);
        let mut restore: String = row.get(5);
        let mut as_before = "SET LOCAL SESSION AUTHORIZATION DEFAULT;".to_owned();
        if role != "none" {
            let role = postgres_protocol::escape::escape_identifier(&role);
            restore.push_str(&format!("SET ROLE {role};"));
            as_before.push_str(&format!("SET LOCAL ROLE {role};"));
        }
        let table = postgres_protocol::escape::escape_identifier(&schema);
        Ok(Preflight {
            standby: row.get(0),
            read_only: row.get(1),
            backend_pid: row.get(2),
            history_table: format!("{table}.{HISTORY_TABLE}"),
            history_exists: row.get(7),
            discard: if row.get(6) { "" } else { "DISCARD TEMP;" },
            as_before,
            restore,
        })
    }

    /// Refuses a session that cannot write, naming what it would have to do; `what` says what the migrations are.
    pub(crate) fn require_writable(
        &self,
        pending: &[(Option<Version>, String)],
        what: &str,
    ) -> Result<(), Error> {
        let Some((why, hint)) = read_only(self.standby, self.read_only) else { return Ok(()) };
        let noun = if pending.len() == 1 { "migration is" } else { "migrations are" };
        let first = pending.first().map_or(String::new(), |(_, stem)| stem.clone());
        Err(Error::ReadOnly { why, pending: format!("{} {noun} {what}", pending.len()), first, hint })
    }
}

/// Why a session cannot write, and what to do; none when it can.
pub(crate) fn read_only(standby: bool, session: bool) -> Option<(&'static str, &'static str)> {
    if standby {
        Some((
            "the server is a hot standby",
            "connect to the primary, for example with target_session_attrs=read-write",
        ))
    } else if session {
        Some((
            "the session is read-only",
            "use a role and database without default_transaction_read_only, or ALTER ROLE … RESET it",
        ))
    } else {
        None
    }
}
