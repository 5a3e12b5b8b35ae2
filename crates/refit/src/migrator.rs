//! The entry: options, plan, apply.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use refit_model::{HistoryDigest, MigrationSet, Policies, Version};
use tokio_postgres::Client;
use tracing::{Instrument, info, warn};

use crate::backfill::{Backfills, Batch, Followers, FunctionError, Functions};
use crate::connect::ConnectOptions;
use crate::drift::{Comparison, Drift, SchemaCheck};
use crate::embedded::Source;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::history::{Expected, Glance, History, HistoryQuery};
use crate::plan::{Gate, Plan, Wanted};
use crate::report::Report;

/// Plans and applies a set of migrations. Cheap to make; one serves a whole program.
#[derive(Debug, Clone)]
pub struct Migrator {
    pub(crate) source: Source,
    set: OnceLock<Arc<MigrationSet>>,
    pub(crate) options: Options,
}

/// What a [`Migrator`] can be told.
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
    pub(crate) session_pooler: bool,
    pub(crate) connect: ConnectOptions,
    pub(crate) observer: Observer,
    pub(crate) comparison: Comparison,
    pub(crate) backfills: Backfills,
    pub(crate) functions: Functions,
    pub(crate) followers: Followers,
    pub(crate) lease: Duration,
}

impl Migrator {
    /// A migrator with the defaults: environment `production`, every pending version, `lock_timeout` 2 s.
    pub fn new(source: impl Into<Source>) -> Migrator {
        Migrator {
            source: source.into(),
            set: OnceLock::new(),
            options: Options {
                environment: "production".to_owned(),
                to: None,
                include: Vec::new(),
                policies: None,
                lock_timeout: None,
                lock_attempts: 30,
                wait_for_lock: Duration::from_secs(15 * 60),
                history_schema: None,
                session_pooler: false,
                connect: ConnectOptions::default(),
                observer: Observer::default(),
                comparison: Comparison::default(),
                backfills: Backfills::default(),
                functions: Functions::default(),
                followers: Followers::default(),
                lease: Duration::from_secs(30),
            },
        }
    }

