//! A plan: the steps that would run, those that are held back, and why it may not run. The planner creates it.

mod gate;
mod undo;

pub use gate::Gate;
pub use undo::UndoBackfill;

use std::fmt;

use refit_model::{Checkpoint, Migration, MigrationSet, Repeatable, Version};
use serde::Serialize;

use crate::environment_gate::EnvironmentGate;
use crate::error::Refusal;
use crate::line::{Line, write_lines};

/// What would run, what is held back, and why. `Display` writes it as `cargo xtask plan` does; it serialises to JSON.
///
/// ```no_run
/// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
/// let plan = migrator.plan(client).await?;
/// for step in &plan.held {
///     println!("{} is held back: {}", step.stem, step.gate);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The environment that the plan is for.
    pub environment: String,
    /// The newest applied version.
    pub current: Option<Version>,
    /// The newest version of the set.
    pub newest: Option<Version>,
    /// How many migrations of the set are applied.
    pub applied: usize,
    /// What would run, in order.
    pub pending: Vec<PlannedStep>,
    /// What is held back, and by which gate.
    pub held: Vec<HeldStep>,
    /// Applied versions that are newer than the set.
    pub ahead: Vec<Version>,
    /// Applied backfills whose jobs are not recorded, and which may run again: a run registers them again.
    pub reregister: Vec<Version>,
    /// Backfills whose rollback is in progress or was interrupted: nothing is applied until it is finished.
    pub restoring: Vec<Version>,
    /// Whether a run has to upgrade the state of an older release of Refit.
    pub outdated: bool,
    /// Gates of the environment that are closed, so that a run with anything pending is refused. [`Migrator::plan`](crate::Migrator::plan)
    /// looks at them only if something is pending.
    pub gates: Vec<EnvironmentGate>,
    /// Why the plan may not run; empty when it may.
    pub refusals: Vec<Refusal>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// What kind of migration a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepKind {
    /// Runs once.
    Versioned,
    /// Runs whenever its text changes.
    Repeatable,
    /// Undoes a versioned one.
    Undo,
    /// Begins a new database in place of the first versioned ones.
    Checkpoint,
}

/// One step that would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedStep {
    /// Versioned or repeatable, or the checkpoint with which a new database begins.
    pub kind: StepKind,
    /// The version of a versioned migration.
    pub version: Option<Version>,
    /// The file name without `.sql`.
    pub stem: String,
    /// The file, relative to the folder.
    pub path: String,
    /// Whether it runs in one transaction with its history row.
    pub transaction: bool,
    /// Whether it registers a backfill, which changes its rows afterwards.
    pub backfill: bool,
}

/// One step that is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HeldStep {
    /// The version; none for a repeatable migration.
    pub version: Option<Version>,
    /// The file name without `.sql`.
    pub stem: String,
    /// The gate that holds it.
    pub gate: Gate,
}

impl Plan {
    /// Whether nothing would run and nothing is refused: the answer to a readiness probe. Migrations that are held back do not
    /// count.
    ///
    /// ```
    /// # fn example(plan: &refit::Plan) -> u16 {
    /// if plan.is_up_to_date() { 200 } else { 503 }
    /// # }
    /// ```
    pub fn is_up_to_date(&self) -> bool {
        self.pending.is_empty() && self.refusals.is_empty() && self.restoring.is_empty()
    }

    /// What keeps a service from starting that may not apply it: pending migrations, and those whose rollback is not finished.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = String> {
        let restoring = self.restoring.iter().map(|version| format!("the rollback of version {version}"));
        self.pending.iter().map(|step| step.stem.clone()).chain(restoring)
    }

    /// The checkpoint with which a new database begins.
    pub(crate) fn begins_with<'s>(&self, set: &'s MigrationSet) -> Option<&'s Checkpoint> {
        let begins = self.pending.first().is_some_and(|step| step.kind == StepKind::Checkpoint);
        set.checkpoint().filter(|_| begins)
    }

    /// Whether a run has anything to do: migrations to apply, or records to update.
    pub(crate) fn needs_run(&self) -> bool {
        !self.pending.is_empty() || !self.reregister.is_empty() || self.outdated
    }
}

impl PlannedStep {
    pub(crate) fn versioned(migration: &Migration) -> PlannedStep {
        PlannedStep {
            kind: StepKind::Versioned,
            version: Some(migration.version),
            stem: migration.stem.clone(),
            path: migration.path.clone(),
            transaction: migration.directives.transaction,
            backfill: migration.directives.backfill.is_some(),
        }
    }

    pub(crate) fn checkpoint(checkpoint: &Checkpoint) -> PlannedStep {
        PlannedStep {
            kind: StepKind::Checkpoint,
            version: None,
            stem: checkpoint.stem.clone(),
            path: checkpoint.path.clone(),
            transaction: true,
            backfill: false,
        }
    }

    pub(crate) fn repeatable(repeatable: &Repeatable) -> PlannedStep {
        PlannedStep {
            kind: StepKind::Repeatable,
            version: None,
            stem: repeatable.stem.clone(),
            path: repeatable.path.clone(),
            transaction: repeatable.directives.transaction,
            backfill: false,
        }
    }
}

impl Plan {
    /// The version of the database, the newest version of the set, and the environment, in one line.
    ///
    /// ```
    /// # fn example(plan: &refit::Plan) {
    /// println!("{}", plan.heading());
    /// # }
    /// ```
    pub fn heading(&self) -> String {
        let version =
            |version: Option<Version>| version.map_or("none".to_owned(), |version| version.to_string());
        format!(
            "database at version {}, migrations up to {}, environment {}",
            version(self.current),
            version(self.newest),
            self.environment
        )
    }

    /// The plan line by line: warnings, refusals, what would run, and what is held back.
    ///
    /// ```
    /// # fn example(plan: &refit::Plan) {
    /// for line in plan.lines() {
    ///     println!("{:8} {}", line.label, line.text);
    /// }
    /// # }
    /// ```
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        lines.extend(self.warnings.iter().map(|warning| Line::work("warning", warning)));
        lines.extend(self.refusals.iter().map(|refusal| Line::problem("refused", refusal.to_string())));
        lines.extend(self.gates.iter().map(|gate| Line::problem("gated", gate.to_string())));
        lines.extend(self.pending.iter().map(|step| {
            let how = match (step.backfill, step.transaction) {
                _ if step.kind == StepKind::Checkpoint => "  (in place of the migrations up to its version)",
                (true, _) => "  (a backfill)",
                (false, false) => "  (outside a transaction)",
                (false, true) => "",
            };
            Line::work("pending", format!("{}{how}", step.stem))
        }));
        lines.extend(self.reregister.iter().map(|version| {
            let text =
                format!("the backfill of version {version}, whose job is not recorded, is registered again");
            Line::work("again", text)
        }));
        lines.extend(
            self.held.iter().map(|step| Line::work("held", format!("{}  ({})", step.stem, step.gate))),
        );
        lines
    }

    /// How much would run, in words: `up to date`, or `3 to run`.
    ///
    /// ```
    /// # fn example(plan: &refit::Plan) {
    /// println!("{}", plan.summary());
    /// # }
    /// ```
    pub fn summary(&self) -> String {
        match self.is_up_to_date() {
            true => "up to date".to_owned(),
            false => format!("{} to run", self.pending.len()),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(f, &self.heading(), &self.lines(), &self.summary())
    }
}
