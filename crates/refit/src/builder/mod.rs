//! A [`Migrator`]'s defaults, and a method for each option.

mod profile;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use refit_model::{Policies, Version};

use crate::backfill::engine::{Batch, FunctionError};
use crate::connect::ConnectOptions;
use crate::embedded::{EarlySettings, Source};
use crate::event::Event;
use crate::hook::{EventHook, Hook};
use crate::interrupt::Interrupt;
use crate::migrator::Migrator;
use crate::options::{Backfills, Drift, Options, SchemaCheck};
use crate::planner::Planner;
use crate::progress::{Progress, ProgressHook};

impl Migrator {
    /// A migrator with the defaults: environment `production`, every pending version, a `lock_timeout` of 2 s, and the schemas
    /// that `refit.toml` names.
    ///
    /// `source` is what [`embed!`](crate::embed) returns, or a [`MigrationSet`](refit_model::MigrationSet) that the program reads
    /// from a folder at run time. Nothing is read or connected yet.
    ///
    /// ```no_run
    /// use refit::{Migrator, model::MigrationSet};
    ///
    /// # fn example() -> Result<(), refit::Error> {
    /// let migrator = Migrator::new(MigrationSet::from_dir("migrations".as_ref())?);
    /// # Ok(()) }
    /// ```
    pub fn new(source: impl Into<Source>) -> Migrator {
        let source = source.into();
        let EarlySettings { history_schema, state_schema, profiles } = source.early_settings();
        let profiles = Arc::new(profiles);
        let options = Options { history_schema, state_schema, profiles, ..Options::default() };
        Migrator { planner: Planner { source, set: OnceLock::new(), options } }
    }

    /// Sets the environment, `production` by default: a migration with an `environments` directive runs only in those that it
    /// names, and `[environment.NAME]` in `refit.toml` may say what a run must satisfy there.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.environment("staging")
    /// # }
    /// ```
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Migrator {
        self.planner.options.environment = environment.into();
        self.planner.set = OnceLock::new();
        self
    }

    /// Sets the value of a variable of `refit.toml`, which takes precedence over its values there: `${name}` in a migration stands
    /// for it. A value is configuration, not a secret: errors, scripts and the server's log may show it.
    ///
    /// A name that `refit.toml` does not have is [`Error::Set`](crate::Error::Set) once the migrations are read, which
    /// [`apply`](Migrator::apply) with nothing to do does not do.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.variable("reader", "reporting_reader")
    /// # }
    /// ```
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Migrator {
        self.planner.options.variables.insert(name.into(), value.into());
        self.planner.set = OnceLock::new();
        self
    }

    /// Names the release of the program, such as `env!("CARGO_PKG_VERSION")` or a commit, for the records of runs.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.release("2026.11.3")
    /// # }
    /// ```
    #[must_use]
    pub fn release(mut self, release: impl Into<String>) -> Migrator {
        self.planner.options.release = Some(release.into());
        self
    }

    /// Applies no version above this one, and no repeatable migration. A version that the set does not have is an error of the
    /// run.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.to(12)
    /// # }
    /// ```
    #[must_use]
    pub fn to(mut self, version: Version) -> Migrator {
        self.planner.options.to = Some(version);
        self
    }

    /// Opens the gate of a migration with `manual = true`. Call it once for each version.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.include(14).include(17)
    /// # }
    /// ```
    #[must_use]
    pub fn include(mut self, version: Version) -> Migrator {
        self.planner.options.include.push(version);
        self
    }

    /// Holds back the migrations of packages before this one, and those of no package. Packages are declared in `refit.toml` or by
    /// the directive `package`; one that the set does not have is an error of the run.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.from_package("base").to_package("cms")
    /// # }
    /// ```
    #[must_use]
    pub fn from_package(mut self, package: impl Into<String>) -> Migrator {
        self.planner.options.packages.from = Some(package.into());
        self
    }

    /// Holds back the migrations of packages after this one, and those of no package; see
    /// [`from_package`](Migrator::from_package).
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.to_package("base")
    /// # }
    /// ```
    #[must_use]
    pub fn to_package(mut self, package: impl Into<String>) -> Migrator {
        self.planner.options.packages.to = Some(package.into());
        self
    }

