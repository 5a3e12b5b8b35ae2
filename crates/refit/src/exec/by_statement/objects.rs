//! Statements that create or drop an object: databases, tablespaces, subscriptions, indexes, partitions.
//!
//! Invariant: an object that already exists, or is already missing, counts as the effect of a statement only if that statement was
//! recorded as begun before.

use refit_model::ObjectKind;
use tokio_postgres::types::{ToSql, Type};
use tracing::warn;

use super::Current;
use super::alone::Failing;
use super::begun::Sent;
use crate::error::Error;
use crate::exec::failure::{Attempt, alone};
use crate::exec::step::StepContext;

impl StepContext<'_> {
    /// CREATE or DROP of an object.
    pub(super) async fn create_or_drop(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
        kind: ObjectKind,
        name: &[String],
        create: bool,
    ) -> Result<Result<(), Attempt>, Error> {
        let dropped = match kind {
            // An index of that name in a later schema of the search path is not the one to drop.
            ObjectKind::Index if !create => self.relation(name).await?,
            _ => None,
        };
        let is_another = sent.before
            && !sent.leftovers.is_empty()
            && dropped.is_some_and(|oid| !sent.leftovers.contains(&oid));
        if is_another || self.object_exists(kind, name, create).await? == create {
            if sent.before && sent.same_text {
                warn!(statement = current.index + 1, "an earlier attempt completed this statement");
                sent.complete = true;
                return Ok(self.count_alone(current).await);
            }
            // There is nothing to change: the server reports an error, or IF [NOT] EXISTS accepts it.
            return match self.send_alone(current).await {
                Ok(()) => Ok(self.count_alone(current).await),
                Err(failed) => Ok(Err(failed)),
            };
        }
        sent.leftovers = dropped.into_iter().collect();
        let failing = if kind == ObjectKind::Index { Failing::LeavesTraces } else { Failing::HasNoEffect };
        self.repeatable(current, sent, failing).await
    }

    /// Whether it exists. A database that an interrupted DROP left invalid does not count as created.
    async fn object_exists(&self, kind: ObjectKind, name: &[String], create: bool) -> Result<bool, Error> {
        let sql = match kind {
            ObjectKind::Database if create => {
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_database \
                                WHERE datname::pg_catalog.text = $1 AND datconnlimit <> -2)"
            }
            ObjectKind::Database => {
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname::pg_catalog.text = $1)"
            }
            ObjectKind::Tablespace => {
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_tablespace WHERE spcname::pg_catalog.text = $1)"
            }
            ObjectKind::Subscription => {
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription WHERE subname::pg_catalog.text = $1 \
                     AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))"
            }
            ObjectKind::Index => {
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = $1 AND relkind IN ('i', 'I'))"
            }
        };
        let doing = "looking for the object of a statement";
        let rows = match kind {
            ObjectKind::Index => self.look(doing, sql, &[(&self.relation(name).await?, Type::OID)]).await?,
            _ => self.look(doing, sql, &[(&name.join("."), Type::TEXT)]).await?,
        };
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// DETACH PARTITION CONCURRENTLY: completes an attempt that was interrupted half-way instead of repeating it.
    pub(super) async fn detach(
        &self,
        current: &Current<'_>,
        sent: &mut Sent,
        table: &[String],
        partition: &[String],
    ) -> Result<Result<(), Attempt>, Error> {
        match self.detaching(table, partition).await? {
            Detaching::Pending { finalize } if sent.before => {
                warn!(statement = current.index + 1, "completing a DETACH PARTITION that was interrupted");
                if let Err(failed) = self.send(&finalize).await {
                    return Ok(Err(alone(failed)));
                }
                sent.complete = true;
            }
            Detaching::Detached if sent.before && sent.same_text => {
                warn!(statement = current.index + 1, "an earlier attempt completed this statement");
                sent.complete = true;
            }
            // This step did not detach it: the server rejects the statement.
            Detaching::Pending { .. } | Detaching::Detached => {
                return match self.send_alone(current).await {
                    Ok(()) => Ok(self.count_alone(current).await),
                    Err(failed) => Ok(Err(failed)),
                };
            }
            Detaching::Attached => {}
        }
        if sent.complete {
            return Ok(self.count_alone(current).await);
        }
        let outcome = self.repeatable(current, sent, Failing::LeavesTraces).await?;
        if let Err(failed) = &outcome
            && super::alone::reported_by_server(self.client, failed)
            && !matches!(self.detaching(table, partition).await?, Detaching::Pending { .. })
        {
            self.withdraw(current, sent).await;
        }
        Ok(outcome)
    }

    async fn detaching(&self, table: &[String], partition: &[String]) -> Result<Detaching, Error> {
        let sql = "SELECT inhdetachpending, \
                       pg_catalog.format('ALTER TABLE %I.%I DETACH PARTITION %I.%I FINALIZE', \
                           parents.nspname, parent.relname, children.nspname, child.relname) \
                   FROM pg_catalog.pg_class AS parent \
                   JOIN pg_catalog.pg_namespace AS parents ON parents.oid = parent.relnamespace \
                   JOIN pg_catalog.pg_class AS child ON child.oid = $2 \
                   JOIN pg_catalog.pg_namespace AS children ON children.oid = child.relnamespace \
                   LEFT JOIN pg_catalog.pg_inherits ON inhparent = parent.oid AND inhrelid = child.oid \
                   WHERE parent.oid = $1";
        let (table, partition) = (self.relation(table).await?, self.relation(partition).await?);
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&table, Type::OID), (&partition, Type::OID)];
        let rows = self.look("reading the state of a partition", sql, &parameters).await?;
        Ok(match rows.first().map(|row| (row.get::<_, Option<bool>>(0), row.get(1))) {
            Some((Some(true), finalize)) => Detaching::Pending { finalize },
            Some((None, _)) => Detaching::Detached,
            // If one of the two is missing, the server reports it.
            Some((Some(false), _)) | None => Detaching::Attached,
        })
    }
}

/// The state of a partition.
enum Detaching {
    Attached,
    Pending { finalize: String },
    Detached,
}
