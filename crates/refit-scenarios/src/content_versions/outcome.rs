//! What a scenario found: facts, figures, and what the reports of its runs say.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use refit::{RecordedStep, RunReport, StepOutcome, Verdict};
use serde::Serialize;

use super::{BACKFILL, NEWEST, OLD, Play, verify};
use crate::{Fact, Latencies};

/// The outcome.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The version of this format.
    pub format: u32,
    /// The scenario.
    pub scenario: &'static str,
    /// The server.
    pub postgres: String,
    /// Versions that were migrated, without those that the traffic wrote.
    pub rows: u64,
    /// How long the change took, in seconds: from the start of the processes to the end of the last one.
    pub seconds: f64,
    /// The steps of the run forward, in order.
    pub steps: Vec<Step>,
    /// Batches of the backfill.
    pub batches: i64,
    /// Batches that were retried.
    pub retries: i64,
    /// Versions by the rule that gave them their site.
    pub rules: Vec<Rule>,
    /// Versions whose content is gone.
    pub orphans: u64,
    /// Checks that passed, warned and failed.
    pub checks: [usize; 3],
    /// The time of requests before the change, during it, and during the rollback.
    pub traffic: Vec<Figures>,
    /// How much the table grew.
    pub growth: Growth,
    /// What must be true.
    pub facts: Vec<Fact>,
}

impl Outcome {
    /// Whether everything is as it must be.
    pub fn holds(&self) -> bool {
        self.facts.iter().all(|fact| fact.holds)
    }
}

/// A line for each fact, then the figures.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fact in &self.facts {
            writeln!(f, "{fact}")?;
        }
        writeln!(f)?;
        for figures in &self.traffic {
            let Figures { when, requests, p99_ms, max_ms, .. } = figures;
            writeln!(f, "requests {when}: {requests}, 99 % within {p99_ms} ms, the slowest {max_ms} ms")?;
        }
        let Outcome { postgres, rows, seconds, batches, retries, .. } = self;
        writeln!(
            f,
            "PostgreSQL {postgres}: {rows} rows in {seconds:.1} s, {batches} batches, {retries} retries"
        )?;
        let growth = [self.growth.share(), self.growth.share_without_index()].map(|share| share * 100.0);
        writeln!(f, "table and indexes grew by {:.1} %, {:.1} % without the new index", growth[0], growth[1])
    }
}

/// A step of the run.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// The file.
    pub file: String,
    /// How long it took, in seconds: for the backfill, until its last batch.
    pub seconds: f64,
}

/// A rule of the assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rule {
    /// The rule.
    pub rule: String,
    /// How many versions it gave a site.
    pub versions: u64,
}

/// Times of requests.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// When they were sent.
    pub when: &'static str,
    /// How many.
    pub requests: u64,
    /// The median, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// The slowest, in milliseconds.
    pub max_ms: f64,
}

impl Figures {
    pub(super) fn of(when: &'static str, latencies: &Latencies) -> Figures {
        let ms = |time: Duration| (time.as_secs_f64() * 1e5).round() / 100.0;
        Figures {
            when,
            requests: latencies.sent(),
            p50_ms: ms(latencies.percentile(50.0)),
            p99_ms: ms(latencies.percentile(99.0)),
            max_ms: ms(latencies.max()),
        }
    }
}

/// Bytes of the table, before and after.
#[derive(Debug, Clone, Copy, Serialize)]
#[non_exhaustive]
pub struct Growth {
    /// Table and indexes before.
    pub before: i64,
    /// Table and indexes after.
    pub after: i64,
    /// Of these, the index that the change adds.
    pub new_index: i64,
}

impl Growth {
    /// By how much table and indexes grew, as a share of what they were; the new index is part of it.
    pub fn share(&self) -> f64 {
        self.after as f64 / self.before as f64 - 1.0
    }

    /// The same without the new index.
    pub fn share_without_index(&self) -> f64 {
        (self.after - self.new_index) as f64 / self.before as f64 - 1.0
    }
}

/// What the change itself found.
pub(super) struct Change {
    pub(super) duration: Duration,
    pub(super) quiet: Figures,
    pub(super) during: Figures,
}

/// What the reports of the change say, and the size of the table after it.
pub(super) struct Reported {
    reports: Vec<RunReport>,
    rules: Vec<Rule>,
    orphans: u64,
    growth: Growth,
}

/// The reports of the runs that went forward and did something, in order.
async fn reports(play: &Play<'_>) -> anyhow::Result<Vec<RunReport>> {
    let migrator = play.migrator()?;
    let mut found = Vec::new();
    for run in migrator.recorded_runs(&play.client, 100).await? {
        if let Some(report) = migrator.run_report(&play.client, Some(run.id)).await? {
            found.push(report);
        }
    }
    found.reverse();
    Ok(found)
}

