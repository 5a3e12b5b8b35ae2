//! `bench checks`: reading ten thousand checks, and planning a run with them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use refit_devdb::{Server, ServerOptions};
use refit_model::{MigrationSet, SourceFile};
use serde::Serialize;

use super::carried::Open;
use super::output;
use super::release::{Build, Pace};
use super::sample;
use super::table::{Cell, Verdict};
use super::timing::{Times, by_turns};

/// Measure reading ten thousand checks and planning a run with them.
///
/// A thousand migrations have ten checks each. What is measured is parsing the folder's files, which are in memory, and the plan for an
/// empty database, with the checks and without. Exit status 1 if the target is missed. A debug build runs a release build of itself.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask bench checks\n  cargo xtask bench checks --quick")]
pub(crate) struct Args {
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    build: Build,
}

/// The migrations, and the checks of each.
const MIGRATIONS: i64 = 1_000;
const CHECKS: usize = 10;

/// How long reading and planning may take.
const AT_MOST: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct Findings {
    format: u32,
    checks: usize,
    with_checks: Cell,
    without: Cell,
    target: &'static str,
    verdict: Verdict,
}

/// Measures and prints.
///
/// # Errors
/// If something could not be measured.
pub(crate) async fn run(args: &Args, human: bool) -> anyhow::Result<ExitCode> {
    args.build.become_release()?;
    let server = tokio::task::spawn_blocking(|| Server::start(ServerOptions::from_env())).await??;
    let open = Open::new(&server.url("postgres")).await?;
    let (with_checks, without) = (files(true), files(false));
    let mut times = Times::new(2);
    let mut checks = 0;
    for contender in by_turns(args.pace.turns(40, 8), 2) {
        let files = [&with_checks, &without][contender];
        let sources =
            files.iter().map(|(path, text)| SourceFile::new(path.as_str(), text.as_bytes().to_vec()));
        let sources: Vec<SourceFile> = sources.collect();
        let began = Instant::now();
        let set = MigrationSet::from_files("(generated)", sources)?;
        checks = checks.max(set.checks().count());
        let plan = refit::Migrator::new(set).checks(true).plan(&open.client).await?;
        times.add(contender, began.elapsed());
        anyhow::ensure!(plan.pending.len() == usize::try_from(MIGRATIONS)?, "the plan is incomplete");
    }
    open.close().await;
    let took = times.median(0);
    let findings = Findings {
        format: 1,
        checks,
        with_checks: Cell::time(took),
        without: Cell::time(times.median(1)),
        target: "< 100 ms",
        verdict: Verdict::of(took < AT_MOST, format!("{:.2} × the time without checks", times.ratio(0, 1))),
    };
    let missed = findings.verdict.is_missed();
    output::finish(human, || text(&findings), &findings, missed)
}

/// The files of a folder: paths and texts.
fn files(has_checks: bool) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for text in sample::history(MIGRATIONS) {
        let stem = text.stem();
        if has_checks {
            let checks = (1..=CHECKS).map(|number| {
                format!(
                    "-- check: {}_{number} {{ severity = \"warn\", max_rows = {number} }}\n\
                     SELECT id, state, amount FROM {} WHERE amount < 0 OR state NOT IN ('open', 'done', 'failed');\n\n",
                    text.name, text.name
                )
            });
            files.push((format!("{stem}.check.sql"), checks.collect()));
        }
        files.push((format!("{stem}.sql"), text.sql));
    }
    files
}

fn text(findings: &Findings) -> String {
    let Findings { checks, with_checks, without, target, verdict, .. } = findings;
    format!(
        "{checks} checks of {MIGRATIONS} migrations, read and planned: {}; without checks {}; target {target}: {}\n",
        with_checks.text,
        without.text,
        verdict.text()
    )
}
