//! `bench scenario`: the whole change of a scenario at production size, under traffic.

use std::process::ExitCode;
use std::time::Duration;

use refit_scenarios::content_versions::{self, Options, Outcome};
use refit_scenarios::{PrivateServer, Scenario, Worker};
use serde::Serialize;

use super::output;
use super::release::Build;
use super::table::{Judged, Verdict};

/// Measure the whole change of a scenario under traffic: its duration, the requests meanwhile, and the growth of the table.
///
/// Two processes expand, migrate and contract under 200 requests a second of the old and the new release; one of them is killed. Then
/// the journal and the backup take the rows back, and they go forward again. The window does not close. Exit status 1 if a target is missed.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench scenario content-versions\n  cargo xtask bench scenario content-versions --no-rollbacks"
)]
pub(crate) struct Args {
    /// The scenario.
    #[arg(value_enum)]
    name: Scenario,
    /// Rows to generate.
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(2_000..=100_000_000))]
    rows: u64,
    /// Only the change: leave out the rollbacks, which take several times as long.
    #[arg(long, conflicts_with = "runbook")]
    no_rollbacks: bool,
    /// Write the runbook, with the figures of this run, to a file.
    #[arg(long, value_name = "FILE")]
    runbook: Option<std::path::PathBuf>,
    #[command(flatten)]
    build: Build,
}

#[derive(Serialize)]
struct Findings {
    targets: Vec<Judged>,
    outcome: Outcome,
}

/// Measures and prints.
///
/// # Errors
/// If the scenario could not be played.
pub(crate) async fn run(args: &Args, human: bool) -> anyhow::Result<ExitCode> {
    args.build.become_release()?;
    let Scenario::ContentVersions = args.name;
    let server = PrivateServer::start().await?;
    let worker = vec![std::env::current_exe()?.into(), "scenario-worker".into()];
    let mut options = Options::new(server.url(), worker, args.rows);
    options.quiet = Duration::from_secs(20);
    options.closing_window = false;
    options.rollbacks = !args.no_rollbacks;
    let outcome = Box::pin(content_versions::play(&options, &|what| output::say(human, what))).await;
    server.stop().await?;
    let outcome = outcome?;
    if let Some(path) = &args.runbook {
        std::fs::write(path, content_versions::runbook(&outcome))?;
    }
    let findings = Findings { targets: judge(&outcome), outcome };
    let missed = findings.targets.iter().any(|judged| judged.verdict.is_missed());
    output::finish(human, || text(&findings), &findings, missed)
}

/// Runs a process of the scenario.
///
/// # Errors
/// When its run fails.
pub(crate) async fn work(worker: Worker) -> anyhow::Result<ExitCode> {
    worker.run().await?;
    Ok(ExitCode::SUCCESS)
}

fn judge(outcome: &Outcome) -> Vec<Judged> {
    let wrong = outcome.facts.iter().filter(|fact| !fact.holds).count();
    let [quiet, during] = [0, 1].map(|at| outcome.traffic[at].p99_ms);
    let growth = outcome.growth.share();
    let (seconds, facts) = (outcome.seconds, outcome.facts.len());
    let without = outcome.growth.share_without_index() * 100.0;
    vec![
        Judged {
            what: "the whole change",
            target: "< 5 min",
            verdict: Verdict::of(seconds < 300.0, format!("{seconds:.1} s")),
        },
        Judged {
            what: "99 % of requests during the change",
            target: "≤ 3 × quiet",
            verdict: Verdict::of(
                during <= 3.0 * quiet,
                format!("{during} ms, quiet {quiet} ms: {:.2} ×", during / quiet),
            ),
        },
        Judged {
            what: "growth of table and indexes",
            target: "≤ 25 %",
            verdict: Verdict::of(
                growth <= 0.25,
                format!("{:.1} %; {without:.1} % without the new index", growth * 100.0),
            ),
        },
        Judged {
            what: "rows, requests and reports are as they must be",
            target: "all",
            verdict: Verdict::of(wrong == 0, format!("{} of {facts}", facts - wrong)),
        },
    ]
}

fn text(findings: &Findings) -> String {
    let mut text = findings.outcome.to_string();
    text.push('\n');
    for judged in &findings.targets {
        text.push_str(&format!("{:<48} {:<12} {}\n", judged.what, judged.target, judged.verdict.text()));
    }
    text
}
