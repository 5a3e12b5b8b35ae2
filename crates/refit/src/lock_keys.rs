//! The keys of the advisory lock of a history.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::queries::Queries;

/// The key of the lock of a history in schema `public`, the same in every release: "refit" in ASCII.
pub const LOCK_KEY: i64 = 0x72_65_66_69_74;

/// The key of the lock of the history in a schema: runs on other histories of the database do not wait for it.
pub fn key(schema: &str) -> i64 {
    match schema {
        "public" => LOCK_KEY,
        _ => {
            let hash = siphasher::sip::SipHasher13::new_with_keys(LOCK_KEY.unsigned_abs(), 0)
                .hash(schema.as_bytes());
            i64::from_ne_bytes(hash.to_ne_bytes())
        }
    }
}

/// The keys of a history's lock, which are held together: one from the name of its schema, which all releases take and which exists
/// before the table; one from its table, which stays the same if the schema is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LockKeys {
    pub(crate) by_name: i64,
    pub(crate) by_table: Option<i64>,
}

impl LockKeys {
    pub(crate) fn new(schema: &str, relation: Option<u32>) -> LockKeys {
        LockKeys { by_name: key(schema), by_table: relation.map(|oid| key(&format!("table {oid}"))) }
    }

    pub(crate) fn each(self) -> impl Iterator<Item = i64> {
        std::iter::once(self.by_name).chain(self.by_table)
    }

    /// An expression for each key that passes it to a function.
    pub(crate) fn call(self, function: &str) -> String {
        self.joined(function, ",")
    }

    /// An expression that is true if a function is true for all keys; it uses no operators.
    pub(crate) fn all(self, function: &str) -> String {
        self.joined(function, " AND ")
    }

    fn joined(self, function: &str, between: &str) -> String {
        let call = |key| format!("pg_catalog.{function}({key})");
        self.each().map(call).collect::<Vec<_>>().join(between)
    }

    /// Takes the key of the table that the current transaction created: no other session sees it yet.
    pub(crate) async fn take_created(&mut self, client: &Client, made: u32) -> Result<(), Error> {
        let by_table = key(&format!("table {made}"));
        let sql = "SELECT pg_catalog.pg_try_advisory_lock($1)";
        client
            .query_one_boxed(sql, &[(&by_table, Type::INT8)])
            .await
            .map_err(Error::database("taking the migration lock"))?;
        self.by_table = Some(by_table);
        Ok(())
    }

    /// Releases the key that [`take_created`](LockKeys::take_created) took.
    pub(crate) async fn release_created(&mut self, client: &Client) {
        if let Some(by_table) = self.by_table.take() {
            // If that fails, the session has ended, and the lock with it.
            client
                .batch_execute_boxed(&format!("SELECT pg_catalog.pg_advisory_unlock({by_table})"))
                .await
                .ok();
        }
    }
}
