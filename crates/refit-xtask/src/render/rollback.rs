//! Rendering of the result of a rollback.

use refit::{Override, RollbackReport, StepReport};
use refit_model::Version;
use serde::Serialize;

use super::backfill::blocks;
use crate::backfills::{Failure, ObservedJob};
use crate::output::{BAD, GOOD, WARN};
use crate::styled::{Text, text};

/// The result of `rollback`, as a JSON document.
#[derive(Serialize)]
pub(crate) struct RollbackResult {
    pub(crate) run: Option<i64>,
    pub(crate) environment: String,
    pub(crate) to: Version,
    /// The newest applied version; null if the rollback did not finish.
    pub(crate) version: Option<Version>,
    pub(crate) steps: Vec<StepReport>,
    pub(crate) backfills: Vec<ObservedJob>,
    pub(crate) repeatables: Vec<String>,
    /// The gates of the environment that it was allowed to pass, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) overridden: Option<Override>,
    pub(crate) failure: Option<Failure>,
    pub(crate) interrupted: bool,
    pub(crate) seconds: f64,
}

impl RollbackResult {
    /// Takes over the report of a rollback that finished.
    pub(crate) fn take(&mut self, report: RollbackReport) {
        let worked_on =
            |seen: &ObservedJob| report.backfills.iter().any(|status| status.id == seen.status.id);
        self.backfills.retain(worked_on);
        self.run = report.run;
        self.version = report.version;
        self.steps = report.steps;
        self.repeatables = report.repeatables;
        self.overridden = report.overridden;
    }

    /// The summary for people; the steps have already been shown.
    pub(crate) fn text(&self, address: &str) -> Text {
        let mut lines = Vec::new();
        if !self.backfills.is_empty() {
            lines.push(blocks(&self.backfills));
        }
        let has_error = |job: &ObservedJob| job.status.error.is_some();
        if let Some(Failure { name, reason, .. }) =
            self.failure.as_ref().filter(|_| !self.backfills.iter().any(has_error))
        {
            lines.push(text![BAD.of("stopped"), format!("  {name}: {reason}")]);
        }
        for stem in &self.repeatables {
            lines.push(text![WARN.of("again"), format!("  {stem} runs again with the next `migrate`")]);
        }
        lines.extend(self.overridden.iter().map(|overridden| format!("gates passed: {overridden}").into()));
        let undone = match self.steps.len() {
            0 => "no migration was undone".to_owned(),
            1 => "undid 1 migration".to_owned(),
            count => format!("undid {count} migrations"),
        };
        lines.push(match (&self.failure, self.interrupted) {
            (None, false) if self.steps.is_empty() => {
                let at = format!("; the database is at {} ({address})", self.at());
                text![GOOD.of("nothing to undo"), at]
            }
            (None, false) => {
                format!("{undone} in {:.1} s; the database is at {} ({address})", self.seconds, self.at())
                    .into()
            }
            _ => format!(
                "{undone} ({address}); uncommitted batches are rolled back; resume with `cargo xtask rollback \
                 --to {}`",
                self.to
            )
            .into(),
        });
        Text::lines(lines)
    }

    fn at(&self) -> String {
        self.version.map_or("no version".to_owned(), |version| format!("version {version}"))
    }
}
