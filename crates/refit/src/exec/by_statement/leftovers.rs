//! Invalid indexes that an interrupted statement leaves behind, and how the next attempt drops them.
//!
//! Invariant: an index is dropped only if it is invalid, is on a table of that statement, did not exist before the statement was
//! first sent, and no other session is building it or has locked its table against changes.

use std::time::Duration;

use refit_model::ReindexTarget;
use tokio::time::Instant;
use tokio_postgres::types::{Oid, Type};
use tracing::{info, warn};

use super::alone::Failing;
use super::begun::Sent;
use super::{Current, interrupted};
use crate::error::Error;
use crate::exec::failure::Attempt;
use crate::exec::step::{Step, StepContext};

/// Whether another session may be building the index `i`. The progress view hides builds of other roles, but `pg_locks` shows the
/// lock that a build holds on the table. A lock of a prepared transaction has no session.
pub(super) const BUSY: &str = "(EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS progress \
           WHERE progress.index_relid = i.indexrelid) \
      OR EXISTS (SELECT FROM pg_catalog.pg_locks AS held LEFT JOIN pg_catalog.pg_stat_activity AS holder USING (pid) \
           WHERE held.locktype = 'relation' AND held.granted AND held.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
             AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
             AND held.relation IN (i.indexrelid, i.indrelid) \
             AND held.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', \
                               'AccessExclusiveLock') \
             AND holder.backend_type IS DISTINCT FROM 'autovacuum worker'))";

/// How long to wait for a build of another session.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const POLL: Duration = Duration::from_millis(200);

/// An invalid index.
struct Leftover {
    oid: Oid,
    /// Qualified and quoted.
    name: String,
    busy: bool,
}

impl StepContext<'_> {
    /// REINDEX CONCURRENTLY: drops what earlier attempts at this statement left, and rebuilds.
    pub(super) async fn reindex(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
        target: &ReindexTarget,
    ) -> Result<Result<(), Attempt>, Error> {
        match sent.before {
            true if sent.same_text => self.clear_leftovers(current, sent, target).await?,
            true => {}
            false => {
                let found = self.half_reindexed(target).await?;
                sent.leftovers = found.iter().map(|leftover| leftover.oid).collect();
            }
        }
        self.repeatable(current, sent, Failing::LeavesTraces).await
    }

    async fn clear_leftovers(
        &self,
        current: &Current<'_>,
        sent: &Sent,
        target: &ReindexTarget,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut waits = false;
            for leftover in self.half_reindexed(target).await? {
                if sent.leftovers.contains(&leftover.oid) {
                    continue;
                }
                match leftover.busy {
                    true => waits = true,
                    false => self.drop_index(current.step, current.index, &leftover.name).await?,
                }
            }
            if !waits || Instant::now() >= deadline {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) async fn drop_index(&self, step: &Step<'_>, index: usize, name: &str) -> Result<(), Error> {
        warn!(index = name, "dropping an invalid index that an interrupted attempt left");
        match self.send(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await {
            Ok(()) => Ok(()),
            Err(_) if self.interrupt.is_triggered() => Err(interrupted(step, index)),
            Err((error, _)) => Err(Error::database("dropping an invalid index")(error)),
        }
    }

    /// Waits before the next check; false once the deadline has passed.
    pub(super) async fn wait_for_build(&self, index: &str, deadline: Instant) -> bool {
        info!(index, "waiting for another session that is building this index");
        tokio::time::sleep(POLL).await;
        Instant::now() < deadline
    }

    /// The invalid indexes that concurrent rebuilds have left on the tables of a REINDEX, and on their TOAST tables.
    async fn half_reindexed(&self, target: &ReindexTarget) -> Result<Vec<Leftover>, Error> {
        let tables = match target {
            ReindexTarget::Index(_) => {
                "SELECT parts.indrelid FROM pg_catalog.pg_index AS parts WHERE parts.indexrelid = $1 \
                     OR parts.indexrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1))"
            }
            ReindexTarget::Table(_) => "SELECT relid FROM pg_catalog.pg_partition_tree($1) UNION SELECT $1",
            ReindexTarget::Schema(_) => {
                "SELECT tables.oid FROM pg_catalog.pg_class AS tables \
                 JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = tables.relnamespace \
                 WHERE schemas.nspname = $1"
            }
            ReindexTarget::Database => "SELECT oid FROM pg_catalog.pg_class",
        };
        let sql = format!(
            "SELECT i.indexrelid, pg_catalog.format('%I.%I', nspname, relname), {BUSY} \
             FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE NOT i.indisvalid AND relname ~ '_cc(new|old)[0-9]*$' AND (i.indrelid IN ({tables}) \
                 OR i.indrelid IN (SELECT reltoastrelid FROM pg_catalog.pg_class AS toasted WHERE toasted.oid IN ({tables})))"
        );
        let doing = "looking for an invalid index";
        let rows = match target {
            ReindexTarget::Index(name) | ReindexTarget::Table(name) => {
                self.look(doing, &sql, &[(&self.relation(name).await?, Type::OID)]).await?
            }
            ReindexTarget::Schema(schema) => self.look(doing, &sql, &[(schema, Type::TEXT)]).await?,
            ReindexTarget::Database => self.look(doing, &sql, &[]).await?,
        };
        let leftover =
            |row: &tokio_postgres::Row| Leftover { oid: row.get(0), name: row.get(1), busy: row.get(2) };
        Ok(rows.iter().map(leftover).collect())
    }
}
