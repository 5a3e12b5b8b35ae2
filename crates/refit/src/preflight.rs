//! The facts about a session that Refit needs before it runs anything on it.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use refit_model::Version;
use refit_model::wording::{counted, plural};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use tracing::warn;

use crate::error::{Error, read_only};
use crate::lock_keys::LockKeys;
use crate::options::HISTORY_TABLE;
use crate::options::Options;
use crate::pin::{self, Caller};
use crate::queries::Queries;
use crate::state::State;

/// The facts about a session, which is pinned as long as they are used.
#[derive(Debug, Clone)]
pub(crate) struct Preflight {
    pub(crate) standby: bool,
    pub(crate) read_only: bool,
    pub(crate) caller: Caller,
    /// The schema of the history, unquoted.
    pub(crate) schema: String,
    /// The history's existing or future table: quoted and qualified.
    pub(crate) history_table: String,
    /// The OID of that table, if it exists.
    pub(crate) relation: Option<u32>,
    /// The keys of the lock that lets one run at a time change the history.
    pub(crate) lock: LockKeys,
    /// The history's state.
    pub(crate) state: State,
    /// SQL that removes the temporary objects of a step, if the caller has none.
    pub(crate) discard: &'static str,
    /// SQL that ends a LISTEN, if the caller has none.
    pub(crate) unlisten: &'static str,
    /// SQL that removes the prepared statements of a text, if the caller has none.
    pub(crate) deallocate: &'static str,
    /// Whether all advisory locks of the session belong to Refit or a step.
    pub(crate) unlock_all: bool,
    /// Whether the history has 32-bit versions, as refinery creates them without `int8-versions`.
    pub(crate) history_is_narrow: bool,
    /// SQL that sets the session's original role for the current transaction.
    pub(crate) as_before: String,
    /// SQL that pins the session again after RESET ALL.
    pub(crate) restore: String,
    /// SQL that restores the caller's session after RESET ALL.
    pub(crate) restore_caller: String,
}

/// The query for the facts, on a pinned session.
///
/// Temporary tables, prepared statements, LISTEN and advisory locks of the caller are the caller's: those of a step are removed
/// only if the caller has none of the kind.
fn facts_sql() -> String {
    let pinned: Vec<String> = pin::names().map(|name| format!("'{name}'")).collect();
    format!(
        "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')::bool, pg_catalog.current_setting('role'), \
            (SELECT coalesce(pg_catalog.string_agg(pg_catalog.format('SELECT pg_catalog.set_config(%L, %L, false);', name, \
                                               pg_catalog.current_setting(name)), '' ORDER BY name), '') \
             FROM pg_settings WHERE source = 'session' AND name <> ALL (ARRAY[{}])), \
            EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema()), \
            EXISTS (SELECT FROM pg_catalog.pg_listening_channels()), \
            EXISTS (SELECT FROM pg_prepared_statements WHERE from_sql), \
            EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()), \
            (SELECT nspname::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = $1), \
            coalesce(pg_catalog.row_security_active($1), false), \
            EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1 AND attname = 'version' AND atttypid = 'int4'::regtype)",
        pinned.join(", ")
    )
}

