//! `cargo xtask scenario`: plays a scenario of refit-scenarios on a private server.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use refit_scenarios::content_versions::{self, Options};
use refit_scenarios::{PrivateServer, Scenario, Worker};

const EXAMPLES: &str = "\
Exit status: 0 everything is as it must be; 1 something is not; 2 the scenario could not run.

Examples:
  cargo xtask scenario content-versions
  cargo xtask scenario content-versions --rows 1000000
  cargo xtask scenario content-versions --format json | jq .facts";

/// Migrate the data of a whole system, with traffic, kills, a backup and rollbacks.
///
/// Starts a private PostgreSQL, generates rows in the shape of the old release, migrates them with two processes while both releases
/// send requests, and compares the rows with what they must be: after the change, after a rollback by the journal, and after one by
/// the backup. Everything is removed at the end.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The scenario
    #[arg(value_enum)]
    name: Scenario,
    /// Rows to generate
    #[arg(long, value_name = "N", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(2_000..=100_000_000))]
    rows: u64,
    /// Write the runbook, with the figures of this run, to a file
    #[arg(long, value_name = "FILE")]
    runbook: Option<std::path::PathBuf>,
}

/// Plays a scenario and prints its outcome.
///
/// # Errors
/// When it could not be played. A fact that does not hold is not an error but exit status 1.
pub(crate) async fn run(args: &Args, human: bool) -> anyhow::Result<ExitCode> {
    let Scenario::ContentVersions = args.name;
    let server = PrivateServer::start().await?;
    let worker = vec![std::env::current_exe()?.into(), "scenario-worker".into()];
    let options = Options::new(server.url(), worker, args.rows);
    let begin = Instant::now();
    let say = |what: &str| {
        if human {
            // Ignore a closed pipe: the scenario continues to its end.
            let _ = writeln!(anstream::stdout(), "{:>7.2} s  {what}", begin.elapsed().as_secs_f64());
        }
    };
    let outcome = tokio::select! {
        outcome = content_versions::play(&options, &say) => outcome,
        signal = refit_xtask::interrupted() => {
            signal?;
            Err(anyhow::anyhow!("interrupted"))
        }
    };
    server.stop().await?;
    let outcome = outcome?;
    if let Some(path) = &args.runbook {
        std::fs::write(path, content_versions::runbook(&outcome))?;
    }
    let mut out = anstream::stdout().lock();
    match human {
        true => write!(out, "\n{outcome}")?,
        false => writeln!(out, "{}", serde_json::to_string_pretty(&outcome)?)?,
    }
    Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Runs a process of a scenario.
///
/// # Errors
/// When its run fails.
pub(crate) async fn work(worker: Worker) -> anyhow::Result<ExitCode> {
    let report = worker.run().await?;
    writeln!(anstream::stdout(), "{report}")?;
    Ok(ExitCode::SUCCESS)
}