impl Play<'_> {
    /// What the reports of the change say, which the rows must confirm.
    pub(super) async fn reported(&mut self, before: &verify::Before) -> anyhow::Result<Reported> {
        let reports = reports(self).await?;
        let index = "SELECT pg_relation_size('content_versions_site_idx')";
        let growth = Growth {
            before: before.total,
            after: verify::size(&self.client).await?,
            new_index: self.client.query_one(index, &[]).await?.get(0),
        };
        let applied: Vec<i64> = reports
            .iter()
            .flat_map(|report| &report.steps)
            .filter(|step| step.outcome == StepOutcome::Succeeded)
            .filter_map(|step| step.version)
            .collect();
        let expected: Vec<i64> = (1..=NEWEST).collect();
        self.facts.push(Fact::equal(
            "the reports have every migration once",
            format!("{applied:?}"),
            format!("{expected:?}"),
        ));
        let checks = reports.iter().flat_map(|report| &report.checks);
        let failed =
            checks.filter(|check| check.verdict == Verdict::Failed && check.name != "one_default_site");
        self.facts.push(Fact::equal("checks that failed", failed.count(), 0));
        let (rules, orphans) = assigned(&reports)?;
        let versions: u64 = rules.iter().map(|rule| rule.versions).sum();
        self.facts.push(Fact::holds(
            "the report has every version by its rule",
            versions >= self.options.rows,
            versions,
            format!("at least {}", self.options.rows),
        ));
        let by_rule = rules.iter().filter(|rule| rule.rule.contains("content is gone"));
        self.facts.push(Fact::equal(
            "the report lists the orphans",
            orphans,
            by_rule.map(|rule| rule.versions).sum(),
        ));
        let measured =
            reports.iter().flat_map(|report| &report.budgets).filter(|budget| budget.after.is_some());
        self.facts.push(Fact::holds(
            "budgets were measured",
            measured.clone().count() >= 2,
            measured.count(),
            "2 or more",
        ));
        if self.has_backups {
            let backups = reports.iter().flat_map(|report| &report.backups).count();
            self.facts.push(Fact::holds("a backup was made before", backups >= 1, backups, "1 or more"));
        }
        Ok(Reported { reports, rules, orphans, growth })
    }
}

/// The versions by rule, and the orphans that are listed, from the checks of the backfill.
fn assigned(reports: &[RunReport]) -> anyhow::Result<(Vec<Rule>, u64)> {
    let checks: Vec<_> = reports.iter().flat_map(|report| &report.checks).collect();
    let of = |name: &str| {
        let found = checks.iter().rev().find(|check| check.name == name);
        found.with_context(|| format!("the reports have no check {name}"))
    };
    let rules = of("rows_by_rule")?.first_rows.iter().filter_map(|row| match row.as_slice() {
        [Some(rule), Some(versions), ..] => {
            Some(Rule { rule: rule.clone(), versions: versions.parse().ok()? })
        }
        _ => None,
    });
    Ok((rules.collect(), of("orphans")?.first_rows.len() as u64))
}

/// Puts the outcome together.
pub(super) async fn read(
    play: &mut Play<'_>,
    change: Change,
    reported: Reported,
    rollbacks: Vec<Figures>,
) -> anyhow::Result<Outcome> {
    let Reported { reports, rules, orphans, growth } = reported;
    let mut backfills = reports.iter().flat_map(|report| &report.backfills);
    let backfill = backfills.next_back().context("the reports have no backfill")?;
    let steps = reports.iter().flat_map(|report| &report.steps);
    let of_the_change = |step: &&RecordedStep| {
        step.outcome == StepOutcome::Succeeded && step.version.is_some_and(|version| version > OLD)
    };
    let steps = steps.filter(of_the_change).map(|step| Step {
        file: step.title(),
        seconds: match step.version {
            Some(BACKFILL) => backfill.seconds,
            _ => step.seconds,
        }
        .unwrap_or_default(),
    });
    let verdicts = |verdict| {
        let checks = reports.iter().flat_map(|report| &report.checks);
        checks.filter(|check| check.verdict == verdict).count()
    };
    Ok(Outcome {
        format: 1,
        scenario: "content-versions",
        postgres: play.client.query_one("SHOW server_version", &[]).await?.get(0),
        rows: play.options.rows,
        seconds: change.duration.as_secs_f64(),
        steps: steps.collect(),
        batches: backfill.batches,
        retries: backfill.retries,
        rules,
        orphans,
        checks: [Verdict::Passed, Verdict::Warned, Verdict::Failed].map(verdicts),
        traffic: [vec![change.quiet, change.during], rollbacks].concat(),
        growth,
        facts: std::mem::take(&mut play.facts),
    })
}
