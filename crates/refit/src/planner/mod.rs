//! Makes a plan from a set, a history and the options: the first step of apply, rollback, drift checks and status.
//!
//! *Invariant*: it never writes to the database.

mod checkpoint;
mod compute;
mod gates;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use refit_model::{Approvals, HistoryDigest, MigrationSet};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use self::compute::Requested;
use crate::embedded::Source;
use crate::environment::closed_gates;
use crate::error::Error;
use crate::history::{Expected, History, HistoryState};
use crate::options::Options;
use crate::pin::{Caller, pinned};
use crate::plan::Plan;
use crate::preflight::Preflight;
use crate::queries::Queries;
use crate::report::Report;
use crate::state::{State, is_outdated};

/// A set and the options for its plan.
#[derive(Clone)]
pub(crate) struct Planner {
    pub(crate) source: Source,
    pub(crate) set: OnceLock<Arc<MigrationSet>>,
    pub(crate) options: Options,
}

impl Planner {
    /// The set with the values of its variables, read once.
    ///
    /// # Errors
    /// [`Error::Set`] when the folder is malformed, or a variable has no value in the environment.
    pub(crate) fn set(&self) -> Result<&Arc<MigrationSet>, Error> {
        if let Some(set) = self.set.get() {
            return Ok(set);
        }
        let mut set = self.source.set()?;
        let Options { environment, variables, .. } = &self.options;
        if set.settings().has_variables() || !variables.is_empty() {
            set = Arc::new(set.with_variables(environment, variables)?);
        }
        Ok(self.set.get_or_init(|| set))
    }

    /// Compares set and history. Read-only; takes one round trip if the whole set is applied.
    ///
    /// # Errors
    /// When the set is malformed or the history cannot be read. A history that does not match the set is not an error: see
    /// [`Plan::refusals`].
    pub(crate) async fn plan(&self, client: &Client) -> Result<Plan, Error> {
        self.check_named_versions()?;
        let set = self.set()?;
        let mut plan = match self.history_state(client).await? {
            // The digest covers the whole set, so all of it is applied.
            HistoryState::Same => {
                let mut history = History::of(set, &self.options.environment);
                // The history alone does not show that an older release left a backfill unfinished.
                if set.has_backfills() {
                    history.outdated = self.has_outdated_state(client).await?;
                }
                Plan::compute(set, &history, &self.requested())
            }
            HistoryState::Different(history) => self.plan_for(&history)?,
        };
        if !plan.pending.is_empty() && self.options.profile().is_some() {
            let gates = async || closed_gates(client, &self.options, set, &plan.pending).await;
            plan.gates = pinned(client, gates).await?;
        }
        Ok(plan)
    }

    /// The same on a session that is pinned.
    pub(crate) async fn state_of(&self, client: &Client, relation: Option<u32>) -> Result<State, Error> {
        let schema = self.options.state_schema();
        let Some(relation) = relation else { return Ok(State::empty(schema)) };
        let sql = "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace WHERE c.oid = $1";
        let rows = client.query_boxed(sql, &[(&relation, Type::OID)]).await;
        let rows = rows.map_err(Error::database("looking for the history"))?;
        let name: String = rows.first().and_then(|row| row.get(0)).unwrap_or_default();
        State::find(client, schema, Some(relation), &name).await
    }

    /// Compares the history with the expected one, in one round trip if they are the same.
    pub(crate) async fn history_state(&self, client: &Client) -> Result<HistoryState, Error> {
        let set = || self.set().cloned();
        let expected = Expected { digest: self.expected()?, set: &set };
        crate::history::history_state(client, &self.options, &expected).await
    }

    /// The same on a session that is pinned.
    pub(crate) async fn history_state_pinned(
        &self,
        client: &Client,
        facts: &Preflight,
    ) -> Result<HistoryState, Error> {
        let set = || self.set().cloned();
        let expected = Expected { digest: self.expected()?, set: &set };
        crate::history::history_state_pinned(client, &self.options, facts, &expected).await
    }

    /// The history that was read; that of the whole set if it is the expected one.
    pub(crate) fn history_of(&self, found: HistoryState) -> Result<History, Error> {
        Ok(match found {
            HistoryState::Same => History::of(self.set()?, &self.options.environment),
            HistoryState::Different(history) => *history,
        })
    }

    fn expected(&self) -> Result<HistoryDigest, Error> {
        match self.source.known_digest() {
            Some(digest) => Ok(digest),
            None => Ok(self.set()?.history_digest(&self.options.environment)),
        }
    }

    pub(crate) fn plan_for(&self, history: &History) -> Result<Plan, Error> {
        let set = self.set()?;
        self.plan_of(set, history, &self.requested())
    }

    /// The same without a checkpoint: the migrations themselves.
    pub(crate) fn plan_of_migrations(&self, history: &History) -> Result<Plan, Error> {
        let set = self.set()?;
        self.plan_of(set, history, &Requested { checkpoints: false, ..self.requested() })
    }

    fn plan_of(
        &self,
        set: &MigrationSet,
        history: &History,
        requested: &Requested<'_>,
    ) -> Result<Plan, Error> {
        let mut plan = Plan::compute(set, history, requested);
        plan.warnings.extend(self.options.misspelt_environment());
        Ok(plan)
    }

    /// Checks that the versions and packages that the caller named exist.
    pub(crate) fn check_named_versions(&self) -> Result<(), Error> {
        if !self.options.packages.is_empty() {
            self.set()?.check_span(&self.options.packages).map_err(Error::Target)?;
        }
        for version in self.options.include.iter().chain(&self.options.to) {
            let set = self.set()?;
            if set.migration(*version).is_none() {
                let newest = set.migrations().last().map_or(0, |migration| migration.version);
                return Err(Error::Target(format!("there is no version {version}; the newest is {newest}")));
            }
        }
        Ok(())
    }

    fn requested(&self) -> Requested<'_> {
        let settings = self.set.get().map(|set| set.settings().policy);
        Requested {
            environment: &self.options.environment,
            to: self.options.to,
            include: &self.options.include,
            policies: self.options.policies.or(settings).unwrap_or_default(),
            packages: self.set.get().and_then(|set| set.packages_in(&self.options.packages)),
            // What has to be approved or promoted is each migration.
            checkpoints: self.options.profile().is_none_or(|profile| {
                profile.requires.is_none() && profile.approvals == Approvals::default()
            }),
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
            overridden: None,
            duration: began.elapsed(),
            budgets: Vec::new(),
            waited: Duration::ZERO,
        }
    }

    /// Whether an older release wrote the history's state.
    pub(crate) async fn has_outdated_state(&self, client: &Client) -> Result<bool, Error> {
        self.ask_state(client, async |state| is_outdated(client, &state).await).await
    }

    /// The same; also true if the state has an outdated name of the history's schema.
    pub(crate) async fn has_state_to_upgrade(&self, client: &Client) -> Result<bool, Error> {
        self.ask_state(client, async |state| Ok(state.is_stale() || is_outdated(client, &state).await?)).await
    }

    async fn ask_state(
        &self,
        client: &Client,
        ask: impl AsyncFnOnce(State) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let caller = Caller::pin_locally(client, &self.options.history_table()).await?;
        let asked = async {
            let state = self.state_of(client, caller.relation).await?;
            Ok(caller.relation.is_some() && ask(state).await?)
        };
        let asked = asked.await;
        caller.unpin(client).await;
        asked
    }
}
