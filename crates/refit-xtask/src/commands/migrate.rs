//! `cargo xtask migrate`

use std::process::ExitCode;

use refit::{Plan, Report, StepKind};
use refit_model::MigrationSet;
use serde::Serialize;

use crate::commands::progress;
use crate::commands::status::coloured_plan;
use crate::context::{Context, version_argument};
use crate::database::Database;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 applied or nothing to do, 1 with --dry-run when something is pending, \
                        2 could not run.\n\nExamples:\n  cargo xtask migrate --database-url postgres://localhost/app\n  \
                        cargo xtask migrate --dry-run\n  cargo xtask migrate --to V0012 --include V0009"
)]
pub struct Args {
    /// Apply no version above this one, and no repeatable migration
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    to: Option<i64>,
    /// Run a manual migration too
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    include: Vec<i64>,
    /// Print the plan and its SQL, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Work on a private, empty database that is thrown away, whatever database is named
    #[arg(long)]
    private: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let mut migrator = context.migrator(set.clone());
    if let Some(to) = args.to {
        migrator = migrator.to(to);
    }
    for version in &args.include {
        migrator = migrator.include(*version);
    }
    let database = if args.private {
        Database::private(context).await?
    } else {
        Database::named_or_private(context).await?
    };
    if args.dry_run {
        let connection = database.connect().await?;
        let plan = migrator.plan(&connection).await?;
        connection.close().await;
        return dry_run(&plan, &set, context);
    }
    let report: Report = progress::shown(migrator, context.out).run(database.url()).await?;
    context.out.result(&report, summary(&report, &database.address()))?;
    Ok(ExitCode::SUCCESS)
}

/// The steps were shown as they happened; what is left to say is the end.
fn summary(report: &Report, address: &str) -> String {
    let text = Report { steps: Vec::new(), ..report.clone() }.to_string();
    let applied = match report.steps.len() {
        1 => "applied 1 migration".to_owned(),
        count => format!("applied {count} migrations"),
    };
    let text = if report.steps.is_empty() { text } else { text.replace("nothing to apply", &applied) };
    format!("{text} ({address})")
}

#[derive(Serialize)]
struct DryRun<'a> {
    plan: &'a Plan,
    statements: Vec<PendingSql<'a>>,
}

#[derive(Serialize)]
struct PendingSql<'a> {
    path: &'a str,
    sql: &'a str,
}

fn dry_run(plan: &Plan, set: &MigrationSet, context: &Context) -> anyhow::Result<ExitCode> {
    let sql = |step: &refit::PlannedStep| match step.kind {
        StepKind::Versioned => {
            step.version.and_then(|version| set.migration(version)).map(|m| m.sql.as_ref())
        }
        StepKind::Repeatable => {
            set.repeatables().iter().find(|repeatable| repeatable.stem == step.stem).map(|r| r.sql.as_ref())
        }
    };
    let statements: Vec<PendingSql<'_>> = plan
        .pending
        .iter()
        .filter_map(|step| sql(step).map(|sql| PendingSql { path: &step.path, sql }))
        .collect();
    let mut text = coloured_plan(plan);
    for PendingSql { path, sql } in &statements {
        text.push_str(&format!("\n\n-- {path}\n{}", sql.trim_end()));
    }
    context.out.result(&DryRun { plan, statements }, text)?;
    Ok(if plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
