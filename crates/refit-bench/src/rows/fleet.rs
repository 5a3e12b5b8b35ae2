//! Many processes that boot at once against one empty database.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::boot_one::READY;
use crate::carried::{Open, Tool};
use crate::lab::Lab;
use crate::table::{Cell, Row, Verdict};

const PROCESSES: usize = 16;

const MIGRATIONS: i64 = 30;

/// After this time a process is considered stuck, and killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The result of a fleet.
#[derive(Debug)]
struct Outcome {
    up: usize,
    stuck: usize,
    /// The errors of those that failed, one line each.
    errors: Vec<String>,
    end: End,
}

/// The final state of the database, from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// A migration ran more than once.
    Twice,
    /// Some did not run.
    Incomplete,
    /// Every migration ran once.
    Exact,
}

/// Without and with an index that is built concurrently.
pub(super) async fn rows(lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
    let plain = row(lab, false).await?;
    let concurrently = row(lab, true).await?;
    Ok(vec![plain, concurrently])
}

async fn row(lab: &Lab, concurrently: bool) -> anyhow::Result<Row> {
    let what = if concurrently { "CREATE INDEX CONCURRENTLY pending" } else { "empty database" };
    lab.say(&format!("{PROCESSES} processes at once, {what}"));
    let mut cells = [Cell::none(), Cell::none(), Cell::none()];
    let mut met = false;
    let mut notes = Vec::new();
    for (cell, tool) in cells.iter_mut().zip(Tool::ALL) {
        if tool == Tool::Refinery && concurrently {
            notes.push(
                "refinery runs every migration in a transaction, where this statement cannot run".to_owned(),
            );
            continue;
        }
        let mut worst: Option<Outcome> = None;
        for _ in 0..lab.pace.turns(3, 1) {
            let outcome = fleet(lab, tool, concurrently).await?;
            if worst.as_ref().is_none_or(|worst| (outcome.up, outcome.end) < (worst.up, worst.end)) {
                worst = Some(outcome);
            }
        }
        let Some(worst) = worst else { continue };
        if tool == Tool::Refit {
            met = worst.up == PROCESSES && worst.end == End::Exact;
        }
        if let Some(error) = worst.errors.first() {
            notes.push(format!("{}: {error}", tool.name()));
        }
        *cell = Cell { value: Some(worst.up as f64), unit: Some("processes"), ..Cell::words(worst.words()) };
    }
    Ok(Row {
        what: format!("{PROCESSES} processes at once, {what}"),
        tools: cells,
        floor: Cell::none(),
        target: "16 of 16, each migration once",
        verdict: Verdict::of(met, ""),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    })
}

impl Outcome {
    fn words(&self) -> String {
        let mut words = format!("{} of {PROCESSES}", self.up);
        if self.errors.iter().any(|error| error.contains("deadlock")) {
            words.push_str(", deadlock");
        }
        if self.stuck > 0 {
            words.push_str(&format!(", {} stuck", self.stuck));
        }
        words.push_str(match self.end {
            End::Exact => ", each once",
            End::Incomplete => ", not all applied",
            End::Twice => ", some TWICE",
        });
        words
    }
}

async fn fleet(lab: &Lab, tool: Tool, concurrently: bool) -> anyhow::Result<Outcome> {
    const DATABASE: &str = "fleet";
    lab.create(DATABASE).await?;
    let mut crew = Vec::new();
    for _ in 0..PROCESSES {
        crew.push(enlist(tool, &lab.url(DATABASE), concurrently).await?);
    }
    // All of them have started and wait for the end of their input.
    crew.iter_mut().for_each(|child| drop(child.stdin.take()));
    let mut ends = JoinSet::new();
    for child in crew {
        ends.spawn(end(child));
    }
    let mut outcome = Outcome { up: 0, stuck: 0, errors: Vec::new(), end: End::Incomplete };
    while let Some(end) = ends.join_next().await {
        match end?? {
            (Some(status), _) if status.success() => outcome.up += 1,
            (Some(_), error) => outcome.errors.push(one_line(&error)),
            (None, _) => outcome.stuck += 1,
        }
    }
    let open = Open::new(&lab.url(DATABASE)).await?;
    outcome.end = ended(&open, tool, concurrently).await?;
    open.close().await;
    lab.discard(DATABASE).await?;
    Ok(outcome)
}

/// Starts a process, and returns when it is ready to boot.
async fn enlist(tool: Tool, url: &str, concurrently: bool) -> anyhow::Result<Child> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["boot-one", "--tool", tool.name(), "--url", url])
        .args(["--count", &MIGRATIONS.to_string()])
        .args(concurrently.then_some("--concurrently"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start a process of the fleet")?;
    let mut line = String::new();
    let stdout = child.stdout.take().context("its output is a pipe")?;
    BufReader::new(stdout).read_line(&mut line).await?;
    anyhow::ensure!(line == READY, "a process of the fleet did not become ready");
    Ok(child)
}

/// Its status and its errors; no status if it had to be killed.
async fn end(mut child: Child) -> anyhow::Result<(Option<ExitStatus>, String)> {
    let mut said = String::new();
    let mut stderr = child.stderr.take().context("its errors are a pipe")?;
    let ended = tokio::time::timeout(PATIENCE, async {
        stderr.read_to_string(&mut said).await?;
        child.wait().await
    });
    match ended.await {
        Ok(status) => Ok((Some(status?), said)),
        Err(_) => {
            child.kill().await?;
            Ok((None, said))
        }
    }
}

/// Whether every migration is in the history once, and ran once.
async fn ended(open: &Open, tool: Tool, concurrently: bool) -> anyhow::Result<End> {
    let history = tool.history();
    let exists = "SELECT to_regclass($1) IS NOT NULL AND to_regclass('ran') IS NOT NULL";
    if !open.client.query_one(exists, &[&history]).await?.get::<_, bool>(0) {
        return Ok(End::Incomplete);
    }
    let sql = format!(
        "SELECT (SELECT count(*) FROM {history}), (SELECT count(DISTINCT version) FROM {history}), \
                (SELECT count(*) FROM ran), (SELECT count(DISTINCT version) FROM ran), \
                (SELECT count(*) FROM pg_index WHERE indrelid = 'ran'::regclass AND indisvalid)"
    );
    let row = open.client.query_one(&sql, &[]).await?;
    let [entered, versions, ran, effects, indexes] = std::array::from_fn(|column| row.get::<_, i64>(column));
    let concurrently = i64::from(concurrently);
    Ok(if entered > versions || ran > effects {
        End::Twice
    } else if versions == MIGRATIONS && effects == MIGRATIONS - concurrently && indexes == concurrently {
        End::Exact
    } else {
        End::Incomplete
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect()
}
