//! `bench draft`: the statements that lead from one schema to another, of three hundred objects.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_devdb::{Server, ServerOptions};
use serde::Serialize;

use super::carried::Open;
use super::output;
use super::release::{Build, Pace};
use super::table::{Cell, Verdict};
use super::timing::{Times, by_turns};

/// Measure drafting the statements for three hundred changed objects.
///
/// What is measured begins when both schemas are read: comparing them, and running the statements on a private server in an order in
/// which each succeeds. The schema must be the target's afterwards. Exit status 1 if the target is missed. A debug build runs a release
/// build of itself.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask bench draft\n  cargo xtask bench draft --quick")]
pub(crate) struct Args {
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    build: Build,
}

/// How long a draft may take.
const AT_MOST: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Findings {
    format: u32,
    objects: usize,
    statements: usize,
    draft: Cell,
    target: &'static str,
    verdict: Verdict,
}

/// Measures and prints.
///
/// # Errors
/// If something could not be measured, or a draft does not lead to its target.
pub(crate) async fn run(args: &Args, human: bool) -> anyhow::Result<ExitCode> {
    args.build.become_release()?;
    let server = tokio::task::spawn_blocking(|| Server::start(ServerOptions::from_env())).await??;
    let admin = Open::new(&server.url("postgres")).await?;
    admin.client.batch_execute("CREATE DATABASE base").await?;
    admin.client.batch_execute("CREATE DATABASE target").await?;
    let before = schema(&server.url("base"), &base()).await?;
    let after = schema(&server.url("target"), &format!("{}{}", base(), changes())).await?;
    let delta = Delta::between(&before, &after);
    let major = server.binaries().major();
    let mut times = Times::new(1);
    let mut statements = 0;
    for turn in by_turns(args.pace.turns(15, 3), 1) {
        admin.client.batch_execute("CREATE DATABASE draft TEMPLATE base").await?;
        let open = Open::new(&server.url("draft")).await?;
        let began = Instant::now();
        let drafted = refit_drafts::statements(&before, &after, major);
        let tried = refit_drafts::try_out(&open.client, drafted).await?;
        times.add(turn, began.elapsed());
        anyhow::ensure!(tried.failed.is_empty(), "the server refused {:?}", tried.failed.first());
        statements = tried.statements.len();
        let left = Delta::between(&Catalog::read(&open.client, &ReadOptions::default()).await?, &after);
        anyhow::ensure!(left.is_empty(), "the draft leaves {}", left.text());
        open.close().await;
        admin.client.batch_execute("DROP DATABASE draft WITH (FORCE)").await?;
    }
    admin.close().await;
    let took = times.median(0);
    let findings = Findings {
        format: 1,
        objects: delta.changes.len(),
        statements,
        draft: Cell::time(took),
        target: "≤ 2 s",
        verdict: Verdict::of(took <= AT_MOST, refit_drafts::summary(&delta)),
    };
    let missed = findings.verdict.is_missed();
    output::finish(human, || text(&findings), &findings, missed)
}

async fn schema(url: &str, sql: &str) -> anyhow::Result<Catalog> {
    let open = Open::new(url).await?;
    open.client.batch_execute(sql).await?;
    let catalog = Catalog::read(&open.client, &ReadOptions::default()).await?;
    open.close().await;
    Ok(catalog)
}

/// A hundred tables, each with a view.
fn base() -> String {
    let mut sql = String::new();
    for number in 0..100 {
        write!(
            sql,
            "CREATE TABLE item_{number} (id bigint PRIMARY KEY, name text NOT NULL, note text);\n\
             CREATE VIEW names_{number} AS SELECT id, name FROM item_{number};\n"
        )
        .unwrap_or_default();
    }
    sql
}

/// For each table a column, a foreign key to a new table, and that table.
fn changes() -> String {
    let mut sql = String::new();
    for number in 0..100 {
        write!(
            sql,
            "CREATE TABLE kind_{number} (id bigint PRIMARY KEY, label varchar(40) NOT NULL CHECK (label <> ''));\n\
             ALTER TABLE item_{number} ADD COLUMN kind bigint, \
               ADD CONSTRAINT kind_fkey FOREIGN KEY (kind) REFERENCES kind_{number};\n"
        )
        .unwrap_or_default();
    }
    sql
}

fn text(findings: &Findings) -> String {
    let Findings { objects, statements, draft, target, verdict, .. } = findings;
    format!(
        "{objects} changed objects, {statements} statements: {}; target {target}: {}\n",
        draft.text,
        verdict.text()
    )
}
