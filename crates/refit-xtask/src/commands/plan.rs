//! `cargo xtask plan`

use std::process::ExitCode;

use refit::backfill::JobStatus;
use refit::{Plan, Status};
use refit_backup::{Kind, doctor, touched_tables};
use refit_model::MigrationSet;

use crate::backups::{self, Location};
use crate::context::{Context, version_argument};
use crate::database::Database;
use crate::graph::Graph;
use crate::render;
use crate::render::backfill::unfinished;
use crate::selection::{Filter, Packages, Target};
use crate::styled::Text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 up to date, or with --sql or --graph the output was written; 1 something is pending or refused; \
                        2 could not run.\n\n\
                        Examples:\n  cargo xtask plan --database-url postgres://localhost/app\n  \
                        cargo xtask plan --to V0012 --format json\n  cargo xtask plan --to-release 2.0 --category data\n  cargo xtask plan --graph\n  cargo xtask plan --graph mermaid > plan.mmd\n  \
                        cargo xtask plan --sql > script.sql && psql -X -f script.sql postgres://localhost/app"
)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    packages: Packages,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    location: Location,
    /// Open the gate of a manual migration
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    include: Vec<i64>,
    /// Print a script that applies the plan by hand, in psql; it contains the migrations unredacted
    #[arg(long, conflicts_with_all = ["category", "release"])]
    sql: bool,
    /// Draw which migrations wait for which others (`after`, `depends`), as a tree or for Mermaid
    #[arg(long, value_name = "FORM", value_enum, num_args = 0..=1, default_missing_value = "tree", conflicts_with_all = ["sql", "category", "release"])]
    graph: Option<GraphForm>,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GraphForm {
    /// As a tree
    Tree,
    /// As a Mermaid flowchart
    Mermaid,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set_with_values()?;
    args.filter.check(&set)?;
    let migrator = args.packages.apply(context.migrator(set.clone()));
    let mut migrator = args.target.apply(&set, migrator)?;
    for version in &args.include {
        migrator = migrator.include(*version);
    }
    let database = Database::named_or_private(context).await?;
    let connection = database.connect().await?;
    let migrator = database.protected(migrator);
    if args.sql {
        let script = migrator.plan_sql(&connection).await;
        connection.close().await;
        context.out.script(&script?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(form) = args.graph {
        let status = migrator.status(&connection).await;
        connection.close().await;
        return draw(form, &set, &status?, context);
    }
    let mut plan = migrator.plan(&connection).await?;
    args.filter.retain(&set, &mut plan);
    // The JSON is only the plan; `backfill status` has the rest.
    let backfills = match context.out.human() {
        true => JobStatus::all(&connection, &migrator.state(&connection).await?).await?,
        false => Vec::new(),
    };
    let shown = |job: &&JobStatus| args.filter.shows(&set, Some(job.version), &job.name);
    let backfills: Vec<JobStatus> = backfills.iter().filter(shown).cloned().collect();
    connection.close().await;
    let backup = required_backup(args, &set, &plan, &database, context).await?;
    let lines = std::iter::once(render::plan::plan(&plan)).chain(backup).chain(unfinished(&backfills));
    context.out.result(&plan, Text::lines(lines))?;
    Ok(if plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Whether the backup that the environment requires before these steps can be made; none if it requires none.
async fn required_backup(
    args: &Args,
    set: &MigrationSet,
    plan: &Plan,
    database: &Database,
    context: &Context,
) -> anyhow::Result<Option<Text>> {
    let kind = backups::required(set, database, context).filter(|_| !plan.pending.is_empty());
    let Some(kind) = kind.filter(|_| context.out.human()) else { return Ok(None) };
    let steps = plan.pending.iter().map(|step| (step.kind, step.version, step.stem.as_str()));
    let tables = match kind {
        Kind::Tables => match touched_tables(set, steps) {
            Ok(tables) => Some(tables),
            Err(refused) => return Ok(Some(render::backups::impossible(kind, &refused.to_string()))),
        },
        // The run names the program, so there is nothing to examine.
        Kind::Command => return Ok(Some(render::backups::first(kind, "by --backup-command"))),
        Kind::RestorePoint | Kind::Full => None,
    };
    let found = doctor(database.url(), kind, tables.as_deref(), &args.location.options(context)).await?;
    Ok(Some(render::backups::required(&found)))
}

fn draw(form: GraphForm, set: &MigrationSet, status: &Status, context: &Context) -> anyhow::Result<ExitCode> {
    let applied = status.applied.iter().map(|row| row.version).collect();
    let graph = Graph::of(set, &status.plan, &applied);
    let text = match form {
        GraphForm::Tree => render::graph::tree(&graph),
        GraphForm::Mermaid => render::graph::mermaid(&graph).into(),
    };
    context.out.result(&graph, text)?;
    Ok(ExitCode::SUCCESS)
}
