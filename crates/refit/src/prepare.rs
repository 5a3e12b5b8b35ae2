//! Creates what a run needs before its first step: the history's table and the state.

use std::time::{Duration, Instant};

use refinery_core::AsyncMigrate;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::history::relation;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::lock_keys;
use crate::preflight::Preflight;
use crate::queries::Queries;
use crate::session::Session;
use crate::state::{Component, Present, State, assign, upgrade};
use crate::trust::refuse_untrusted_state;

/// How long to wait for a run on another history that is upgrading the same state.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Creates what is missing: the history's table, as refinery would, the tables of the state, and the history's row there.
pub(crate) async fn prepare(
    client: &Client,
    facts: &mut Preflight,
    needed: &[Component],
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let present = Present::read(client, facts.state.schema()).await?;
    let complete = upgrade(&facts.state, &present, needed).is_none();
    if facts.relation.is_some() && complete && !facts.state.is_empty() && !facts.state.is_stale() {
        return Ok(());
    }
    let key = lock_keys::key(&format!("state {}", facts.state.schema()));
    take(client, key, interrupt).await?;
    let made = make(client, facts, needed).await;
    let unlock = format!("SELECT pg_catalog.pg_advisory_unlock({key})");
    client.batch_execute_boxed(&unlock).await.map_err(Error::database("preparing the state"))?;
    made
}

/// Takes the lock by polling: a session that blocks holds a snapshot, for which CREATE INDEX CONCURRENTLY would wait.
pub(crate) async fn take(client: &Client, key: i64, interrupt: &Interrupt) -> Result<(), Error> {
    let began = Instant::now();
    loop {
        let sql = "SELECT pg_catalog.pg_try_advisory_lock($1)";
        let row = client.query_one_boxed(sql, &[(&key, Type::INT8)]).await;
        if row.map_err(Error::database("preparing the state"))?.get(0) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let reason = "another run has been upgrading the state schema for a minute; run again later";
            return Err(Error::Target(reason.to_owned()));
        }
        if interrupt.cuts_short(POLL).await {
            return Err(lock::interrupted());
        }
    }
}

async fn make(client: &Client, facts: &mut Preflight, needed: &[Component]) -> Result<(), Error> {
    let present = Present::read(client, facts.state.schema()).await?;
    let upgrade = upgrade(&facts.state, &present, needed).unwrap_or_default();
    refuse_untrusted_state(client, facts.state.schema()).await?;
    // Skipped if it exists: even with IF NOT EXISTS the statement needs CREATE, which the role may lack.
    let history = match facts.relation {
        Some(_) => String::new(),
        None => <Session<'_> as AsyncMigrate>::assert_migrations_table_query(&facts.history_table),
    };
    let begin = format!(
        "BEGIN;SET LOCAL client_min_messages = warning;SET LOCAL lock_timeout = '5s';{history}{upgrade}"
    );
    let mut lock = facts.lock;
    let made = async {
        client.batch_execute_boxed(&begin).await.map_err(Error::database("creating the history"))?;
        let relation = relation(client, &facts.history_table).await?;
        let relation =
            relation.ok_or_else(|| Error::History("another session dropped it; run again".to_owned()))?;
        if facts.relation.is_none() {
            lock.take_created(client, relation).await?;
            facts.state.retire_restored(client, &facts.schema).await?;
        }
        crate::backfill::engine::follow(client, &facts.state).await?;
        let state = facts.state.register(client, relation, &facts.schema).await?;
        adopt(client, &state, &present, &facts.caller.search_path).await?;
        client.batch_execute_boxed("COMMIT").await.map_err(Error::database("creating the history"))?;
        Ok((relation, state))
    };
    match made.await {
        Ok((relation, state)) => {
            (facts.relation, facts.state, facts.lock) = (Some(relation), state, lock);
            Ok(())
        }
        Err(error) => {
            client.batch_execute_boxed("ROLLBACK").await.ok();
            if lock != facts.lock {
                lock.release_created(client).await;
            }
            Err(error)
        }
    }
}

/// Assigns rows of releases that had a single history to the only history of the database.
async fn adopt(client: &Client, state: &State, present: &Present, search_path: &str) -> Result<(), Error> {
    let failed = || Error::database("upgrading the state");
    if !present.is_of_one_history() {
        return Ok(());
    }
    let sql = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE relname = 'refinery_schema_history' \
               AND relkind IN ('r', 'p')";
    let histories: i64 = client.query_one_boxed(sql, &[]).await.map_err(failed())?.get(0);
    if histories != 1 {
        return refuse_unknown_owner(client, state).await;
    }
    let mut sql = assign(state, state.history());
    if state.has(client, "backfill").await? {
        sql.push_str(&crate::backfill::engine::adopt_jobs(state, search_path));
    }
    client.batch_execute_boxed(&sql).await.map_err(failed())
}

/// Refuses work that an older release left unfinished on one of several histories, because it did not record which.
async fn refuse_unknown_owner(client: &Client, state: &State) -> Result<(), Error> {
    let failed = || Error::database("upgrading the state");
    let steps = "SELECT EXISTS (SELECT FROM refit.step AS begun WHERE statements_done > 0 AND outcome <> 'succeeded' \
                     AND EXISTS (SELECT FROM refit.run WHERE run.id = begun.run_id AND history_id IS NULL) \
                     AND NOT EXISTS (SELECT FROM refit.step AS later WHERE later.id > begun.id AND later.kind = begun.kind \
                         AND later.name = begun.name AND later.outcome = 'succeeded'))";
    let mut unfinished: bool = client.query_one_boxed(&state.sql(steps), &[]).await.map_err(failed())?.get(0);
    if state.has(client, "backfill").await? {
        let jobs =
            "SELECT EXISTS (SELECT FROM refit.backfill WHERE history_id IS NULL AND state <> 'complete')";
        unfinished |=
            client.query_one_boxed(&state.sql(jobs), &[]).await.map_err(failed())?.get::<_, bool>(0);
    }
    match unfinished {
        false => Ok(()),
        true => Err(Error::Target(format!(
            "an older release left a step or a backfill unfinished (schema {}), and did not record to which of the database's \
             histories it belongs; finish it with that release first",
            state.schema()
        ))),
    }
}
