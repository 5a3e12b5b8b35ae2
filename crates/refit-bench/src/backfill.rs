//! `bench backfill`: a backfill of millions of rows, compared with one UPDATE and a hand-written loop.

mod contender;
mod table;
mod traffic;

use std::process::ExitCode;
use std::time::Duration;

use refit_scenarios::Latencies;
use serde::Serialize;

use self::contender::{Contender, Outcome};
use self::table::Lab;
use super::output;
use super::release::Build;
use super::table::{Judged, Verdict};
use super::timing::middle;

/// Measure a backfill, compared with one UPDATE and a loop in PL/pgSQL on the same rows in the same run.
///
/// Contenders alternate on fresh copies of one table; figures are medians of all turns. Exit status 1 if a target is missed.
/// A debug build runs a release build of itself. Needs four times the table's size on disk.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench backfill\n  cargo xtask bench backfill --rows 500000 --turns 1\n  cargo xtask bench backfill --turns 1 --no-curves"
)]
pub(crate) struct Args {
    /// Rows of the table.
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// Number of runs of each contender.
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// Skip the curves: 1 to 8 workers, and 50,000 rows up to `--rows`.
    #[arg(long)]
    no_curves: bool,
    #[command(flatten)]
    build: Build,
}

const fn refit(workers: u32, striped: bool, journal: bool) -> Contender {
    Contender::Refit { workers, striped, journal }
}

/// The contenders, in the order of a turn.
const CONTENDERS: [Contender; 6] = [
    Contender::Update,
    refit(1, true, false),
    refit(2, true, false),
    refit(1, true, true),
    Contender::Procedure,
    refit(1, false, false),
];

/// A measured contender.
#[derive(Serialize)]
struct Measured {
    contender: String,
    rows: u64,
    rows_per_second: f64,
    wal_bytes: u64,
    growth: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<String>,
}

#[derive(Serialize)]
struct Latency {
    beside: String,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

#[derive(Serialize)]
struct Findings {
    format: u32,
    on: String,
    contenders: Vec<Measured>,
    traffic: Vec<Latency>,
    targets: Vec<Judged>,
    curves: Vec<Measured>,
}

/// Measures and prints.
///
/// # Errors
/// If something could not be measured.
pub(crate) async fn run(args: &Args, human: bool) -> anyhow::Result<ExitCode> {
    args.build.become_release()?;
    let say = |what: &str| output::say(human, what);
    say(&format!("filling {} rows", args.rows));
    let lab = Lab::open(args.rows).await?;
    let mut outcomes: Vec<Vec<Outcome>> = CONTENDERS.iter().map(|_| Vec::new()).collect();
    for turn in 0..args.turns.max(1) {
        // Every second turn is in the opposite order, so that no contender is always first.
        let mut order: Vec<usize> = (0..CONTENDERS.len()).collect();
        if turn % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let outcome = contender::run(&lab, CONTENDERS[index], false).await?;
            say(&format!(
                "turn {}: {}, {:.1} s",
                turn + 1,
                CONTENDERS[index].name(),
                outcome.took.as_secs_f64()
            ));
            outcomes[index].push(outcome);
        }
    }
    let traffic = traffic_latency(&lab, &say).await?;
    let targets = judge(&outcomes, lab.rows, &traffic);
    let contenders = CONTENDERS
        .iter()
        .zip(&outcomes)
        .map(|(contender, outcomes)| measured(*contender, outcomes, lab.rows));
    let findings = Findings {
        format: 1,
        on: lab.describe(),
        contenders: contenders.collect(),
        traffic,
        targets,
        curves: if args.no_curves { Vec::new() } else { curves(&lab, args.rows, &say).await? },
    };
    let missed = findings.targets.iter().any(|judged| judged.verdict.is_missed());
    output::finish(human, || text(&findings), &findings, missed)
}

/// The traffic, alternately without a backfill and during one with a single worker and default settings.
async fn traffic_latency(lab: &Lab, say: &impl Fn(&str)) -> anyhow::Result<Vec<Latency>> {
    let pair = [Contender::Nobody, refit(1, true, false)];
    let mut all = [None, None];
    for turn in 0..2 {
        for (contender, all) in pair.iter().zip(&mut all) {
            say(&format!("traffic {}: beside {}", turn + 1, contender.name()));
            let outcome = contender::run(lab, *contender, true).await?;
            *all = match (all.take(), outcome.latencies) {
                (Some(before), Some(now)) => Some(Latencies::and(before, now)),
                (before, now) => before.or(now),
            };
        }
    }
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let latency = |(contender, all): (&Contender, Option<Latencies>)| {
        let all = all?;
        let (p99_ms, p999_ms) = (ms(all.percentile(99.0)), ms(all.percentile(99.9)));
        Some(Latency { beside: contender.name(), p99_ms, p999_ms, max_ms: ms(all.max()) })
    };
    Ok(pair.iter().zip(all).filter_map(latency).collect())
}