impl Preflight {
    /// Pins the session and reads its facts. [`Preflight::end_after`] restores it.
    ///
    /// # Errors
    /// When a query fails, the history's schema cannot be determined, or row security hides rows of the history.
    pub(crate) fn read<'a>(
        client: &'a Client,
        options: &'a Options,
    ) -> BoxFuture<'a, Result<Preflight, Error>> {
        Preflight::pin_and_read(client, options).boxed()
    }

    async fn pin_and_read(client: &Client, options: &Options) -> Result<Preflight, Error> {
        // First of all: settings in a shared session would leak to other clients.
        match options.session_pooler {
            true => drop(pin::require_no_transaction(client, "").await?),
            false => crate::pooler::refuse_pooler(client).await?,
        }
        let caller = Caller::pin(client, &options.history_table()).await?;
        match Preflight::pinned(client, options, &caller).await {
            Ok(facts) => Ok(facts),
            Err(error) => {
                caller.unpin(client).await;
                Err(error)
            }
        }
    }

    async fn pinned(client: &Client, options: &Options, caller: &Caller) -> Result<Preflight, Error> {
        crate::trust::refuse_untrusted(client, caller.relation).await?;
        let row = client.query_one_boxed(&facts_sql(), &[(&caller.relation, Type::OID)]).await;
        let row = row.map_err(Error::database("looking at the session"))?;
        // An existing history on the search path is used; a new one is created where refinery would create it.
        let found: Option<String> = row.get(8);
        let schema = options.history_schema().map(str::to_owned).or(found).or(caller.current_schema.clone());
        let schema = schema.ok_or_else(|| {
            let path = &caller.search_path;
            Error::Target(format!(
                "no schema of the search path ({path}) exists, so the history cannot be created: create one, or set the \
                 history's schema (--history-schema, `history_schema` in refit.toml, Migrator::history_schema)"
            ))
        })?;
        let facts = Preflight::of(client, options, caller, &row, schema).await?;
        if row.get(9) {
            return Err(Error::RowSecurity { table: facts.history_table });
        }
        Ok(facts)
    }

    async fn of(
        client: &Client,
        options: &Options,
        caller: &Caller,
        row: &Row,
        schema: String,
    ) -> Result<Preflight, Error> {
        let (role, session): (String, String) = (row.get(2), row.get(3));
        let (mut set_role, mut as_before) =
            (String::new(), "SET LOCAL SESSION AUTHORIZATION DEFAULT;".to_owned());
        if role != "none" {
            let role = postgres_protocol::escape::escape_identifier(&role);
            set_role = format!("SET ROLE {role};");
            as_before.push_str(&format!("SET LOCAL ROLE {role};"));
        }
        as_before.push_str(&pin::pin_local_sql());
        let unless = |has: usize, sql: &'static str| if row.get(has) { "" } else { sql };
        Ok(Preflight {
            standby: row.get(0),
            read_only: row.get(1),
            caller: caller.clone(),
            history_table: format!(
                "{}.{HISTORY_TABLE}",
                postgres_protocol::escape::escape_identifier(&schema)
            ),
            relation: caller.relation,
            lock: LockKeys::new(&schema, caller.relation),
            state: State::find(client, options.state_schema(), caller.relation, &schema).await?,
            schema,
            discard: unless(4, "DISCARD TEMP;"),
            unlisten: unless(5, "UNLISTEN *;"),
            deallocate: unless(6, DEALLOCATE),
            unlock_all: !row.get::<_, bool>(7),
            history_is_narrow: row.get(10),
            as_before,
            restore: format!("{session}{KEEPALIVES}{}{set_role}", pin::pin_sql()),
            restore_caller: format!("{session}{}{set_role}", caller.restore()),
        })
    }

    /// SQL for the end of a text: ends the effects of PREPARE and LISTEN in it.
    pub(crate) fn clear_after(&self, text: &str) -> String {
        let has =
            |word: &[u8]| text.as_bytes().windows(word.len()).any(|found| found.eq_ignore_ascii_case(word));
        let deallocate = if has(b"prepare") { self.deallocate } else { "" };
        let unlisten = if has(b"listen") { self.unlisten } else { "" };
        format!("{deallocate}{unlisten}")
    }

    /// Runs `sql`, then restores the caller's session.
    pub(crate) async fn end_after(&self, client: &Client, sql: &str) {
        let Preflight { discard, unlisten, restore_caller, .. } = self;
        let sql =
            format!("SET SESSION AUTHORIZATION DEFAULT;{sql}{discard}{unlisten}RESET ALL;{restore_caller}");
        if let Err(error) = client.batch_execute_boxed(&sql).await
            && !error.is_closed()
        {
            warn!(error = %crate::error::describe(&error), "cannot release the session; its locks end with the connection");
        }
    }

    /// Refuses a session that cannot write, and names the pending work; `what` completes "migrations are".
    pub(crate) fn require_writable(
        &self,
        pending: &[(Option<Version>, String)],
        what: &str,
    ) -> Result<(), Error> {
        let Some((why, hint)) = read_only(self.standby, self.read_only) else { return Ok(()) };
        let (count, is) = (counted(pending.len(), "migration"), plural(pending.len(), "is", "are"));
        let first = pending.first().map_or(String::new(), |(_, stem)| stem.clone());
        Err(Error::ReadOnly { why, pending: format!("{count} {is} {what}"), first, hint })
    }
}

/// With these, the server notices within minutes that the host of a run has failed, and releases its lock; by default that takes
/// hours.
pub(crate) const KEEPALIVES: &str = "SET tcp_keepalives_idle = 30;SET tcp_keepalives_interval = 10;\
    SET tcp_keepalives_count = 3;SET tcp_user_timeout = '60s';";

/// Removes statements that PREPARE created. Those that a driver prepared are not affected.
const DEALLOCATE: &str = "DO $refit$ DECLARE statement pg_catalog.text; BEGIN \
    FOR statement IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP \
    EXECUTE pg_catalog.format('DEALLOCATE %I', statement); END LOOP; END $refit$;";
