//! `bench lint`: the findings and the cost of the linter, compared with its peers.

mod conformance;
pub(super) mod corpus;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use self::conformance::Score;
use self::tools::{Cost, Tool};
use super::output;
use super::release::{Build, Pace};
use super::table::{Cell, Verdict, aligned};
use super::timing::{Times, by_turns};

/// Measure the findings and the cost of the linter, compared with the peers that are installed.
///
/// Every figure is of a whole process, from start to exit. Peers are measured if they are on the PATH: squawk, eugene,
/// pgsafe, diesel-guard. Exit status 1 if a target is missed. A debug build runs a release build of itself.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask bench lint\n  cargo xtask bench lint --quick")]
pub(crate) struct Args {
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    build: Build,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    what: &'static str,
    /// One per tool, in the order of the tools.
    cells: Vec<Cell>,
    target: &'static str,
    verdict: Verdict,
}

/// The limit, relative to the fastest peer.
const CPU_AT_MOST: f64 = 0.3;
const LONG_AT_MOST: Duration = Duration::from_millis(300);
/// Twice the lines may take this many times the time: 2, and an allowance for the variance of measurements.
const GROWTH_AT_MOST: f64 = 2.3;

/// A tool that has used this much time in all its turns is not run again.
const ENOUGH: Duration = Duration::from_secs(20);

/// Measures and prints.
///
/// # Errors
/// If something could not be measured.
pub(crate) fn run(args: &Args, human: bool, workspace: &Path) -> anyhow::Result<ExitCode> {
    args.build.become_release()?;
    let tools = Tool::installed();
    let scratch = tempfile::tempdir()?;
    let mut rows = vec![conformance_row(&tools, workspace)?];
    rows.extend(folder_rows(&tools, scratch.path(), args.pace.turns(25, 5))?);
    rows.extend(long_rows(&tools, scratch.path(), args.pace.turns(9, 3))?);
    let names: Vec<&str> = tools.iter().map(|tool| tool.name()).collect();
    let missed = rows.iter().any(|row| row.verdict.is_missed());
    let findings = serde_json::json!({ "format": 1, "tools": names, "rows": rows });
    output::finish(human, || table(&names, &rows), &findings, missed)
}

fn conformance_row(tools: &[Tool], workspace: &Path) -> anyhow::Result<Row> {
    let cases = conformance::cases(workspace)?;
    let scores =
        tools.iter().map(|tool| conformance::score(*tool, &cases)).collect::<anyhow::Result<Vec<Score>>>()?;
    let cell = |score: &Score| {
        let text =
            format!("{}/{}, {}/{} false", score.caught, score.hazards, score.false_alarms, score.harmless);
        Cell { text, value: Some(score.caught as f64), unit: Some("hazards") }
    };
    let met = scores[0].caught == scores[0].hazards && scores[0].false_alarms == 0;
    Ok(Row {
        what: "labelled cases",
        cells: scores.iter().map(cell).collect(),
        target: "all, 0 false",
        verdict: if cases.is_empty() { Verdict::Open("no cases".to_owned()) } else { Verdict::of(met, "") },
    })
}

fn folder_rows(tools: &[Tool], scratch: &Path, turns: usize) -> anyhow::Result<[Row; 2]> {
    let folder = scratch.join("folder");
    let mut files = Vec::new();
    fs::create_dir_all(folder.join("migrations"))?;
    fs::write(folder.join("Cargo.toml"), "[workspace]\n")?;
    for (name, text) in corpus::files(1_000) {
        let file = Path::new("migrations").join(name);
        fs::write(folder.join(&file), text)?;
        files.push(file);
    }
    let (times, peaks) = measured(tools, &folder, &files, turns)?;
    let mine = times.median(0);
    let cpu = Row {
        what: "1,000 files, 32,000 lines: CPU",
        cells: (0..tools.len()).map(|tool| relative(times.median(tool), mine)).collect(),
        target: "≤ 0.3 × fastest peer",
        verdict: beside_peers((1..tools.len()).map(|tool| times.median(tool)).min(), |fastest| {
            mine.as_secs_f64() <= CPU_AT_MOST * fastest.as_secs_f64()
        }),
    };
    let verdict = beside_peers(peaks[1..].iter().min(), |leanest| peaks[0] <= *leanest);
    let memory = |bytes: &u64| Cell {
        text: format!("{:.1} MiB", *bytes as f64 / 1_048_576.0),
        value: Some(*bytes as f64),
        unit: Some("bytes"),
    };
    let cells = peaks.iter().map(memory).collect();
    Ok([cpu, Row { what: "1,000 files: peak memory", cells, target: "≤ leanest peer", verdict }])
}