    /// Sets what happens when history and set disagree, instead of `[policy]` in `refit.toml`.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// use refit::model::{Policies, Policy};
    /// migrator.policies(Policies { ahead: Policy::Refuse, ..Policies::default() })
    /// # }
    /// ```
    #[must_use]
    pub fn policies(mut self, policies: Policies) -> Migrator {
        self.planner.options.policies = Some(policies);
        self
    }

    /// Sets how long a transactional step may wait for a lock before it is rolled back and tried again, if the migration has no
    /// `lock_timeout` of its own; instead of `lock_timeout` in `refit.toml` (default 2 s). Rounded to milliseconds, at least 1 ms.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// use std::time::Duration;
    /// migrator.lock_timeout(Duration::from_millis(500))
    /// # }
    /// ```
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Migrator {
        self.planner.options.lock_timeout = Some(timeout.max(Duration::from_millis(1)));
        self
    }

    /// Sets how many times a step that does not get its locks is tried, the first attempt included: 30 by default, at least 1.
    /// Pauses between attempts grow to 15 s.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.lock_attempts(5)
    /// # }
    /// ```
    #[must_use]
    pub fn lock_attempts(mut self, attempts: u32) -> Migrator {
        self.planner.options.lock_attempts = attempts.max(1);
        self
    }

    /// Sets how long to wait for another run of the same history to finish: 15 minutes by default. After that, the run ends with
    /// [`Error::LockTimeout`](crate::Error::LockTimeout).
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// use std::time::Duration;
    /// migrator.wait_for_lock(Duration::from_secs(60))
    /// # }
    /// ```
    #[must_use]
    pub fn wait_for_lock(mut self, limit: Duration) -> Migrator {
        self.planner.options.wait_for_lock = limit;
        self
    }

    /// Sets the schema of the history table (unquoted), instead of `history_schema` in `refit.toml` or what the search path finds.
    ///
    /// Each history has its own state and lock, so that the tenants of a database can be migrated at the same time.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.history_schema("tenant_7")
    /// # }
    /// ```
    #[must_use]
    pub fn history_schema(mut self, schema: impl Into<String>) -> Migrator {
        self.planner.options.history_schema = Some(schema.into());
        self
    }

    /// Sets the schema (unquoted) in which Refit records runs and backfills, instead of `state_schema` in `refit.toml`; `refit` by
    /// default. Services with different roles in one database need one each.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.state_schema("billing_refit")
    /// # }
    /// ```
    #[must_use]
    pub fn state_schema(mut self, schema: impl Into<String>) -> Migrator {
        self.planner.options.state_schema = Some(schema.into());
        self
    }

    /// Declares that a connection pooler before the server keeps one session for each client (`pool_mode = session` in
    /// PgBouncer).
    ///
    /// Otherwise a run with something to do is refused behind a pooler, with [`Error::Pooler`](crate::Error::Pooler): in transaction
    /// mode, the lock and the session's settings would stay with another client's session.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.session_pooler(true)
    /// # }
    /// ```
    #[must_use]
    pub fn session_pooler(mut self, keeps_sessions: bool) -> Migrator {
        self.planner.options.session_pooler = keeps_sessions;
        self
    }

    /// Sets how [`run`](Migrator::run), [`run_backfills`](Migrator::run_backfills) and [`rollback`](Migrator::rollback) connect:
    /// for how long they try, and under which name.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// use std::time::Duration;
    ///
    /// let options = refit::ConnectOptions { retry_for: Duration::from_secs(5), ..Default::default() };
    /// migrator.connect_options(options)
    /// # }
    /// ```
    #[must_use]
    pub fn connect_options(mut self, options: ConnectOptions) -> Migrator {
        self.planner.options.connect = options;
        self
    }

    /// Calls `observer` with each [`Event`] of a run. It is called on a task that works for the run and must not block. Several
    /// observers may be added; [`hook`](Migrator::hook) can do more.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.observe(|event| println!("{event:?}"))
    /// # }
    /// ```
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Migrator {
        self.planner.options.hooks.add_for_events(EventHook(observer));
        self
    }

