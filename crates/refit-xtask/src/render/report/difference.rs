//! Two runs side by side: which steps they ran, and how long these took.

use refit::{RecordedStep, RunReport, RunSummary, StepKind, StepOutcome};
use refit_model::Version;
use serde::Serialize;

use super::{outcome, title, to_seconds, took};
use crate::render::sheet::{Cell, Section, Sheet};

/// Two runs compared; also the JSON document.
#[derive(Debug, Serialize)]
pub(crate) struct Difference<'a> {
    format: u32,
    before: &'a RunSummary,
    after: &'a RunSummary,
    steps: Vec<StepDifference<'a>>,
}

/// A step of one of the runs, or of both. The last attempt counts.
#[derive(Debug, Serialize)]
struct StepDifference<'a> {
    kind: StepKind,
    version: Option<Version>,
    name: &'a str,
    before: Option<Figures>,
    after: Option<Figures>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Figures {
    outcome: StepOutcome,
    seconds: Option<f64>,
    attempts: i64,
    lock_waits: usize,
    notices: usize,
}

impl Figures {
    fn of(step: &RecordedStep) -> Figures {
        Figures {
            outcome: step.outcome,
            seconds: step.seconds,
            attempts: step.attempts,
            lock_waits: step.lock_waits.len(),
            notices: step.notices.len(),
        }
    }
}

/// Compares two runs.
pub(crate) fn difference<'a>(before: &'a RunReport, after: &'a RunReport) -> Difference<'a> {
    let mut steps: Vec<StepDifference<'a>> = Vec::new();
    for (report, is_after) in [(before, false), (after, true)] {
        for step in &report.steps {
            let (kind, version, name) = (step.kind, step.version, step.name.as_str());
            let same =
                |found: &StepDifference<'_>| (found.kind, found.version, found.name) == (kind, version, name);
            let at = steps.iter().position(same).unwrap_or_else(|| {
                steps.push(StepDifference { kind, version, name, before: None, after: None });
                steps.len() - 1
            });
            let figures = Some(Figures::of(step));
            match is_after {
                true => steps[at].after = figures,
                false => steps[at].before = figures,
            }
        }
    }
    Difference { format: RunReport::FORMAT, before: &before.run, after: &after.run, steps }
}

impl Difference<'_> {
    pub(crate) fn sheet(&self, database: &str) -> Sheet {
        let mut facts = vec![("Database", database.to_owned())];
        for (name, run) in [("Before", self.before), ("After", self.after)] {
            let release =
                run.release.as_ref().map_or(String::new(), |release| format!(", release {release}"));
            facts.push((
                name,
                format!("{}, at {}, {}{release}", title(run), to_seconds(&run.started_at), run.environment),
            ));
        }
        facts.push(("Took", format!("{}, then {}", took(self.before.seconds), took(self.after.seconds))));
        let row = |step: &StepDifference<'_>| {
            let name = match step.version {
                Some(version) => format!("V{version}__{}", step.name),
                None => format!("R__{}", step.name),
            };
            let seconds = |figures: Option<Figures>| took(figures.and_then(|figures| figures.seconds));
            let word = |figures: Option<Figures>| match figures {
                Some(figures) => outcome(figures.outcome.as_str()),
                None => Cell::from("not run"),
            };
            let (before, after) = (step.before, step.after);
            let change = change(before.and_then(|f| f.seconds), after.and_then(|f| f.seconds));
            vec![
                name.into(),
                word(before),
                seconds(before).into(),
                word(after),
                seconds(after).into(),
                change.into(),
            ]
        };
        let rows = self.steps.iter().map(row).collect();
        let columns = ["Step", "Before", "Took", "After", "Took then", "Change"];
        Sheet {
            title: format!("Run {} and run {}", self.before.id, self.after.id),
            facts,
            sections: Section::table("Steps", &columns, rows).into_iter().collect(),
            contents: false,
        }
    }
}

/// How many times as long, if both are known.
fn change(before: Option<f64>, after: Option<f64>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before > 0.0 => format!("{:.1} times", after / before),
        _ => "–".to_owned(),
    }
}
