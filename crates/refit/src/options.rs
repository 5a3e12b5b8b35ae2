//! The options of a migrator.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use refit_model::{Policies, Version};
use tokio_postgres::Client;

use crate::backfill::engine::{Followers, Functions};
use crate::connect::{ConnectOptions, Target};
use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::state::DEFAULT_SCHEMA;

/// refinery's table for its history.
pub const HISTORY_TABLE: &str = "refinery_schema_history";

/// The options of a [`Migrator`](crate::Migrator).
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) environment: String,
    pub(crate) to: Option<Version>,
    pub(crate) include: Vec<Version>,
    pub(crate) policies: Option<Policies>,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) lock_attempts: u32,
    pub(crate) wait_for_lock: Duration,
    pub(crate) history_schema: Option<String>,
    pub(crate) state_schema: Option<String>,
    pub(crate) session_pooler: bool,
    pub(crate) connect: ConnectOptions,
    pub(crate) observer: Observer,
    pub(crate) comparison: Comparison,
    pub(crate) backfills: Backfills,
    pub(crate) functions: Functions,
    pub(crate) followers: Followers,
    pub(crate) lease: Duration,
    pub(crate) interrupt: Interrupt,
    /// The server of Refit's own connection, for cancel requests.
    pub(crate) target: Option<Target>,
}

impl Options {
    /// The schema of the history, if one is set.
    pub(crate) fn history_schema(&self) -> Option<&str> {
        self.history_schema.as_deref()
    }

    /// The history's table in SQL: qualified if a schema is set, otherwise found on the search path.
    pub(crate) fn history_table(&self) -> String {
        match &self.history_schema {
            Some(schema) => {
                format!("{}.{HISTORY_TABLE}", postgres_protocol::escape::escape_identifier(schema))
            }
            None => HISTORY_TABLE.to_owned(),
        }
    }

    /// The schema of Refit's state.
    pub(crate) fn state_schema(&self) -> &str {
        self.state_schema.as_deref().unwrap_or(DEFAULT_SCHEMA)
    }
}

/// Which process runs backfills, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backfills {
    /// A run completes them, and applies the migrations that waited for them.
    Inline,
    /// A run leaves them to a background task of its program, which applies the migrations that waited for them.
    #[default]
    Background,
    /// A run only registers them: another process runs them.
    Hold,
}

/// What to do when the schema differs from the snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drift {
    /// Nothing is compared.
    #[default]
    Off,
    /// It is logged, and listed in the report's warnings.
    Warn,
    /// It is an error, [`Error::Drift`](crate::Error::Drift): the service does not start.
    Refuse,
}

/// Reads a schema and compares it with a snapshot's JSON: one line per difference. It is `refit_catalog::differences`, passed in so
/// that a service without the comparison stays small.
pub type SchemaCheck = for<'a> fn(
    &'a Client,
    &'a str,
) -> Pin<
    Box<dyn Future<Output = Result<Vec<String>, Box<dyn StdError + Send + Sync>>> + Send + 'a>,
>;

/// Whether and how the schema is compared with its snapshot.
#[derive(Clone, Default)]
pub(crate) struct Comparison {
    pub(crate) drift: Drift,
    pub(crate) check: Option<SchemaCheck>,
    pub(crate) snapshot: Option<String>,
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison").field("drift", &self.drift).finish_non_exhaustive()
    }
}
