//! What a [`Migrator`] is made of: its defaults, and a method for each option.

use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use refit_model::{Policies, Version};

use crate::backfill::engine::{Batch, Followers, FunctionError, Functions};
use crate::connect::ConnectOptions;
use crate::embedded::Source;
use crate::event::{Event, Observer};
use crate::interrupt::Interrupt;
use crate::migrator::Migrator;
use crate::options::{Backfills, Comparison, Drift, Options, SchemaCheck};
use crate::planner::Planner;

impl Migrator {
    /// A migrator with the defaults: environment `production`, every pending version, `lock_timeout` 2 s, and the schemas that
    /// `refit.toml` names.
    pub fn new(source: impl Into<Source>) -> Migrator {
        let source = source.into();
        let schemas = source.schemas();
        let options = Options {
            environment: "production".to_owned(),
            to: None,
            include: Vec::new(),
            policies: None,
            lock_timeout: None,
            lock_attempts: 30,
            wait_for_lock: Duration::from_secs(15 * 60),
            history_schema: schemas.history,
            state_schema: schemas.state,
            session_pooler: false,
            connect: ConnectOptions::default(),
            observer: Observer::default(),
            comparison: Comparison::default(),
            backfills: Backfills::default(),
            functions: Functions::default(),
            followers: Followers::default(),
            lease: Duration::from_secs(30),
            interrupt: Interrupt::new(),
            target: None,
        };
        Migrator { planner: Planner { source, set: OnceLock::new(), options } }
    }

    /// The environment: migrations with an `environments` directive run only in those they name.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Migrator {
        self.planner.options.environment = environment.into();
        self
    }

    /// Applies no version above this one, and no repeatable migration.
    #[must_use]
    pub fn to(mut self, version: Version) -> Migrator {
        self.planner.options.to = Some(version);
        self
    }

    /// Opens the gate of a migration with `manual = true`.
    #[must_use]
    pub fn include(mut self, version: Version) -> Migrator {
        self.planner.options.include.push(version);
        self
    }

    /// What to do when history and set disagree, instead of what `refit.toml` says.
    #[must_use]
    pub fn policies(mut self, policies: Policies) -> Migrator {
        self.planner.options.policies = Some(policies);
        self
    }

    /// How long a transactional step may wait for a lock, where the migration names no other; instead of what
    /// `refit.toml` says (default 2 s). PostgreSQL counts in milliseconds; below one is taken as one.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Migrator {
        self.planner.options.lock_timeout = Some(timeout.max(Duration::from_millis(1)));
        self
    }

    /// How often a step that cannot get its locks is tried (default 30, with pauses of up to 15 s).
    #[must_use]
    pub fn lock_attempts(mut self, attempts: u32) -> Migrator {
        self.planner.options.lock_attempts = attempts.max(1);
        self
    }

    /// How long to wait for another run to finish (default 15 minutes).
    #[must_use]
    pub fn wait_for_lock(mut self, limit: Duration) -> Migrator {
        self.planner.options.wait_for_lock = limit;
        self
    }

    /// The schema of the history table, instead of what `refit.toml` says, or the search path finds.
    ///
    /// Each history has its own state and its own lock: the tenants of a database can be migrated side by side.
    #[must_use]
    pub fn history_schema(mut self, schema: impl Into<String>) -> Migrator {
        self.planner.options.history_schema = Some(schema.into());
        self
    }

    /// The schema in which Refit keeps what it remembers of runs and backfills, instead of what `refit.toml` says; `refit` by
    /// default. Services with different roles in one database need one each.
    #[must_use]
    pub fn state_schema(mut self, schema: impl Into<String>) -> Migrator {
        self.planner.options.state_schema = Some(schema.into());
        self
    }

    /// Says that a connection pooler between here and the server keeps one session for one client.
    ///
    /// Without this, a run with something to do is refused behind a pooler: in transaction mode the lock and the
    /// session's settings would go astray.
    #[must_use]
    pub fn session_pooler(mut self, keeps_sessions: bool) -> Migrator {
        self.planner.options.session_pooler = keeps_sessions;
        self
    }

    /// How [`run`](Migrator::run) connects.
    #[must_use]
    pub fn connect_options(mut self, options: ConnectOptions) -> Migrator {
        self.planner.options.connect = options;
        self
    }

    /// Reports events of a run to `observer`. It is called on the run's task and must not block.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Migrator {
        self.planner.options.observer = Observer::new(observer);
        self
    }

    /// Compares the schema with the set's snapshot whenever the migrations are applied, also when there is nothing to apply.
    ///
    /// `check` is `refit_catalog::differences`: this crate asks the catalog for single facts and reads no whole schema. The snapshot is the one that `cargo xtask snapshot`
    /// wrote into the folder before it was embedded.
    #[must_use]
    pub fn drift(mut self, drift: Drift, check: SchemaCheck) -> Migrator {
        self.planner.options.comparison.drift = drift;
        self.planner.options.comparison.check = Some(check);
        self
    }

    /// Who finishes backfills, and when, after [`run`](Migrator::run). By default a task in the background.
    #[must_use]
    pub fn backfills(mut self, backfills: Backfills) -> Migrator {
        self.planner.options.backfills = backfills;
        self
    }

    /// For how long a worker of a backfill may be silent before others take its range over, and the server ends its
    /// transaction. 30 seconds by default; a worker whose process or connection ended is known to be gone at once.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Migrator {
        self.planner.options.lease = lease;
        self
    }

    /// Ends runs, and work on backfills, when the switch is triggered: the statement that runs is canceled, and the run ends with
    /// [`Error::Interrupted`](crate::Error::Interrupted). For SIGINT and SIGTERM: if the process just exits, the server keeps
    /// running its current statement.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Migrator {
        self.planner.options.interrupt = interrupt;
        self
    }

    /// Registers the function of the backfill whose migration has this version and no statement.
    ///
    /// It is called with each batch, inside the batch's transaction, and answers how many rows it has changed. An error is
    /// handled as one of the server's about a row: the row is looked for and set aside.
    #[must_use]
    pub fn backfill_with<F>(mut self, version: Version, function: F) -> Migrator
    where
        F: for<'a> Fn(Batch<'a>) -> Pin<Box<dyn Future<Output = Result<u64, FunctionError>> + Send + 'a>>
            + Send
            + Sync
            + 'static,
    {
        self.planner.options.functions.register(version, function);
        self
    }

    /// The snapshot's JSON, where the set was not embedded together with it.
    #[must_use]
    pub fn snapshot(mut self, json: impl Into<String>) -> Migrator {
        self.planner.options.comparison.snapshot = Some(json.into());
        self
    }
}
