//! `bench build`: the build cost of the demo, of the tests after it, and of a service that uses Refit.

mod cargo;
mod service;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use self::cargo::{Builds, Run, fetch, twice};
use self::service::Service;
use super::output;
use super::table::{Cell, Verdict, aligned};

/// Measure the builds of `cargo xtask demo`, of the tests after it, and of a service that uses Refit, refinery or sqlx.
///
/// Times are CPU seconds (user and system) of whole cargo runs that start with an empty target folder. The services use the
/// versions in this workspace's lock file; the cost of a tool is the difference from the same service without it. Exit status 1 if a
/// target is missed. Needs about 5 GB of disk space, and the network for dependencies that have not been downloaded yet.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench build\n  cargo xtask bench build --quick\n  cargo xtask bench build --services"
)]
pub(crate) struct Args {
    /// Skip the release builds, and so the binary sizes
    #[arg(long)]
    quick: bool,
    /// Measure only the services, not this workspace
    #[arg(long)]
    services: bool,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    what: String,
    cpu: Cell,
    crates: Cell,
    binary: Cell,
    target: &'static str,
    verdict: Verdict,
}

/// The limit, relative to what refinery adds, which has no TLS either.
const BARE_AT_MOST: f64 = 1.6;
/// The most that Refit may add to a stripped release build.
const BYTES_AT_MOST: i64 = 4_000_000;

/// The cost of building a service.
#[derive(Clone, Copy, Debug)]
struct Cost {
    cpu: Duration,
    crates: usize,
    /// Size of the stripped release build, unless that was skipped.
    bytes: Option<u64>,
}

/// Measures and prints.
///
/// # Errors
/// If something could not be built.
pub(crate) fn run(args: &Args, human: bool, workspace: &Path) -> anyhow::Result<ExitCode> {
    let say = |what: &str| output::say(human, what);
    let mut rows = Vec::new();
    if !args.services {
        rows.extend(of_workspace(workspace, &say)?);
    }
    rows.extend(of_services(workspace, args.quick, &say)?);
    let missed = rows.iter().any(|row| row.verdict.is_missed());
    let findings = serde_json::json!({ "format": 1, "rows": rows });
    output::finish(human, || table(&rows), &findings, missed)
}

/// Builds what `cargo xtask demo` needs, then what `cargo test --workspace` needs, in the same target folder.
fn of_workspace(workspace: &Path, say: &impl Fn(&str)) -> anyhow::Result<[Row; 2]> {
    fetch(workspace)?;
    let builds = Builds::new()?;
    say("compiling the demo");
    let xtask = builds.run(workspace, &["build", "--package", "xtask", "--bin", "xtask"])?;
    let service = builds.run(workspace, &["build", "--workspace", "--bin", "content-service"])?;
    say(&format!("  {:.1} CPU s", (xtask.cpu + service.cpu).as_secs_f64()));
    say("compiling the tests");
    let tests = builds.run(workspace, &["test", "--workspace", "--no-run"])?;
    let again = twice(&[&xtask, &service, &tests]);
    let names = again.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    say(&format!(
        "  {:.1} CPU s; compiled twice: {}",
        tests.cpu.as_secs_f64(),
        if names.is_empty() { "none" } else { &names }
    ));
    let row = |what: &str, cpu, crates, target, verdict| Row {
        what: what.to_owned(),
        cpu: seconds(cpu, ""),
        crates: Cell::count(crates as u64, "crates"),
        binary: Cell::none(),
        target,
        verdict,
    };
    Ok([
        row(
            "cargo xtask demo",
            xtask.cpu + service.cpu,
            dependencies(&xtask) + dependencies(&service),
            "",
            Verdict::Open(String::new()),
        ),
        row(
            "then cargo test --workspace",
            tests.cpu,
            dependencies(&tests),
            "no dependency twice",
            Verdict::of(again.is_empty(), names),
        ),
    ])
}

fn of_services(workspace: &Path, quick: bool, say: &impl Fn(&str)) -> anyhow::Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let mut costs = Vec::new();
    let mut folders = Vec::new();
    for service in Service::ALL {
        say(&format!("compiling {}", service.name().trim()));
        let folder = service.write(scratch.path(), workspace)?;
        fetch(&folder)?;
        let debug = Builds::new()?.run(&folder, &["build"])?;
        say(&format!("  {:.1} CPU s, {} crates", debug.cpu.as_secs_f64(), debug.compiled.len()));
        costs.push(Cost { cpu: debug.cpu, crates: debug.compiled.len(), bytes: None });
        folders.push((service, folder));
    }
    for ((service, folder), cost) in folders.iter().zip(&mut costs).filter(|_| !quick) {
        say(&format!("compiling {} for release", service.name().trim()));
        let bytes = release_bytes(folder)?;
        say(&format!("  {bytes} bytes"));
        cost.bytes = Some(bytes);
    }
    Ok(Service::ALL.into_iter().zip(&costs).map(|(service, cost)| row(service, *cost, &costs)).collect())
}