/// Backfills with more workers, and with fewer rows.
async fn curves(lab: &Lab, rows: u64, say: &impl Fn(&str)) -> anyhow::Result<Vec<Measured>> {
    let mut found = Vec::new();
    for workers in [1, 2, 4, 8] {
        let contender = refit(workers, true, false);
        say(&contender.name());
        found.push(measured(contender, &[contender::run(lab, contender, false).await?], rows));
    }
    for rows in [50_000, 500_000].into_iter().filter(|few| *few < rows) {
        say(&format!("{rows} rows"));
        let lab = Lab::open(rows).await?;
        for contender in [Contender::Update, refit(1, true, false), refit(2, true, false)] {
            found.push(measured(contender, &[contender::run(&lab, contender, false).await?], rows));
        }
    }
    Ok(found)
}

fn measured(contender: Contender, outcomes: &[Outcome], rows: u64) -> Measured {
    Measured {
        contender: contender.name(),
        rows,
        rows_per_second: middle(outcomes.iter().map(|outcome| outcome.rate(rows)).collect()),
        wal_bytes: middle(outcomes.iter().map(|outcome| outcome.wal as f64).collect()) as u64,
        growth: middle(outcomes.iter().map(Outcome::growth).collect()),
        strategy: outcomes.first().and_then(|outcome| outcome.strategy.clone()),
    }
}

/// The median of the ratios within each turn.
fn ratio(outcomes: &[Vec<Outcome>], [of, to]: [usize; 2], figure: impl Fn(&Outcome) -> f64) -> f64 {
    middle(outcomes[of].iter().zip(&outcomes[to]).map(|(a, b)| figure(a) / figure(b)).collect())
}

fn judge(outcomes: &[Vec<Outcome>], rows: u64, traffic: &[Latency]) -> Vec<Judged> {
    let rate = |outcome: &Outcome| outcome.rate(rows);
    let [update, one, two, journal, procedure, keyset] = [0, 1, 2, 3, 4, 5];
    let at_least = |what, target, limit: f64, value: f64| Judged {
        what,
        target,
        verdict: Verdict::of(value >= limit, format!("{value:.2} ×")),
    };
    let growth = measured(CONTENDERS[one], &outcomes[one], rows).growth;
    let wal = ratio(outcomes, [one, update], |outcome| outcome.wal as f64);
    let mut all = vec![
        at_least("rows/s, one worker", "≥ 1.3 × one UPDATE", 1.3, ratio(outcomes, [one, update], rate)),
        at_least("rows/s, two workers", "≥ 2.2 × one UPDATE", 2.2, ratio(outcomes, [two, update], rate)),
        Judged {
            what: "WAL",
            target: "≤ 0.55 × one UPDATE",
            verdict: Verdict::of(wal <= 0.55, format!("{wal:.2} ×")),
        },
        Judged {
            what: "growth of the table",
            target: "≤ 15 %",
            verdict: Verdict::of(growth <= 0.15, format!("{:.1} %", growth * 100.0)),
        },
        at_least(
            "the loop by hand, keyset",
            "≥ 0.95 × PL/pgSQL",
            0.95,
            ratio(outcomes, [keyset, procedure], rate),
        ),
        at_least("with the undo journal", "≥ 0.6 × without", 0.6, ratio(outcomes, [journal, one], rate)),
    ];
    if let [quiet, busy] = traffic {
        for (what, ratio) in [
            ("p99 of the traffic, one worker", busy.p99_ms / quiet.p99_ms),
            ("p99.9 of the traffic, one worker", busy.p999_ms / quiet.p999_ms),
        ] {
            let verdict = Verdict::of(ratio <= 3.0, format!("{ratio:.2} ×"));
            all.push(Judged { what, target: "≤ 3 × quiet", verdict });
        }
    }
    all
}

fn text(findings: &Findings) -> String {
    let mut text = String::new();
    let line = |measured: &Measured| {
        format!(
            "{:<36} {:>10} rows {:>9.0} rows/s {:>7.2} GB WAL {:>6.1} % growth\n",
            measured.contender,
            measured.rows,
            measured.rows_per_second,
            measured.wal_bytes as f64 / 1e9,
            measured.growth * 100.0
        )
    };
    for measured in findings.contenders.iter().chain(&findings.curves) {
        text.push_str(&line(measured));
    }
    text.push('\n');
    for latency in &findings.traffic {
        text.push_str(&format!(
            "traffic beside {:<28} p99 {:>7.2} ms  p99.9 {:>7.2} ms  max {:>7.2} ms\n",
            latency.beside, latency.p99_ms, latency.p999_ms, latency.max_ms
        ));
    }
    text.push('\n');
    for judged in &findings.targets {
        text.push_str(&format!("{:<34} {:<22} {}\n", judged.what, judged.target, judged.verdict.text()));
    }
    for measured in &findings.contenders {
        if let Some(strategy) = &measured.strategy {
            text.push_str(&format!("\n{}: {strategy}", measured.contender));
        }
    }
    text.push_str(&format!("\n\n{}", findings.on));
    text
}