    /// Keeps `progress` up to date with what runs and backfills of this migrator do, for a probe.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator, progress: &refit::Progress) -> refit::Migrator {
    /// migrator.progress(progress)
    /// # }
    /// ```
    #[must_use]
    pub fn progress(mut self, progress: &Progress) -> Migrator {
        self.planner.options.hooks.add(ProgressHook(progress.clone()));
        self
    }

    /// Adds a hook: it is called in the course of each run, and can stop it.
    #[must_use]
    pub fn hook(mut self, hook: impl Hook + 'static) -> Migrator {
        self.planner.options.hooks.add(hook);
        self
    }

    /// Compares the schema with the set's snapshot after each run, also when there was nothing to apply.
    ///
    /// `check` is `refit_catalog::differences`, since this crate reads no whole schema. The snapshot is the one that
    /// `cargo xtask snapshot` wrote into the folder before it was embedded. A database at another version than the set is not
    /// compared.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.drift(refit::Drift::Refuse, refit_catalog::differences)
    /// # }
    /// ```
    #[must_use]
    pub fn drift(mut self, drift: Drift, check: SchemaCheck) -> Migrator {
        self.planner.options.comparison.drift = drift;
        self.planner.options.comparison.check = Some(check);
        self
    }

    /// Sets who finishes backfills after [`run`](Migrator::run), and when: by default a task in the background.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.backfills(refit::Backfills::Hold)
    /// # }
    /// ```
    #[must_use]
    pub fn backfills(mut self, backfills: Backfills) -> Migrator {
        self.planner.options.backfills = backfills;
        self
    }

    /// Sets how long the lease of a backfill's range lasts, 30 s by default. When a worker does not renew it in time, another worker
    /// takes the range over, and the server ends the first one's transaction. A worker that has lost its connection holds no lease.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// use std::time::Duration;
    /// migrator.lease(Duration::from_secs(60))
    /// # }
    /// ```
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Migrator {
        self.planner.options.lease = lease;
        self
    }

    /// Ends runs and work on backfills when `interrupt` is triggered: the statement that runs is canceled, and the run ends with
    /// [`Error::Interrupted`](crate::Error::Interrupted). Trigger it on SIGINT and SIGTERM, because a statement continues on the
    /// server after the process that sent it exits.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// let interrupt = refit::Interrupt::new();
    /// let on_signal = interrupt.clone();
    /// migrator.interrupt(interrupt)
    /// # }
    /// ```
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Migrator {
        self.planner.options.interrupt = interrupt;
        self
    }

    /// Registers the function of the backfill migration `version`, whose file has no statement.
    ///
    /// It is called with each batch, inside the batch's transaction, and returns how many rows it changed. An error is handled as a
    /// server error about a row is: the batch is divided until the row is found, and the row is set aside.
    ///
    /// ```
    /// # fn example(migrator: refit::Migrator) -> refit::Migrator {
    /// migrator.backfill_with(15, |batch| {
    ///     Box::pin(async move {
    ///         let sql = format!("UPDATE {} SET slug = lower(title) WHERE id = $1::text::int8", batch.relation());
    ///         let mut changed = 0;
    ///         for key in batch.keys().await? {
    ///             changed += batch.client().execute(&sql, &[&key[0]]).await?;
    ///         }
    ///         Ok(changed)
    ///     })
    /// })
    /// # }
    /// ```
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

    /// Sets the snapshot for [`drift`](Migrator::drift), as the JSON of `snapshots/schema.json`, for a set that was not embedded
    /// together with it.
    ///
    /// ```no_run
    /// # fn example(migrator: refit::Migrator) -> std::io::Result<refit::Migrator> {
    /// Ok(migrator.snapshot(std::fs::read_to_string("migrations/snapshots/schema.json")?))
    /// # }
    /// ```
    #[must_use]
    pub fn snapshot(mut self, json: impl Into<String>) -> Migrator {
        self.planner.options.comparison.snapshot = Some(json.into());
        self
    }
}