fn release_bytes(folder: &Path) -> anyhow::Result<u64> {
    let builds = Builds::new()?;
    let run = builds.run(folder, &["build", "--release"])?;
    let program = run.program.ok_or_else(|| anyhow::anyhow!("cargo built no program"))?;
    Ok(std::fs::metadata(program)?.len())
}

/// The row of a service. `costs` are in the order of [`Service::ALL`].
fn row(service: Service, cost: Cost, costs: &[Cost]) -> Row {
    let [plain, _, _, refinery, sqlx, reading] = std::array::from_fn(|index| costs[index]);
    let added = |cost: Cost| cost.cpu.saturating_sub(plain.cpu).as_secs_f64();
    let more = |cost: Cost| Some(i64::try_from(cost.bytes?).ok()? - i64::try_from(plain.bytes?).ok()?);
    let ratio = |other: f64| added(cost) / other.max(f64::MIN_POSITIVE);
    let (target, verdict) = match service {
        Service::Refit => {
            let peer = added(sqlx).min(added(reading));
            let size = more(cost).is_none_or(|bytes| bytes <= BYTES_AT_MOST)
                && [sqlx, reading].into_iter().all(|peer| more(cost) <= more(peer));
            let target = "CPU ≤ sqlx; binary ≤ +4 MB and ≤ sqlx";
            (target, Verdict::of(ratio(peer) <= 1.0 && size, format!("CPU {:.2} × sqlx", ratio(peer))))
        }
        Service::RefitBare => {
            let ratio = ratio(added(refinery));
            ("CPU ≤ 1.6 × refinery", Verdict::of(ratio <= BARE_AT_MOST, format!("{ratio:.2} ×")))
        }
        _ => ("", Verdict::Open(String::new())),
    };
    let (cpu, crates, binary) = match service {
        Service::Plain => {
            let bytes = cost.bytes.and_then(|bytes| i64::try_from(bytes).ok());
            (seconds(cost.cpu, ""), Cell::count(cost.crates as u64, "crates"), megabytes(bytes, ""))
        }
        _ => {
            let crates = cost.crates.saturating_sub(plain.crates) as u64;
            let crates = Cell { text: format!("+{crates}"), ..Cell::count(crates, "crates") };
            (seconds(cost.cpu.saturating_sub(plain.cpu), "+"), crates, megabytes(more(cost), "+"))
        }
    };
    Row { what: service.name().to_owned(), cpu, crates, binary, target, verdict }
}

fn dependencies(run: &Run) -> usize {
    run.compiled.iter().filter(|unit| unit.is_dependency()).count()
}

fn seconds(cpu: Duration, sign: &str) -> Cell {
    let seconds = cpu.as_secs_f64();
    Cell { text: format!("{sign}{seconds:.1} s"), value: Some(seconds), unit: Some("CPU s") }
}

fn megabytes(bytes: Option<i64>, sign: &str) -> Cell {
    let Some(bytes) = bytes else { return Cell::none() };
    let sign = if bytes < 0 { "" } else { sign };
    let text = format!("{sign}{:.2} MB", bytes as f64 / 1e6);
    Cell { text, value: Some(bytes as f64), unit: Some("bytes") }
}

fn table(rows: &[Row]) -> String {
    let title = ["what", "CPU", "crates", "binary", "target", "verdict"].map(str::to_owned).to_vec();
    let line = |row: &Row| {
        let [cpu, crates, binary] = [&row.cpu, &row.crates, &row.binary].map(|cell| cell.text.clone());
        vec![row.what.clone(), cpu, crates, binary, row.target.to_owned(), row.verdict.text()]
    };
    aligned(&[title].into_iter().chain(rows.iter().map(line)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_tool_is_its_difference_from_the_baseline() {
        let cost = |seconds, bytes| Cost { cpu: Duration::from_secs(seconds), crates: 10, bytes };
        let judged = |refit: Option<u64>| {
            let costs = [
                cost(60, Some(3_000_000)),
                cost(100, refit),
                cost(90, refit),
                cost(80, Some(4_000_000)),
                cost(130, Some(9_000_000)),
                cost(110, Some(8_000_000)),
            ];
            [row(Service::Refit, costs[1], &costs), row(Service::RefitBare, costs[2], &costs)]
        };
        let [refit, bare] = judged(Some(6_500_000));
        assert_eq!((refit.cpu.text.as_str(), refit.binary.text.as_str()), ("+40.0 s", "+3.50 MB"));
        assert_eq!(refit.verdict.text(), "met: CPU 0.80 × sqlx");
        assert_eq!(bare.verdict.text(), "met: 1.50 ×");
        assert!(matches!(judged(Some(7_500_000))[0].verdict, Verdict::Missed(_)), "more than 4 MB");
        assert_eq!(judged(None)[0].binary.text, "—");
        assert!(matches!(judged(None)[0].verdict, Verdict::Met(_)), "sizes were left out");
    }
}
