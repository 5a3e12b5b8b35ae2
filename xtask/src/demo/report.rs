//! The report of a demo for people and as JSON: traffic, replicas and checks.

use std::fmt;

use anstyle::{AnsiColor, Style};
use refit_model::wording::grouped;
use serde_json::json;

use super::load::Loaded;
use super::replica::Life;
use super::steps::Step;
use super::story::Event;
use super::verify::Check;

/// The requests of one phase, or to one replica.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Figures {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) failed: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// The first few errors.
    pub(crate) errors: Vec<String>,
}

/// The result of the demo.
pub(crate) struct Report {
    pub(crate) postgres: String,
    pub(crate) loaded: Loaded,
    /// The migrations of the new release.
    pub(crate) steps: Vec<Step>,
    /// The traffic of the old release before, during and after the migration.
    pub(crate) traffic: [Figures; 3],
    /// Calls to each replica, in the order of `replicas`.
    pub(crate) calls: Vec<Figures>,
    pub(crate) replicas: Vec<Life>,
    pub(crate) checks: Vec<Check>,
    pub(crate) timeline: Vec<Event>,
}

impl Report {
    /// Whether every check passed.
    pub(crate) fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    /// The report for programs.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let [before, during, after] = &self.traffic;
        let replicas: Vec<_> = self
            .replicas
            .iter()
            .zip(&self.calls)
            .map(|(life, calls)| json!({ "life": life, "calls": calls }))
            .collect();
        json!({
            "format": 1,
            "passed": self.passed(),
            "postgres": self.postgres,
            "loaded": self.loaded,
            "steps": self.steps,
            "traffic": { "before": before, "during": during, "after": after },
            "replicas": replicas,
            "checks": self.checks,
            "timeline": self.timeline,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        writeln!(f, "\n{bold}Migrations of the new release{bold:#}")?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        writeln!(f, "\n{bold}Traffic{bold:#}")?;
        let titles = ["reads", "writes", "failed", "p50 ms", "p99 ms", "max ms"];
        let [reads, writes, failed, p50, p99, max] = titles;
        writeln!(f, "  {:<28}{reads:>9}{writes:>9}{failed:>9}{p50:>10}{p99:>10}{max:>10}", "")?;
        let phases = ["old release, before", "old release, while migrating", "old release, after"];
        for (name, figures) in phases.iter().zip(&self.traffic) {
            line(f, name, figures)?;
        }
        for (life, figures) in self.replicas.iter().zip(&self.calls) {
            line(f, &format!("calls to {}", life.name), figures)?;
        }
        writeln!(f, "\n{bold}Checks{bold:#}")?;
        for check in &self.checks {
            let (mark, color) =
                if check.passed { ("ok  ", AnsiColor::Green) } else { ("FAIL", AnsiColor::Red) };
            let style = Style::new().fg_color(Some(color.into()));
            writeln!(f, "  {style}{mark}{style:#}  {}: {}", check.name, check.detail)?;
        }
        let seconds = self.timeline.last().map_or(0.0, |event| event.at_seconds);
        let verdict = if self.passed() { "PASSED" } else { "FAILED" };
        writeln!(f, "\n{bold}{verdict}{bold:#} in {seconds:.0} s on PostgreSQL {}", self.postgres)
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, figures: &Figures) -> fmt::Result {
    let Figures { reads, writes, failed, p50_ms, p99_ms, max_ms, .. } = figures;
    let (reads, writes, failed) = (grouped(*reads), grouped(*writes), grouped(*failed));
    writeln!(f, "  {name:<28}{reads:>9}{writes:>9}{failed:>9}{p50_ms:>10.2}{p99_ms:>10.2}{max_ms:>10.2}")
}
