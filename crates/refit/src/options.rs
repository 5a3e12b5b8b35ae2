//! The options of a migrator.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use refit_model::{Boot, Environment, PackageSpan, Policies, Version};
use tokio_postgres::Client;

use crate::backfill::engine::{Followers, Functions};
use crate::connect::{ConnectOptions, Target};
use crate::hook::Hooks;
use crate::interrupt::Interrupt;
use crate::state::DEFAULT_SCHEMA;
use crate::step_notices::StepNotices;

/// refinery's table for its history.
pub const HISTORY_TABLE: &str = "refinery_schema_history";

/// The options of a [`Migrator`](crate::Migrator).
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) environment: String,
    /// The release of the program, for the records of runs.
    pub(crate) release: Option<String>,
    /// Values of variables that take precedence over those of `refit.toml`.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) to: Option<Version>,
    pub(crate) include: Vec<Version>,
    pub(crate) packages: PackageSpan,
    pub(crate) policies: Option<Policies>,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) lock_attempts: u32,
    pub(crate) wait_for_lock: Duration,
    pub(crate) history_schema: Option<String>,
    pub(crate) state_schema: Option<String>,
    pub(crate) session_pooler: bool,
    pub(crate) connect: ConnectOptions,
    pub(crate) hooks: Hooks,
    pub(crate) comparison: Comparison,
    /// What a run does with budgets; if it is not set, the profile says so.
    pub(crate) budgets: Option<Budgets>,
    /// Whether a run runs the checks of its migrations; if it is not set, the profile says so.
    pub(crate) checks: Option<bool>,
    /// The profiles of `refit.toml`, by the name of their environment.
    pub(crate) profiles: Arc<BTreeMap<String, Environment>>,
    pub(crate) ignores_profile: bool,
    /// What a boot does; if it is not set, the profile says so.
    pub(crate) boot: Option<Boot>,
    /// Why closed gates of the environment are passed; none if they are not.
    pub(crate) override_reason: Option<String>,
    pub(crate) backfills: Backfills,
    pub(crate) functions: Functions,
    pub(crate) followers: Followers,
    pub(crate) lease: Duration,
    pub(crate) interrupt: Interrupt,
    /// The server of Refit's own connection, for cancel requests.
    pub(crate) target: Option<Target>,
    /// The collector of that connection's notices.
    pub(crate) notices: Option<StepNotices>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            environment: "production".to_owned(),
            release: None,
            variables: BTreeMap::new(),
            to: None,
            include: Vec::new(),
            packages: PackageSpan::default(),
            policies: None,
            lock_timeout: None,
            lock_attempts: 30,
            wait_for_lock: Duration::from_secs(15 * 60),
            history_schema: None,
            state_schema: None,
            session_pooler: false,
            connect: ConnectOptions::default(),
            hooks: default_hooks(),
            comparison: Comparison::default(),
            budgets: None,
            checks: None,
            profiles: Arc::default(),
            ignores_profile: false,
            boot: None,
            override_reason: None,
            backfills: Backfills::default(),
            functions: Functions::default(),
            followers: Followers::default(),
            lease: Duration::from_secs(30),
            interrupt: Interrupt::new(),
            target: None,
            notices: None,
        }
    }
}

/// Metrics, with the feature `metrics`.
#[cfg_attr(not(feature = "metrics"), expect(unused_mut, reason = "there are none"))]
fn default_hooks() -> Hooks {
    let mut hooks = Hooks::default();
    #[cfg(feature = "metrics")]
    hooks.add_for_events(crate::metrics::Metrics);
    hooks
}

impl Options {
    /// The profile of the environment, if it has one.
    pub(crate) fn profile(&self) -> Option<&Environment> {
        self.profiles.get(&self.environment).filter(|_| !self.ignores_profile)
    }

    /// A warning if the environment has no profile, but one with a similar name has.
    pub(crate) fn misspelt_environment(&self) -> Option<String> {
        let environment = &self.environment;
        if self.ignores_profile || self.profiles.contains_key(environment) {
            return None;
        }
        let near = refit_model::nearest(environment, self.profiles.keys().map(String::as_str))?;
        Some(format!("refit.toml has no profile for the environment {environment}; is it `{near}`?"))
    }

    /// The profile, if backfills have to observe its windows and freeze periods.
    pub(crate) fn calendar(&self) -> Option<&Environment> {
        self.profile().filter(|profile| profile.has_calendar() && self.override_reason.is_none())
    }

    /// What a boot does.
    pub(crate) fn boot(&self) -> Boot {
        self.boot.or_else(|| Some(self.profile()?.boot)).unwrap_or_default()
    }

    /// What a run does with budgets.
    pub(crate) fn budgets(&self) -> Budgets {
        let of_profile = || self.profile().filter(|profile| profile.budgets).map(|_| Budgets::Enforce);
        self.budgets.or_else(of_profile).unwrap_or_default()
    }

    /// Whether a run runs the checks of its migrations.
    pub(crate) fn runs_checks(&self) -> bool {
        self.checks.or_else(|| Some(self.profile()?.checks)).unwrap_or(false)
    }

    /// The schema of the history, if one is set.
    pub(crate) fn history_schema(&self) -> Option<&str> {
        self.history_schema.as_deref()
    }

    /// The environment, and the release of the program.
    pub(crate) fn program(&self) -> (&str, Option<&str>) {
        (&self.environment, self.release.as_deref())
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

/// What a run does with budgets; see [`Migrator::budgets`](crate::Migrator::budgets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Budgets {
    /// It does not measure them.
    #[default]
    Off,
    /// It measures them before and after, and warns of what is over its budget.
    Measure,
    /// It measures them before and after, and fails if something is over its budget. The migrations stay applied.
    Enforce,
}

/// Who finishes backfills, and when; see [`Migrator::backfills`](crate::Migrator::backfills).
///
/// ```
/// # fn example(migrator: refit::Migrator) -> refit::Migrator {
/// migrator.backfills(refit::Backfills::Inline)
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backfills {
    /// [`run`](crate::Migrator::run) works on them until they are complete, applies what waited for them, and returns then.
    Inline,
    /// [`run`](crate::Migrator::run) starts a task that works on them and applies what waited for them. The task needs a tokio
    /// runtime that keeps running; it logs failures and tries again.
    #[default]
    Background,
    /// [`run`](crate::Migrator::run) only registers them. Another process works on them, with `cargo xtask backfill run` or
    /// [`run_backfills`](crate::Migrator::run_backfills).
    Hold,
}

/// What to do if the schema differs from the snapshot; see [`Migrator::drift`](crate::Migrator::drift).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drift {
    /// Compare nothing.
    #[default]
    Off,
    /// Log the differences, and add them to [`Report::warnings`](crate::Report::warnings).
    Warn,
    /// End the run with [`Error::Drift`](crate::Error::Drift), so that the service does not start.
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
