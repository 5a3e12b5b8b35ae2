//! `cargo xtask verify`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use refit::{CheckSelection, Plan, Verdict};
use refit_catalog::{Drift, ReadOptions, Snapshot};
use refit_rehearsal::SNAPSHOTS;

use crate::context::Context;
use crate::database::Database;
use crate::render::verification::{State, Verified, named, verification};
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Compares with the snapshot that `cargo xtask snapshot` wrote. A database that is not at the version of the \
                  migrations is reported as behind or ahead and not compared. The checks of applied migrations \
                  and of the folder checks run, too. To always ignore objects, list them in refit.toml:\n\n  \
                  [verify]\n  ignore_tables = [\"ev_*\"]\n  ignore_schemas = [\"monitoring\"]\n\n\
                  Exit status: 0 no difference; 1 drift, another version, or a check that fails; 2 could not run.\n\n\
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
    /// Do not run the checks
    #[arg(long)]
    no_checks: bool,
    /// Fail if the database contains unsupported objects
    #[arg(long)]
    strict: bool,
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
    let migrator = context.migrator(set);
    let plan = migrator.plan(&connection).await?;
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
    let checks = match args.no_checks || !plan.refusals.is_empty() {
        true => Vec::new(),
        false => migrator.check(&connection, &CheckSelection::default()).await?,
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
        differences: drift.as_ref().map_or_else(Vec::new, |drift| named(&drift.delta.changes)),
        not_counted: drift.as_ref().map_or_else(Vec::new, |drift| named(&drift.not_counted)),
        checks: &checks,
    };
    let text = text![database.address(), "\n", verification(&verified, &plan, drift.as_ref())];
    context.out.result(&verified, text)?;
    let holds = checks.iter().all(|check| check.verdict != Verdict::Failed);
    Ok(if state == State::Same && holds { ExitCode::SUCCESS } else { ExitCode::from(1) })
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
