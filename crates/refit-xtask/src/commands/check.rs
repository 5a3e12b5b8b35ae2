//! `cargo xtask check`

use std::process::ExitCode;

use refit::{CheckSelection, Verdict};

use crate::context::Context;
use crate::database::Database;
use crate::render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A check is a query that returns no rows when all is well: in V0012__x.check.sql beside a migration, or in \
                  checks/*.sql for the whole database. Each runs in a read-only transaction, with its own time limit.\n\n\
                  Exit status: 0 all passed, or only warned; 1 a check failed; 2 could not run.\n\n\
                  Examples:\n  cargo xtask check --database-url postgres://localhost/app\n  \
                  cargo xtask check every_version_has_a_site\n  \
                  cargo xtask check --pending\n  \
                  cargo xtask check --format json | jq '.checks[] | select(.verdict == \"failed\")'"
)]
pub struct Args {
    /// Names of checks [default: all of applied migrations and of the whole database]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Run the checks that pending migrations require beforehand (`when = "before"`)
    #[arg(long)]
    pending: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let migrator = context.migrator(context.set()?);
    let database = Database::named(context)?;
    let connection = database.connect().await?;
    let mut selection = CheckSelection::default();
    selection.names = args.names.clone();
    selection.pending = args.pending;
    let results = migrator.check(&connection, &selection).await?;
    connection.close().await;
    let text = text![database.address(), "\n", render::checks::checks(&results)];
    context.out.result(&serde_json::json!({ "format": 1, "checks": results }), text)?;
    let failed = results.iter().any(|result| result.verdict == Verdict::Failed);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