    /// The environment: migrations with an `environments` directive run only in those they name.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Migrator {
        self.options.environment = environment.into();
        self
    }

    /// Applies no version above this one, and no repeatable migration.
    #[must_use]
    pub fn to(mut self, version: Version) -> Migrator {
        self.options.to = Some(version);
        self
    }

    /// Opens the gate of a migration with `manual = true`.
    #[must_use]
    pub fn include(mut self, version: Version) -> Migrator {
        self.options.include.push(version);
        self
    }

    /// What to do when history and set disagree, instead of what `refit.toml` says.
    #[must_use]
    pub fn policies(mut self, policies: Policies) -> Migrator {
        self.options.policies = Some(policies);
        self
    }

    /// How long a transactional step may wait for a lock, where the migration names no other; instead of what
    /// `refit.toml` says (default 2 s). PostgreSQL counts in milliseconds; below one is taken as one.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Migrator {
        self.options.lock_timeout = Some(timeout.max(Duration::from_millis(1)));
        self
    }

    /// How often a step that cannot get its locks is tried (default 30, with pauses of up to 15 s).
    #[must_use]
    pub fn lock_attempts(mut self, attempts: u32) -> Migrator {
        self.options.lock_attempts = attempts.max(1);
        self
    }

    /// How long to wait for another run to finish (default 15 minutes).
    #[must_use]
    pub fn wait_for_lock(mut self, limit: Duration) -> Migrator {
        self.options.wait_for_lock = limit;
        self
    }

    /// The schema of the history table, where the search path would not find it.
    #[must_use]
    pub fn history_schema(mut self, schema: impl Into<String>) -> Migrator {
        self.options.history_schema = Some(schema.into());
        self
    }

    /// Says that a connection pooler between here and the server keeps one session for one client.
    ///
    /// Without this, a run with something to do is refused behind a pooler: in transaction mode the lock and the
    /// session's settings would go astray.
    #[must_use]
    pub fn session_pooler(mut self, keeps_sessions: bool) -> Migrator {
        self.options.session_pooler = keeps_sessions;
        self
    }

    /// How [`run`](Migrator::run) connects.
    #[must_use]
    pub fn connect_options(mut self, options: ConnectOptions) -> Migrator {
        self.options.connect = options;
        self
    }

    /// Tells `observer` what happens while a run is at work. It is called on the run's task and must not block.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Migrator {
        self.options.observer = Observer::new(observer);
        self
    }

    /// Compares the schema with the set's snapshot whenever the migrations are applied, also when there is nothing to apply.
    ///
    /// `check` is `refit_catalog::differences`: this crate reads no catalogs. The snapshot is the one that `cargo xtask snapshot`
    /// wrote into the folder before it was embedded.
    #[must_use]
    pub fn drift(mut self, drift: Drift, check: SchemaCheck) -> Migrator {
        self.options.comparison.drift = drift;
        self.options.comparison.check = Some(check);
        self
    }

    /// Who finishes backfills, and when, after [`run`](Migrator::run). By default a task in the background.
    #[must_use]
    pub fn backfills(mut self, backfills: Backfills) -> Migrator {
        self.options.backfills = backfills;
        self
    }

    /// For how long a worker of a backfill may be silent before others take its range over, and the server ends its
    /// transaction. 30 seconds by default; a worker whose process or connection ended is known to be gone at once.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Migrator {
        self.options.lease = lease;
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
        self.options.functions.register(version, function);
        self
    }

    /// The snapshot's JSON, where the set was not embedded together with it.
    #[must_use]
    pub fn snapshot(mut self, json: impl Into<String>) -> Migrator {
        self.options.comparison.snapshot = Some(json.into());
        self
    }

    /// The set, read once.
    ///
    /// # Errors
    /// [`Error::Set`] when the folder is malformed.
    pub fn set(&self) -> Result<&Arc<MigrationSet>, Error> {
        if let Some(set) = self.set.get() {
            return Ok(set);
        }
        let set = self.source.set()?;
        Ok(self.set.get_or_init(|| set))
    }

    /// Compares set and history. Reads only: one round trip when the set knows every checksum of the history.
    ///
    /// # Errors
    /// When the set is malformed or the history cannot be read. A history that does not fit is no error here: it is in
    /// [`Plan::refusals`].
    pub async fn plan(&self, client: &Client) -> Result<Plan, Error> {
        self.check_named_versions()?;
        let set = self.set()?;
        Ok(match self.glance(client).await? {
            // The digest covers the whole set, so the history is the set.
            Glance::Same => Plan::compute(set, &History::of(set, &self.options.environment), &self.wanted()),
            Glance::Different(history) => self.plan_for(&history)?,
        })
    }

    /// Connects, applies, closes the connection. This is what a service calls when it boots.
    ///
    /// Backfills are finished as [`backfills`](Migrator::backfills) says: by default by a task in the background, which needs
    /// a tokio runtime that goes on.
    ///
    /// # Errors
    /// As [`apply`](Migrator::apply), and those of connecting.
    pub async fn run(&self, url: &str) -> Result<Report, Error> {
        let connection = crate::connect::connect(url, &self.options.connect).await?;
        let report = self.apply(&connection).await;
        connection.close().await;
        let mut report = report?;
        if !self.set()?.has_backfills() {
            return Ok(report);
        }
        let gates = report.held.iter().map(|held| &held.gate);
        let mut awaited: BTreeSet<Version> = gates.filter_map(Gate::backfill).collect();
        match self.options.backfills {
            Backfills::Inline => {
                let worked = self.work_until(url, &mut awaited).await?;
                // Where there was no backfill to work on, nothing is known but what the first report says.
                if !worked.backfills.is_empty() {
                    report.append(worked);
                }
            }
            Backfills::Background => {
                tokio::spawn(self.clone().work_for_ever(url.to_owned(), awaited));
            }
            Backfills::Hold => {}
        }
        Ok(report)
    }

    /// Applies what is pending, on a session of the caller's own.
    ///
    /// With nothing to do this is one SELECT. Otherwise it takes the run's lock on this session, and gives it back;
    /// dropping the future halfway leaves both to the connection's end, so do not pass a pooled connection whose pool
    /// outlives the call.
    ///
    /// # Errors
    /// [`Error`] tells what stopped the run. Whatever was applied before stays, each step with its history row; that holds for
    /// [`Error::Drift`] too, which can only be told when all is applied.
    pub async fn apply(&self, client: &Client) -> Result<Report, Error> {
        let span = tracing::info_span!("run", environment = %self.options.environment);
        self.apply_in_span(client).instrument(span).await
    }

    async fn apply_in_span(&self, client: &Client) -> Result<Report, Error> {
        let mut report = self.apply_pending(client).await?;
        if let Some(warning) = crate::drift::compare(self, client, &report).await? {
            warn!("{warning}");
            report.warnings.push(warning);
        }
        Ok(report)
    }

    async fn apply_pending(&self, client: &Client) -> Result<Report, Error> {
        let began = Instant::now();
        self.check_named_versions()?;
        let history = match self.glance(client).await? {
            Glance::Same => return Ok(self.nothing_to_do(None, began)),
            Glance::Different(history) => history,
        };
        let plan = self.plan_for(&history)?;
        for warning in &plan.warnings {
            warn!("{warning}");
        }
        if !plan.refusals.is_empty() {
            return Err(Error::Refused(plan.refusals));
        }
        if plan.pending.is_empty() {
            for held in &plan.held {
                info!(migration = held.stem, gate = %held.gate, "held back");
            }
            return Ok(self.nothing_to_do(Some(plan), began));
        }
        crate::run::run(self, client, &plan, began).await
    }

    /// Looks at the history, in one round trip.
    pub(crate) async fn glance(&self, client: &Client) -> Result<Glance, Error> {
        let expected = self.expected()?;
        let query = HistoryQuery::new(self.options.history_schema.as_deref(), expected.repeatable.is_some());
        let set = || self.set().cloned();
        let mut glance = query.glance(client, &Expected { digest: expected, set: &set }).await?;
        if let Glance::Different(history) = &mut glance
            && self.set()?.migrations().iter().any(|migration| !migration.directives.after.is_empty())
        {
            history.unfinished = crate::backfill::unfinished_versions(client).await?;
        }
        Ok(glance)
    }

    fn expected(&self) -> Result<HistoryDigest, Error> {
        match self.source.known_digest() {
            Some(digest) => Ok(digest),
            None => Ok(self.set()?.history_digest(&self.options.environment)),
        }
    }

    pub(crate) fn plan_for(&self, history: &History) -> Result<Plan, Error> {
        Ok(Plan::compute(self.set()?, history, &self.wanted()))
    }

    /// Versions that the caller named exist.
    fn check_named_versions(&self) -> Result<(), Error> {
        for version in self.options.include.iter().chain(&self.options.to) {
            let set = self.set()?;
            if set.migration(*version).is_none() {
                let newest = set.migrations().last().map_or(0, |migration| migration.version);
                return Err(Error::Target(format!("there is no version {version}; the newest is {newest}")));
            }
        }
        Ok(())
    }

    fn wanted(&self) -> Wanted<'_> {
        let settings = self.set.get().map(|set| set.settings().policy);
        Wanted {
            environment: &self.options.environment,
            to: self.options.to,
            include: &self.options.include,
            policies: self.options.policies.or(settings).unwrap_or_default(),
        }
    }

    pub(crate) fn nothing_to_do(&self, plan: Option<Plan>, began: Instant) -> Report {
        let (version, held, warnings) = match plan {
            Some(plan) => (plan.current, plan.held, plan.warnings),
            None => (self.expected().ok().and_then(|digest| digest.newest), Vec::new(), Vec::new()),
        };
        Report {
            run: None,
            environment: self.options.environment.clone(),
            version,
            steps: Vec::new(),
            backfills: Vec::new(),
            held,
            warnings,
            duration: began.elapsed(),
            waited: Duration::ZERO,
        }
    }
}
