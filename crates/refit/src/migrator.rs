//! The entry: options, plan, apply.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use refit_model::{HistoryDigest, MigrationSet, Policies, Version};
use tokio_postgres::Client;
use tracing::{Instrument, info, warn};

use crate::backfill::{Backfills, Followers, Functions};
use crate::connect::{ConnectOptions, Connection, Target};
use crate::drift::Comparison;
use crate::embedded::Source;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::gate::Gate;
use crate::history::{Expected, HISTORY_TABLE, History, HistoryState};
use crate::interrupt::{CancelOnDrop, Canceler, Interrupt};
use crate::pin::Caller;
use crate::plan::{Plan, Wanted};
use crate::preflight::Preflight;
use crate::report::Report;
use crate::state::{DEFAULT_SCHEMA, State};

/// Plans and applies a set of migrations. Cheap to make; one serves a whole program.
#[derive(Clone)]
pub struct Migrator {
    pub(crate) source: Source,
    pub(crate) set: OnceLock<Arc<MigrationSet>>,
    pub(crate) options: Options,
}

/// Without the texts of the migrations, which may hold secrets.
impl fmt::Debug for Migrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrator").field("options", &self.options).finish_non_exhaustive()
    }
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
    /// Where a connection of Refit's own leads, for cancel requests.
    pub(crate) target: Option<Target>,
}

impl Options {
    /// The schema of the history, where one is named.
    pub(crate) fn history_schema(&self) -> Option<&str> {
        self.history_schema.as_deref()
    }

    /// The history's table as SQL names it: qualified when a schema is named, else the search path finds it.
    pub(crate) fn history_table(&self) -> String {
        match &self.history_schema {
            Some(schema) => {
                format!("{}.{HISTORY_TABLE}", postgres_protocol::escape::escape_identifier(schema))
            }
            None => HISTORY_TABLE.to_owned(),
        }
    }

    /// The schema in which Refit keeps what it remembers.
    pub(crate) fn state_schema(&self) -> &str {
        self.state_schema.as_deref().unwrap_or(DEFAULT_SCHEMA)
    }
}

impl Migrator {
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

    /// Compares set and history. Reads only: one round trip where the history is the whole set.
    ///
    /// # Errors
    /// When the set is malformed or the history cannot be read. A history that does not fit is no error here: it is in
    /// [`Plan::refusals`].
    pub async fn plan(&self, client: &Client) -> Result<Plan, Error> {
        self.check_named_versions()?;
        let set = self.set()?;
        Ok(match self.glance(client).await? {
            // The digest covers the whole set, so the history is the set.
            HistoryState::Same => {
                let mut history = History::of(set, &self.options.environment);
                // The history alone does not tell that an older release left a backfill unfinished.
                if set.has_backfills() {
                    history.outdated = self.has_outdated_state(client).await?;
                }
                Plan::compute(set, &history, &self.wanted())
            }
            HistoryState::Different(history) => self.plan_for(&history)?,
        })
    }