/// Whether a target relative to the best peer is met.
fn beside_peers<T>(best: Option<T>, is_met: impl FnOnce(T) -> bool) -> Verdict {
    match best {
        Some(best) => Verdict::of(is_met(best), ""),
        None => Verdict::Open("no peer installed".to_owned()),
    }
}

fn long_rows(tools: &[Tool], scratch: &Path, turns: usize) -> anyhow::Result<[Row; 2]> {
    let folder = scratch.join("long");
    fs::create_dir_all(&folder)?;
    let mut times = Vec::new();
    for lines in [25_000, 50_000] {
        let file = PathBuf::from(format!("V{lines}__long.sql"));
        fs::write(folder.join(&file), corpus::text(lines))?;
        times.push(measured(tools, &folder, &[file], turns)?.0);
    }
    let mine = times[1].median(0);
    let growth = |tool: usize| {
        times[1].median(tool).as_secs_f64() / times[0].median(tool).as_secs_f64().max(f64::MIN_POSITIVE)
    };
    let ratio = |tool| Cell {
        text: format!("{:.2} ×", growth(tool)),
        value: Some(growth(tool)),
        unit: Some("times"),
    };
    Ok([
        Row {
            what: "one file of 50,000 lines: CPU",
            cells: (0..tools.len()).map(|tool| relative(times[1].median(tool), mine)).collect(),
            target: "≤ 0.3 s",
            verdict: Verdict::of(mine <= LONG_AT_MOST, ""),
        },
        Row {
            what: "50,000 lines against 25,000",
            cells: (0..tools.len()).map(ratio).collect(),
            target: "≤ 2.3 ×",
            verdict: Verdict::of(growth(0) <= GROWTH_AT_MOST, ""),
        },
    ])
}

/// CPU time per tool, and the maximum memory of each in any turn.
fn measured(
    tools: &[Tool],
    folder: &Path,
    files: &[PathBuf],
    turns: usize,
) -> anyhow::Result<(Times, Vec<u64>)> {
    let (mut times, mut peaks) = (Times::new(tools.len()), vec![0; tools.len()]);
    let mut spent = vec![Duration::ZERO; tools.len()];
    for tool in by_turns(turns, tools.len()) {
        // A tool that takes this long is not run in further turns.
        if spent[tool] > ENOUGH {
            continue;
        }
        let Cost { cpu, peak_bytes, .. } = tools[tool].lint(folder, files)?;
        times.add(tool, cpu);
        spent[tool] += cpu;
        peaks[tool] = peaks[tool].max(peak_bytes);
    }
    Ok((times, peaks))
}

fn relative(time: Duration, mine: Duration) -> Cell {
    match time == mine {
        true => Cell::time(time),
        false => Cell::time_and_ratio(time, time.as_secs_f64() / mine.as_secs_f64().max(f64::MIN_POSITIVE)),
    }
}

fn table(names: &[&str], rows: &[Row]) -> String {
    let line = |row: &Row| {
        let cells = row.cells.iter().map(|cell| cell.text.clone());
        let mut line: Vec<String> = [row.what.to_owned()].into_iter().chain(cells).collect();
        line.extend([row.target.to_owned(), row.verdict.text()]);
        line
    };
    let title = ["what"].into_iter().chain(names.iter().copied()).chain(["target", "verdict"]);
    let mut lines: Vec<Vec<String>> = vec![title.map(str::to_owned).collect()];
    lines.extend(rows.iter().map(line));
    aligned(&lines)
}
