//! A boot against an empty database that applies a thousand migrations.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::carried::{Session, Tool};
use crate::lab::Lab;
use crate::table::{Cell, Row, Verdict};
use crate::timing::{Times, by_turns};

const DATABASE: &str = "fresh";

/// The contender after the tools.
const PSQL: usize = 3;

/// Round trips, counted by a proxy.
pub(super) async fn round_trips(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    lab.say("fresh apply: round trips");
    let proxy = lab.proxy(Duration::ZERO)?;
    let mut counts = [0; 3];
    for (index, tool) in Tool::ALL.into_iter().enumerate() {
        lab.create(DATABASE).await?;
        let mut session = Session::open(tool, &proxy.url(DATABASE)).await?;
        proxy.take_round_trips();
        lab.thousand.boot(&mut session).await.with_context(|| format!("{} failed", tool.name()))?;
        counts[index] = proxy.take_round_trips();
        session.close().await;
        lab.discard(DATABASE).await?;
    }
    Ok(vec![Row {
        what: "apply 1,000: round trips".to_owned(),
        tools: counts.map(|count| Cell::count(count, "round trips")),
        floor: Cell::none(),
        target: "≤ 1,100",
        verdict: Verdict::of(counts[0] <= 1_100, ""),
        note: None,
    }])
}

/// Time, compared with psql with all files in one transaction.
pub(super) async fn time(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    lab.say("fresh apply: time");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("all.sql");
    std::fs::write(&file, lab.thousand.concatenated())?;
    let psql = lab.program("psql");
    let mut times = Times::new(4);
    for contender in by_turns(lab.pace.turns(15, 3), if psql.is_some() { 4 } else { 3 }) {
        lab.create(DATABASE).await?;
        lab.checkpoint().await?;
        let took = match (contender, &psql) {
            (PSQL, Some(psql)) => run_psql(psql, &lab.url(DATABASE), &file).await?,
            _ => apply(lab, Tool::ALL[contender]).await?,
        };
        times.add(contender, took);
        lab.discard(DATABASE).await?;
    }
    Ok(vec![row(&times, psql.as_ref())])
}

async fn apply(lab: &Lab, tool: Tool) -> anyhow::Result<Duration> {
    let mut session = Session::open(tool, &lab.url(DATABASE)).await?;
    let began = Instant::now();
    lab.thousand.boot(&mut session).await.with_context(|| format!("{} failed", tool.name()))?;
    let took = began.elapsed();
    session.close().await;
    Ok(took)
}

async fn run_psql(psql: &Path, url: &str, file: &Path) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let status = tokio::process::Command::new(psql)
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-1", "-f"])
        .arg(file)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .context("cannot run psql")?;
    ensure!(status.success(), "psql failed ({status})");
    Ok(began.elapsed())
}

fn row(times: &Times, psql: Option<&PathBuf>) -> Row {
    let peers = times.ratio(0, 1).max(times.ratio(0, 2));
    let floor = times.ratio(0, PSQL);
    let (cell, verdict, note) = match psql {
        Some(_) => (
            Cell::time(times.median(PSQL)),
            Verdict::of(
                floor <= 1.1 && peers < 1.0,
                format!("{floor:.2} × the floor, {peers:.2} × the faster peer"),
            ),
            "the floor is psql -1 -f: all files in one transaction, its start included",
        ),
        None if peers < 1.0 => (
            Cell::none(),
            Verdict::Open(format!("{peers:.2} × the faster peer")),
            "no floor: these binaries come without psql",
        ),
        None => (
            Cell::none(),
            Verdict::Missed(format!("{peers:.2} × the faster peer")),
            "no floor: these binaries come without psql",
        ),
    };
    Row {
        what: "apply 1,000: time".to_owned(),
        tools: [0, 1, 2].map(|index| Cell::time(times.median(index))),
        floor: cell,
        target: "≤ 1.1 × the floor, faster than both",
        verdict,
        note: Some(note.to_owned()),
    }
}
