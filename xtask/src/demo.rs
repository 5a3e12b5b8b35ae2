//! `cargo xtask demo`: a complete migration under traffic. A CMS with the old schema and 200,000 versions is in use when two
//! replicas of the new release boot at the same time, migrate it and serve.
//!
//! Everything is real: the PostgreSQL server, the replicas, which are processes of the service, and the statements of the
//! old release. The verdict comes from queries on the database afterwards. The demo fails if a request fails, a
//! migration is not in the history exactly once, a check finds a row, or a row is missing.

mod backfill;
mod build;
mod generate;
mod http;
mod load;
mod replica;
mod report;
mod steps;
mod story;
mod text;
mod traffic;
mod verify;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use refit_model::MigrationSet;
use refit_scenarios::PrivateServer;

use self::generate::Spec;
use self::replica::Replica;
use self::report::Report;
use self::story::Story;
use self::traffic::{Phase, Traffic};

/// The version of the old release.
const OLD_RELEASE: i64 = 6;

const EXAMPLES: &str = "\
Exit status: 0 all checks passed; 1 a check failed; 2 the demo could not run.

Examples:
  cargo xtask demo
  cargo xtask demo --versions 1000000 --seconds 10
  cargo xtask demo --format json | jq .checks";

/// Show a service that migrates itself under traffic.
///
/// Starts a private PostgreSQL with the old schema and generated content, sends it traffic, boots two replicas of the
/// new release at the same time, and checks the database afterwards. Everything is removed at the end.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Rows of content_versions to generate.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub versions: u64,
    /// Seed of the generated content: equal seeds give equal content.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Seconds of traffic before the replicas boot, and again after they are ready.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
}

/// Runs the demo and prints its report: for people a live timeline and figures at the end, otherwise JSON.
///
/// # Errors
/// When the demo could not run. Failed checks are not an error but exit status 1.
pub(crate) async fn run(args: &Args, human: bool) -> anyhow::Result<ExitCode> {
    let mut story = Story::new(human);
    // Dropping the future kills the replicas and stops the server.
    let report = tokio::select! {
        report = play(args, &mut story) => report?,
        outcome = refit_xtask::interrupted() => {
            outcome?;
            anyhow::bail!("interrupted");
        }
    };
    story.end(&report)?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn play(args: &Args, story: &mut Story) -> anyhow::Result<Report> {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the xtask is not in a workspace")?;
    let set = MigrationSet::from_dir(&workspace.join("migrations"))?;

    let spinner = story.spinner("building content-service");
    let binary = build::content_service(workspace).await?;
    spinner.finish_and_clear();
    story.start_clock();

    let server = PrivateServer::start().await?;
    let postgres = server.version().to_owned();
    story.say(format!("a private PostgreSQL {postgres} is running"));

    let report = on_server(args, story, &set, &binary, &server.url(), postgres).await;
    server.stop().await?;
    report
}

async fn on_server(
    args: &Args,
    story: &mut Story,
    set: &MigrationSet,
    binary: &Path,
    url: &str,
    postgres: String,
) -> anyhow::Result<Report> {
    let old = refit::Migrator::new(set.clone()).to(OLD_RELEASE).backfills(refit::Backfills::Inline);
    let old = old.run(url).await?;
    story.say(format!("old release: {} migrations applied, up to V{OLD_RELEASE:04}", old.steps.len()));

    let loaded = load::load(url, Spec::new(args.versions, args.seed), story).await?;
    story.say(loaded.to_string());
    story.say(loaded.oddities());

    let traffic = Traffic::start(url).await?;
    let pause = Duration::from_secs(args.seconds);
    story.say("traffic of the old release starts: reads, and saved versions".to_owned());
    story.wait("traffic before", pause).await;

    traffic.enter(Phase::During);
    let mut replicas = [Replica::spawn("replica 1", binary, url)?, Replica::spawn("replica 2", binary, url)?];
    story.say("two replicas of the new release boot at the same time".to_owned());
    let ready = replica::all_ready(&mut replicas, story).await;
    traffic.enter(Phase::After);
    let calls = match ready {
        Ok(()) => traffic::call_replicas(url, &replicas, pause, story).await,
        Err(error) => Err(error),
    };
    let client = refit::connect(url, &refit::ConnectOptions::default()).await?;
    let calls = match calls {
        Ok(calls) => backfill::watch(&client, set, story).await.map(|_| calls),
        Err(error) => Err(error),
    };
    let figures = traffic.stop().await;
    let calls = calls.map_err(|error| replica::with_logs(error, &replicas))?;
    story.say("traffic ends".to_owned());

    let [one, two] = replicas;
    let exits = vec![one.stop().await?, two.stop().await?];
    story.say("both replicas received SIGTERM, finished open requests and exited".to_owned());

    let facts = verify::Facts { set, loaded: &loaded, traffic: &figures, calls: &calls, exits: &exits };
    let checks = verify::verify(&client, facts).await?;
    let steps = steps::since(&client, OLD_RELEASE).await?;
    client.close().await;
    let timeline = story.timeline();
    Ok(Report { postgres, loaded, steps, traffic: figures, calls, replicas: exits, checks, timeline })
}
