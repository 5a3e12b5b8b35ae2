//! Backfills that are Rust functions: the same batches, checkpoints, errors and throttle as SQL.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use refit_model::Version;
use tokio_postgres::Client;

use super::cut::{keys, values};
use super::key::{Key, KeyColumns};
use crate::queries::Queries;

/// The error that a function returns when a batch fails.
pub type FunctionError = Box<dyn std::error::Error + Send + Sync>;

type Answer<'a> = Pin<Box<dyn Future<Output = Result<u64, FunctionError>> + Send + 'a>>;
type Call = dyn for<'a> Fn(Batch<'a>) -> Answer<'a> + Send + Sync;

/// The functions that a program has registered, by the versions of their migrations.
#[derive(Clone, Default)]
pub(crate) struct Functions(BTreeMap<Version, Arc<Call>>);

impl Functions {
    pub(crate) fn register<F>(&mut self, version: Version, function: F)
    where
        F: for<'a> Fn(Batch<'a>) -> Answer<'a> + Send + Sync + 'static,
    {
        self.0.insert(version, Arc::new(function));
    }

    pub(crate) fn get(&self, version: Version) -> Option<&Arc<Call>> {
        self.0.get(&version)
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One batch: its transaction, and the keys in it.
///
/// ```
/// use refit::backfill::{Batch, FunctionError};
///
/// async fn lower_case(batch: Batch<'_>) -> Result<u64, FunctionError> {
///     let sql = format!("UPDATE {} SET slug = lower(slug) WHERE id = $1::text::int8", batch.relation());
///     let mut changed = 0;
///     for key in batch.keys().await? {
///         changed += batch.client().execute(&sql, &[&key[0]]).await?;
///     }
///     println!("up to {:?}", batch.upper());
///     Ok(changed)
/// }
///
/// # fn example(migrator: refit::Migrator) -> refit::Migrator {
/// migrator.backfill_with(15, |batch| Box::pin(lower_case(batch)))
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Batch<'a> {
    pub(crate) client: &'a Client,
    pub(crate) relation: &'a str,
    pub(crate) key: &'a KeyColumns,
    pub(crate) lower: &'a Key,
    pub(crate) closed: bool,
    pub(crate) upper: &'a Key,
    /// In a closing sweep, the condition that remaining rows meet.
    pub(crate) remaining: Option<&'a str>,
}

/// The keys of a batch, in order; in a closing sweep only those of remaining rows.
pub(crate) fn keys_sql(relation: &str, key: &KeyColumns, remaining: Option<&str>, closed: bool) -> String {
    let condition = remaining.map(|remaining| format!(" AND ({remaining})")).unwrap_or_default();
    format!(
        "SELECT {} FROM ONLY {relation} WHERE {}{condition} ORDER BY {}",
        key.texts(),
        key.between(closed),
        key.list()
    )
}

impl<'a> Batch<'a> {
    /// The session, inside the batch's transaction. Refit begins and ends it: a function that does so fails the backfill.
    pub fn client(&self) -> &'a Client {
        self.client
    }

    /// The table or partition, qualified and quoted.
    pub fn relation(&self) -> &'a str {
        self.relation
    }

    /// The last key of the batch, as text.
    pub fn upper(&self) -> &'a Key {
        self.upper
    }

    /// The keys of the batch, in order, as texts that PostgreSQL reads: `$1::text::uuid`. In a closing sweep these are the keys of
    /// rows that meet `remaining`; the rows between them are done.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn keys(&self) -> Result<Vec<Key>, tokio_postgres::Error> {
        let sql = keys_sql(self.relation, self.key, self.remaining, self.closed);
        let values = values(&[self.lower, self.upper]);
        let statement = self.client.prepare_boxed(&sql).await?;
        keys(self.client, &statement, values).await
    }
}
