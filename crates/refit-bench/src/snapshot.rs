//! `bench snapshot`: the cost of reading a schema and the changes that it detects, compared with pg_dump.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_devdb::TestDb;
use serde::Serialize;

use super::output;
use super::release::{Build, Pace};
use super::table::{Cell, Verdict, aligned};
use super::timing::{Times, by_turns};

/// Measure reading a schema and the changes that it detects, compared with pg_dump -s in the same run.
///
/// Times are of whole processes, `snapshot --database-url` and pg_dump, from start to exit, on a private server; schemas and cases
/// are those of the conformance data. Exit status 1 if a target is missed. A debug build runs a release build of itself.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask bench snapshot\n  cargo xtask bench snapshot --quick")]
pub(crate) struct Args {
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    build: Build,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    what: String,
    refit: Cell,
    pg_dump: Cell,
    target: &'static str,
    verdict: Verdict,
}

/// The limit, relative to pg_dump's time.
const RATIO_AT_MOST: f64 = 0.4;

/// Measures and prints.
///
/// # Errors
/// If something could not be measured.
pub(crate) async fn run(args: &Args, human: bool, workspace: &Path) -> anyhow::Result<ExitCode> {
    args.build.become_release()?;
    let shared = workspace.join("../shared");
    let turns = args.pace.turns(11, 3);
    let mut rows = Vec::new();
    for tables in [1_000, 60] {
        rows.push(timed(&shared, tables, turns).await?);
    }
    for (file, what) in [("changes.txt", "changes noticed"), ("neutral.txt", "neutral changes noticed")] {
        rows.push(noticed(&shared.join("conformance/schema"), file, what).await?);
    }
    let missed = rows.iter().any(|row| row.verdict.is_missed());
    let findings = serde_json::json!({ "format": 1, "rows": rows });
    output::finish(human, || table(&rows), &findings, missed)
}

async fn read(url: &str) -> anyhow::Result<Catalog> {
    let client = refit::connect(url, &refit::ConnectOptions::default()).await?;
    Ok(Catalog::read(&client, &ReadOptions::default()).await?)
}

async fn timed(shared: &Path, tables: u32, turns: usize) -> anyhow::Result<Row> {
    let sql = generated(&shared.join("bench/gen_schema.py"), tables)?;
    let db = filled(&format!("bench snapshot {tables}"), &sql).await?;
    let (mut times, program) = (Times::new(2), std::env::current_exe()?);
    for contender in by_turns(turns, 2) {
        let mut command = match contender {
            0 => Command::new(&program),
            _ => Command::new(dump_program(&db)),
        };
        match contender {
            0 => command.args([crate::REFIT, "snapshot", "--format", "text", "--database-url", db.url()]),
            _ => command.args(["-s", db.url()]),
        };
        times.add(contender, spent(&mut command)?);
    }
    let ratio = times.ratio(0, 1);
    Ok(Row {
        what: format!("{tables} tables"),
        refit: Cell::time(times.median(0)),
        pg_dump: Cell::time(times.median(1)),
        target: "≤ 0.4 × pg_dump",
        verdict: Verdict::of(ratio <= RATIO_AT_MOST, format!("{ratio:.2}")),
    })
}

/// The generated schema with that many tables, and views and functions in proportion.
fn generated(script: &Path, tables: u32) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(script).with_context(|| format!("no generator at {}", script.display()))?;
    let text = text
        .replace("N=1000", &format!("N={tables}"))
        .replace("range(200)", &format!("range({})", tables / 5));
    let output = Command::new("python3").arg("-c").arg(text).output().context("python3 makes the schema")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

async fn filled(key: &str, sql: &str) -> anyhow::Result<TestDb> {
    TestDb::filled(key, async |url: &str| {
        let client = refit::connect(url, &refit::ConnectOptions::default()).await?;
        client.batch_execute(sql).await?;
        // Makes it like a database that has existed for a while.
        client.batch_execute("VACUUM ANALYZE").await?;
        anyhow::Ok(())
    })
    .await
}

fn dump_program(db: &TestDb) -> std::path::PathBuf {
    db.server().binaries().tool("pg_dump").unwrap_or_else(|| "pg_dump".into())
}

fn spent(command: &mut Command) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let status = command.stdout(Stdio::null()).status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(started.elapsed())
}

/// The number of changes in a file that change Refit's text, and the number that change the dump.
async fn noticed(folder: &Path, file: &str, what: &str) -> anyhow::Result<Row> {
    let base = std::fs::read_to_string(folder.join("base.sql")).context("no conformance data")?;
    let fresh = async || filled("bench snapshot base", &base).await;
    let db = fresh().await?;
    let (catalog, dump) = (read(db.url()).await?, dumped(&db)?);
    let (mut lines, mut mine, mut theirs) = (0_u64, 0_u64, 0_u64);
    for line in std::fs::read_to_string(folder.join(file))?.lines() {
        let Some((name, sql)) = line.split_once('|') else { bail!("not a case: {line}") };
        let db = fresh().await?;
        let client = refit::connect(db.url(), &refit::ConnectOptions::default()).await?;
        client.batch_execute(&sql.replace("CURRENT", db.name())).await.with_context(|| name.to_owned())?;
        lines += 1;
        mine += u64::from(!Delta::between(&catalog, &read(db.url()).await?).is_empty());
        theirs += u64::from(dumped(&db)? != dump);
    }
    let neutral = file == "neutral.txt";
    Ok(Row {
        what: format!("{what}, of {lines}"),
        refit: Cell::count(mine, "changes"),
        pg_dump: Cell::count(theirs, "changes"),
        target: if neutral { "none" } else { "all" },
        verdict: Verdict::of(mine == if neutral { 0 } else { lines }, ""),
    })
}

/// The dump, without the token that differs each time.
fn dumped(db: &TestDb) -> anyhow::Result<String> {
    let output = Command::new(dump_program(db)).args(["-s", db.url()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let lines =
        text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn table(rows: &[Row]) -> String {
    let title = ["what", "refit", "pg_dump -s", "target", "verdict"].map(str::to_owned).to_vec();
    let line = |row: &Row| {
        let (refit, dump) = (row.refit.text.clone(), row.pg_dump.text.clone());
        vec![row.what.clone(), refit, dump, row.target.to_owned(), row.verdict.text()]
    };
    aligned(&[title].into_iter().chain(rows.iter().map(line)).collect::<Vec<_>>())
}
