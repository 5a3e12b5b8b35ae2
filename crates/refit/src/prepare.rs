//! What a run makes before its first step: the history's table, and the state that it needs.

use std::time::{Duration, Instant};

use refinery_core::AsyncMigrate;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::history::relation;
use crate::lock;
use crate::preflight::Preflight;
use crate::session::Session;
use crate::state::{Component, Present, State, assign, upgrade};

/// Runs on other histories of the database may upgrade the same state: how long they are waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Makes the history's table as refinery would, the tables of the state, and the history's row there; whatever of it is missing.
pub(crate) async fn prepare(client: &Client, facts: &mut Preflight, backfills: bool) -> Result<(), Error> {
    let needed: &[Component] = match backfills {
        true => &[Component::Runs, Component::Backfill],
        false => &[Component::Runs],
    };
    let present = Present::read(client, facts.state.schema()).await?;
    let complete = upgrade(&facts.state, &present, needed).is_none();
    if facts.relation.is_some() && complete && !facts.state.is_empty() && !facts.state.is_stale() {
        return Ok(());
    }
    let key = lock::key(&format!("state {}", facts.state.schema()));
    take(client, key).await?;
    let made = make(client, facts, needed).await;
    let unlock = format!("SELECT pg_catalog.pg_advisory_unlock({key})");
    client.batch_execute(&unlock).await.map_err(Error::database("preparing the state"))?;
    made
}

/// By polling: a session that blocks in a lock holds a snapshot, which CREATE INDEX CONCURRENTLY waits for.
async fn take(client: &Client, key: i64) -> Result<(), Error> {
    let began = Instant::now();
    loop {
        let sql = "SELECT pg_catalog.pg_try_advisory_lock($1)";
        let row = client.query_typed_one(sql, &[(&key, Type::INT8)]).await;
        if row.map_err(Error::database("preparing the state"))?.get(0) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let reason = "another run has been upgrading the state schema for a minute; run again later";
            return Err(Error::Target(reason.to_owned()));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn make(client: &Client, facts: &mut Preflight, needed: &[Component]) -> Result<(), Error> {
    let present = Present::read(client, facts.state.schema()).await?;
    let upgrade = upgrade(&facts.state, &present, needed).unwrap_or_default();
    trust(client, facts, &present, !upgrade.is_empty()).await?;
    // What exists is not asserted: even IF NOT EXISTS needs the right to create, which the role may not have.
    let history = match facts.relation {
        Some(_) => String::new(),
        None => <Session<'_> as AsyncMigrate>::assert_migrations_table_query(&facts.history_table),
    };
    let begin = format!(
        "BEGIN;SET LOCAL client_min_messages = warning;SET LOCAL lock_timeout = '5s';{history}{upgrade}"
    );
    let made = async {
        client.batch_execute(&begin).await.map_err(Error::database("creating the history"))?;
        let relation = relation(client, &facts.history_table).await?;
        let relation = relation.ok_or_else(|| Error::History("its table is gone again".to_owned()))?;
        let state = facts.state.register(client, relation, &facts.schema).await?;
        adopt(client, &state, &present, &facts.caller.search_path).await?;
        client.batch_execute("COMMIT").await.map_err(Error::database("creating the history"))?;
        Ok((relation, state))
    };
    match made.await {
        Ok((relation, state)) => {
            (facts.relation, facts.state) = (Some(relation), state);
            Ok(())
        }
        Err(error) => {
            client.batch_execute("ROLLBACK").await.ok();
            Err(error)
        }
    }
}

/// Rows of releases that knew one history only belong to the only one there is.
async fn adopt(client: &Client, state: &State, present: &Present, search_path: &str) -> Result<(), Error> {
    let failed = || Error::database("upgrading the state");
    if !present.is_of_one_history() {
        return Ok(());
    }
    let sql = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE relname = 'refinery_schema_history' \
               AND relkind IN ('r', 'p')";
    let histories: i64 = client.query_typed_one(sql, &[]).await.map_err(failed())?.get(0);
    if histories != 1 {
        return Ok(());
    }
    let mut sql = assign(state, state.history());
    if state.has(client, "backfill").await? {
        sql.push_str(&crate::backfill::adopt_jobs(state, search_path));
    }
    client.batch_execute(&sql).await.map_err(failed())
}

/// What another role has put in the way is not written to: its triggers would run with this role's rights.
async fn trust(client: &Client, facts: &Preflight, present: &Present, upgrades: bool) -> Result<(), Error> {
    const OWNER: &str = "(owner.oid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) OR owner.rolsuper \
        OR owner.oid = (SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
        OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member \
                   WHERE m.roleid = owner.oid AND r.rolname IN (current_user, session_user)))";
    let unknown = facts.relation.filter(|_| facts.state.is_empty());
    let sql = format!(
        "SELECT pg_catalog.format('table %I.%I', nspname, relname), owner.rolname::pg_catalog.text \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
         JOIN pg_catalog.pg_roles owner ON owner.oid = relowner \
         WHERE c.oid = $1 AND NOT {OWNER} AND relowner <> nspowner AND NOT $4 \
         UNION ALL SELECT pg_catalog.format('schema %I', nspname), owner.rolname::pg_catalog.text \
         FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles owner ON owner.oid = nspowner \
         WHERE nspname::pg_catalog.text = $2 AND $3 AND NOT {OWNER}"
    );
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
        (&unknown, Type::OID),
        (&facts.state.schema(), Type::TEXT),
        (&(upgrades && present.exists), Type::BOOL),
        (&present.is_of_one_history(), Type::BOOL),
    ];
    let rows = client.query_typed(&sql, &parameters).await;
    match rows.map_err(Error::database("looking at the owner of the history"))?.first() {
        Some(row) => Err(Error::NotOurs { object: row.get(0), owner: row.get(1) }),
        None => Ok(()),
    }
}
