//! `bench fix`: the cost of `lint-migrations --fix`, and how it grows with the number of files.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde::Serialize;

use super::lint::corpus;
use super::output;
use super::release::{Build, Pace};
use super::table::{Cell, Verdict};
use super::timing::{Times, by_turns};

/// Measure `lint-migrations --fix`, and how its cost grows with the number of files.
///
/// The files are those of a service's history, with something to fix in every second one. Every figure is of a whole process, from
/// start to exit, which writes the fixed files. No peer writes safe forms of migrations, so none is measured. Exit
/// status 1 if a target is missed. A debug build runs a release build of itself.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask bench fix\n  cargo xtask bench fix --quick")]
pub(crate) struct Args {
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    build: Build,
}

/// The numbers of files that are measured.
const COUNTS: [usize; 3] = [120, 240, 480];

/// How long 240 files may take.
const AT_MOST: Duration = Duration::from_secs(5);
/// Twice the files may take this many times the time: 2, and an allowance for the variance of measurements.
const GROWTH_AT_MOST: f64 = 2.4;

#[derive(Serialize)]
struct Row {
    files: usize,
    written: usize,
    time: Cell,
    target: &'static str,
    verdict: Verdict,
}

/// Measures and prints.
///
/// # Errors
/// If something could not be measured.
pub(crate) fn run(args: &Args, human: bool) -> anyhow::Result<ExitCode> {
    args.build.become_release()?;
    let mut times = Times::new(COUNTS.len());
    let mut written = [0; COUNTS.len()];
    for turn in by_turns(args.pace.turns(3, 1), COUNTS.len()) {
        let scratch = tempfile::tempdir()?;
        let took = fix(scratch.path(), COUNTS[turn])?;
        written[turn] = fs::read_dir(scratch.path().join("migrations"))?.count();
        times.add(turn, took);
    }
    let mut rows = Vec::new();
    for (at, files) in COUNTS.into_iter().enumerate() {
        let (time, growth) = (times.median(at), if at == 0 { 1.0 } else { times.ratio(at, at - 1) });
        let (target, verdict) = match files {
            240 => ("≤ 5 s", Verdict::of(time <= AT_MOST, "")),
            480 => ("≤ 2.4 × of 240 files", Verdict::of(growth <= GROWTH_AT_MOST, format!("{growth:.2} ×"))),
            _ => ("", Verdict::Open(String::new())),
        };
        rows.push(Row {
            files,
            written: written[at],
            time: Cell::time_and_ratio(time, growth),
            target,
            verdict,
        });
    }
    let missed = rows.iter().any(|row| row.verdict.is_missed());
    let findings = serde_json::json!({ "format": 1, "rows": rows });
    output::finish(human, || table(&rows), &findings, missed)
}

fn table(rows: &[Row]) -> String {
    let title = "files  fixed  time, and × of half as many  target                verdict".to_owned();
    let line = |Row { files, written, time, target, verdict }: &Row| {
        let line = format!("{files:5}  {written:6}  {:28}  {target:20}  {}", time.text, verdict.text());
        line.trim_end().to_owned()
    };
    std::iter::once(title).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

/// Writes that many files, and fixes them in a process of its own.
fn fix(folder: &Path, count: usize) -> anyhow::Result<Duration> {
    fs::create_dir_all(folder.join("migrations"))?;
    fs::write(folder.join("Cargo.toml"), "[workspace]\n")?;
    for (name, text) in corpus::hazardous_files(count) {
        fs::write(folder.join("migrations").join(name), text)?;
    }
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args([crate::REFIT, "lint-migrations", "--fix", "--fix-tracked"])
        .current_dir(folder)
        .env_remove("CARGO_MANIFEST_DIR");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status()?;
    let took = began.elapsed();
    match status.code() {
        Some(0 | 1) => Ok(took),
        code => bail!("lint-migrations --fix ended with {code:?}"),
    }
}
