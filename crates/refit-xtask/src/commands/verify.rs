//! `cargo xtask verify`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use refit::Plan;
use refit_catalog::{Change, Drift, Origin, ReadOptions, Snapshot};
use refit_rehearsal::SNAPSHOTS;
use serde::Serialize;

use crate::context::Context;
use crate::database::Database;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::render::difference;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Compares with the snapshot that `cargo xtask snapshot` wrote. A database that is not at the version of the \
                  migrations is reported as behind or ahead and not compared. To always ignore objects, list them in refit.toml:\n\n  \
                  [verify]\n  ignore_tables = [\"ev_*\"]\n  ignore_schemas = [\"monitoring\"]\n\n\
                  Exit status: 0 no difference; 1 drift, or another version; 2 could not run.\n\n\
                  Examples:\n  cargo xtask verify --database-url postgres://localhost/app\n  \
                  cargo xtask verify --ignore-table 'ev_*' --format json | jq -r .differences[].line"
)]
pub struct Args {
    /// The snapshot [default: snapshots/schema.json of the migrations folder]
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Ignore schemas of this name and everything in them; `*` and `?` are wildcards
    #[arg(long, value_name = "PATTERN")]
    ignore_schema: Vec<String>,
    /// Ignore tables of this name in any schema, and everything that belongs to them; `*` and `?` are wildcards
    #[arg(long, value_name = "PATTERN")]
    ignore_table: Vec<String>,
    /// Fail if the database contains unsupported objects
    #[arg(long)]
    strict: bool,
}

/// How the database compares with the snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Same,
    Drift,
    Behind,
    Ahead,
    Refused,
}

/// The JSON document.
#[derive(Serialize)]
struct Verified<'a> {
    format: u32,
    state: State,
    snapshot: &'a Origin,
    /// The database's version.
    version: Option<i64>,
    differences: Vec<Named<'a>>,
    /// Differences that do not count as drift.
    not_counted: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    line: String,
    #[serde(flatten)]
    change: &'a Change,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let snapshot = read(args, context)?;
    if snapshot.origin.digest != set.digest() {
        bail!("the snapshot was written from other migrations; update it with `cargo xtask snapshot`");
    }
    let environment = &context.global.environment;
    if snapshot.origin.environment != *environment && !set.is_unconditional() {
        let made = &snapshot.origin.environment;
        bail!(
            "the snapshot was written for the environment {made}; give --environment {made}, or write it for {environment}"
        );
    }
    let ignored = set.settings().verify.clone();
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let plan = context.migrator(set).plan(&connection).await?;
    let version_state = version_state(&plan);
    let drift = match version_state {
        Some(_) => None,
        None => {
            let mut options = ReadOptions { strict: args.strict, ..Drift::options() };
            options.exclude_tables.extend(args.ignore_table.iter().chain(&ignored.ignore_tables).cloned());
            options.exclude_schemas.extend(args.ignore_schema.iter().chain(&ignored.ignore_schemas).cloned());
            Some(Drift::read(&connection, &snapshot, &options).await?)
        }
    };
    connection.close().await;
    let state = match (&drift, version_state) {
        (_, Some(state)) => state,
        (Some(drift), None) if !drift.is_none() => State::Drift,
        _ => State::Same,
    };
    let verified = Verified {
        format: 1,
        state,
        snapshot: &snapshot.origin,
        version: plan.current,
        differences: drift.as_ref().map_or_else(Vec::new, |drift| lines(&drift.delta.changes)),
        not_counted: drift.as_ref().map_or_else(Vec::new, |drift| lines(&drift.not_counted)),
    };
    let text = format!("{}\n{}", database.address(), describe(&verified, &plan, drift.as_ref()));
    context.out.result(&verified, text)?;
    Ok(if state == State::Same { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn read(args: &Args, context: &Context) -> anyhow::Result<Snapshot> {
    let default = || context.migrations_dir().join(SNAPSHOTS).join("schema.json");
    let file = args.snapshot.clone().unwrap_or_else(default);
    let shown = file.display();
    let json = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {shown}; `cargo xtask snapshot` writes it"))?;
    Snapshot::from_json(&json)
        .with_context(|| format!("{shown} is not usable; update it with `cargo xtask snapshot`"))
}

/// The state of a database that is not at the version of the set.
fn version_state(plan: &Plan) -> Option<State> {
    if !plan.refusals.is_empty() {
        return Some(State::Refused);
    }
    if !plan.ahead.is_empty() {
        return Some(State::Ahead);
    }
    (!plan.pending.is_empty() || !plan.held.is_empty()).then_some(State::Behind)
}

fn lines(changes: &[Change]) -> Vec<Named<'_>> {
    changes.iter().map(|change| Named { line: change.line(), change }).collect()
}

fn describe(verified: &Verified<'_>, plan: &Plan, drift: Option<&Drift>) -> String {
    let version = |version: Option<i64>| {
        version.map_or("no version".to_owned(), |version| format!("version {version}"))
    };
    let (is, made) = (version(plan.current), version(verified.snapshot.version));
    let mut text = match verified.state {
        State::Same => format!("{GOOD}no drift{GOOD:#}: the schema matches the migrations, at {is}"),
        State::Drift => {
            let count = verified.differences.len();
            let differences = if count == 1 { "1 difference" } else { &format!("{count} differences") };
            let delta = drift.map(|drift| difference::styled(&drift.delta.text())).unwrap_or_default();
            let meaning = "+ only in the database, - missing in it, ~ different; undo the change, or write a migration for it";
            format!("{delta}{BAD}drift{BAD:#}: {differences} ({meaning})")
        }
        State::Behind => {
            let waiting = plan.pending.len() + plan.held.len();
            format!(
                "{WARN}behind{WARN:#}: at {is}, the snapshot is of {made} ({waiting} not applied); not compared"
            )
        }
        State::Ahead => {
            format!(
                "{WARN}ahead{WARN:#}: at {is}, the snapshot is of {made}; not compared; verify with the newer migrations"
            )
        }
        State::Refused => {
            let refusals: Vec<String> =
                plan.refusals.iter().map(|refusal| format!("\n  {refusal}")).collect();
            format!(
                "{BAD}refused{BAD:#}: the history does not match the migrations; not compared{}",
                refusals.concat()
            )
        }
    };
    for ignored_change in &verified.not_counted {
        let why = match ignored_change.change.kind.as_str() {
            "database" => "migrations do not change it".to_owned(),
            "user mapping" => "the role may not be able to see all of it".to_owned(),
            _ => format!(
                "the snapshot was written on PostgreSQL {}, which formats queries differently",
                verified.snapshot.postgres
            ),
        };
        text.push_str(&format!("\n{QUIET}not counted: {} ({why}){QUIET:#}", ignored_change.line));
    }
    text
}