    /// Finds what is remembered of the history: what [`backfill`](crate::backfill)'s functions ask for.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn state(&self, client: &Client) -> Result<State, Error> {
        let caller = Caller::pin_locally(client, &self.options.history_table()).await?;
        let state = self.state_of(client, caller.relation).await;
        caller.unpin(client).await;
        state
    }

    /// The same on a session that is pinned.
    pub(crate) async fn state_of(&self, client: &Client, relation: Option<u32>) -> Result<State, Error> {
        let schema = self.options.state_schema();
        let Some(relation) = relation else { return Ok(State::empty(schema)) };
        let sql = "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace WHERE c.oid = $1";
        let rows = client.query_typed(sql, &[(&relation, tokio_postgres::types::Type::OID)]).await;
        let rows = rows.map_err(Error::database("looking for the history"))?;
        let name: String = rows.first().and_then(|row| row.get(0)).unwrap_or_default();
        State::find(client, schema, Some(relation), &name).await
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
        let warned = self.observe_notices(&connection);
        let report = self.for_url(url)?.applied_or_canceled(&connection).await;
        // In the other modes, the work on backfills does this.
        if report.is_ok() && self.options.backfills == Backfills::Hold && self.set()?.has_backfills() {
            match self.upgrade_state(&connection).await {
                Err(error) if !crate::run::may_wait(&error) => return Err(error),
                _ => {}
            }
        }
        connection.close().await;
        let report = report.map(|mut report| {
            report.warnings.append(&mut warned.lock().unwrap_or_else(PoisonError::into_inner));
            report
        });
        if !self.set()?.has_backfills() {
            return report;
        }
        let mut report = match report {
            Ok(report) => report,
            Err(error) => return Box::pin(self.finish_backfills_then(url, error)).await,
        };
        let gates = report.held.iter().map(|held| &held.gate);
        let mut awaited: BTreeSet<Version> = gates.filter_map(Gate::backfill).collect();
        match self.options.backfills {
            Backfills::Inline => {
                let worked = Box::pin(self.work_until(url, &mut awaited)).await?;
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

    /// Passes on what the server says beside its answers; answers where its warnings are collected.
    fn observe_notices(&self, connection: &Connection) -> Arc<Mutex<Vec<String>>> {
        let warned = Arc::new(Mutex::new(Vec::new()));
        let (warnings, observer) = (warned.clone(), self.options.observer.clone());
        connection.on_notice(move |notice| {
            if notice.is_warning() {
                warn!("{}", notice.message);
                warnings.lock().unwrap_or_else(PoisonError::into_inner).push(notice.message.clone());
            } else {
                info!(severity = notice.severity, "{}", notice.message);
            }
            observer.tell(&Event::Notice { notice: &notice });
        });
        warned
    }

    /// The same with what cancel requests to a URL need.
    pub(crate) fn for_url(&self, url: &str) -> Result<Migrator, Error> {
        let mut migrator = self.clone();
        migrator.options.target = Some(Target::parse(url)?);
        Ok(migrator)
    }

    /// Applies, and cancels the statement that runs when the future is dropped.
    pub(crate) async fn applied_or_canceled(&self, client: &Client) -> Result<Report, Error> {
        let guard = CancelOnDrop::new(Canceler::new(client, self.options.target.as_ref()));
        let report = self.apply(client).await;
        guard.disarm();
        report
    }

    /// A step has failed: the backfills that are registered go on all the same, and what they open may be what it needs.
    async fn finish_backfills_then(&self, url: &str, error: Error) -> Result<Report, Error> {
        if !matches!(error, Error::Statement(_)) {
            return Err(error);
        }
        match self.options.backfills {
            Backfills::Inline => match Box::pin(self.work_until(url, &mut BTreeSet::new())).await {
                Ok(worked) if !worked.backfills.is_empty() => Ok(worked),
                Ok(_) => Err(error),
                Err(other) => {
                    warn!("a backfill does not go on: {other}");
                    Err(error)
                }
            },
            Backfills::Background => {
                tokio::spawn(self.clone().work_for_ever(url.to_owned(), BTreeSet::new()));
                Err(error)
            }
            Backfills::Hold => Err(error),
        }
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
        let glance = match self.glance(client).await {
            Err(error) if error.sqlstate() == Some("42501") => {
                return Err(crate::rights::explain_glance(client, &self.options, error).await);
            }
            glance => glance?,
        };
        let history = match glance {
            HistoryState::Same => return Ok(self.nothing_to_do(None, began)),
            HistoryState::Different(history) => history,
        };
        let plan = self.plan_for(&history)?;
        for warning in &plan.warnings {
            warn!("{warning}");
        }
        if !plan.refusals.is_empty() {
            return Err(Error::Refused(plan.refusals));
        }
        if !plan.needs_run() {
            for held in &plan.held {
                info!(migration = held.stem, gate = %held.gate, "held back");
            }
            return Ok(self.nothing_to_do(Some(plan), began));
        }
        // Boxed: a future that contains it is small, and quick to compile.
        Box::pin(crate::run::run(self, client, &plan, began)).await
    }

    /// Looks at the history, in one round trip where it is the expected one.
    pub(crate) async fn glance(&self, client: &Client) -> Result<HistoryState, Error> {
        let set = || self.set().cloned();
        let expected = Expected { digest: self.expected()?, set: &set };
        crate::history::glance(client, &self.options, &expected).await
    }

    /// The same on a session that is pinned.
    pub(crate) async fn glance_pinned(
        &self,
        client: &Client,
        facts: &Preflight,
    ) -> Result<HistoryState, Error> {
        let set = || self.set().cloned();
        let expected = Expected { digest: self.expected()?, set: &set };
        crate::history::glance_pinned(client, &self.options, facts, &expected).await
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
