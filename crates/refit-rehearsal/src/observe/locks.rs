//! The locks of a session, as `pg_locks` has them.

use std::collections::{BTreeMap, BTreeSet};

use refit_lint::LockMode;
use tokio_postgres::{Client, Row};

use super::relations::Relations;
use crate::error::Error;
use crate::trace::Lock;

/// Locks on relations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locks(BTreeSet<(u32, LockMode)>);

impl Locks {
    /// What the session itself holds.
    pub(crate) async fn own(client: &Client) -> Result<Locks, Error> {
        let sql = "SELECT relation, mode FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND granted \
                   AND pid = pg_catalog.pg_backend_pid()";
        let rows = client.query_typed(sql, &[]).await.map_err(Error::database("reading the locks"))?;
        let mut locks = Locks::default();
        rows.iter().for_each(|row| locks.note(row));
        Ok(locks)
    }

    /// Adds a row of relation and mode.
    pub(super) fn note(&mut self, row: &Row) {
        let mode = row.get::<_, Option<&str>>(1).and_then(LockMode::of_pg_locks);
        if let (Some(relation), Some(mode)) = (row.get::<_, Option<u32>>(0), mode) {
            self.0.insert((relation, mode));
        }
    }

    /// Those that are not among earlier ones.
    pub(super) fn since(&self, earlier: &Locks) -> Locks {
        Locks(self.0.difference(&earlier.0).copied().collect())
    }

    /// The strongest of each relation that is known.
    pub(crate) fn strongest(&self, relations: &Relations) -> Vec<Lock> {
        // Later modes are stronger.
        let strongest: BTreeMap<u32, LockMode> = self.0.iter().copied().collect();
        let lock = |(oid, mode): (u32, LockMode)| {
            let relation = relations.get(oid)?;
            Some(Lock { object: relation.name.clone(), kind: relation.kind(), mode })
        };
        strongest.into_iter().filter_map(lock).collect()
    }
}
