//! The locks of a session, from `pg_locks`.

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
    /// The locks that the client's session holds.
    pub(crate) async fn own(client: &Client) -> Result<Locks, Error> {
        let sql = "SELECT relation, mode FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND granted \
                   AND pid = pg_catalog.pg_backend_pid()";
        let rows = client.query_typed(sql, &[]).await.map_err(Error::database("reading the locks"))?;
        let mut locks = Locks::default();
        rows.iter().for_each(|row| locks.add(row));
        Ok(locks)
    }

    /// Adds a row of relation and mode.
    pub(super) fn add(&mut self, row: &Row) {
        let mode = row.get::<_, Option<&str>>(1).and_then(LockMode::of_pg_locks);
        if let (Some(relation), Some(mode)) = (row.get::<_, Option<u32>>(0), mode) {
            self.0.insert((relation, mode));
        }
    }

    /// The locks that are not in `earlier`.
    pub(super) fn since(&self, earlier: &Locks) -> Locks {
        Locks(self.0.difference(&earlier.0).copied().collect())
    }

    /// The strongest lock on each known relation.
    pub(crate) fn strongest(&self, relations: &Relations) -> Vec<Lock> {
        // The set is sorted by mode, and later entries replace earlier ones.
        let strongest: BTreeMap<u32, LockMode> = self.0.iter().copied().collect();
        let lock = |(oid, mode): (u32, LockMode)| {
            let relation = relations.get(oid)?;
            Some(Lock { object: relation.name.clone(), kind: relation.kind(), mode })
        };
        strongest.into_iter().filter_map(lock).collect()
    }
}
