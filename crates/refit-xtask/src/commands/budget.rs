//! `cargo xtask budget`

use std::process::ExitCode;

use crate::context::Context;
use crate::database::Database;
use crate::render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A budget is a query whose time is measured: in V0012__x.budget.sql beside a migration, or in budgets/*.sql for the \
                  whole database. Each is executed in a read-only transaction as often as its option `runs` says, with the rows of \
                  its option `parameters` as $1, $2 and so on. `cargo xtask migrate --budgets measure` compares before and after.\n\n\
                  Exit status: 0 all within their budgets; 1 a query takes longer, or cannot run; 2 could not run.\n\n\
                  Examples:\n  cargo xtask budget --database-url postgres://localhost/app\n  \
                  cargo xtask budget listing_by_platform\n  \
                  cargo xtask budget --format json | jq '.budgets[] | {name, p95: .after.p95}'"
)]
pub struct Args {
    /// Names of budgets [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let migrator = context.migrator(context.set()?);
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let results = migrator.measure_budgets(&connection, &args.names).await?;
    connection.close().await;
    let text = text![database.address(), "\n", render::budgets::budgets(&results)];
    context.out.result(&serde_json::json!({ "format": 1, "budgets": results }), text)?;
    let is_over = results.iter().any(refit::BudgetResult::is_over);
    Ok(if is_over { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
