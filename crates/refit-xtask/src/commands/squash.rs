//! `cargo xtask squash --to VERSION`

use std::process::ExitCode;

use refit_backup::TableContent;
use refit_model::Version;
use refit_model::wording::counted;
use serde::Serialize;

use crate::context::{Context, version_argument};
use crate::fs;
use crate::output::GOOD;
use crate::scaffold::check_name;
use crate::squash::{counted_rows, make};
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A database to which nothing was applied runs the checkpoint in one transaction, records the migrations up to its version \
                  as applied, and continues with the next one. All other databases ignore it, and so does plain refinery: keep the \
                  migrations. A database does not begin with a checkpoint if its session creates objects in another schema than \
                  public, if packages or a lower version are selected, or if its environment requires approvals or promotions.\n\n\
                  The migrations run on a private PostgreSQL, pg_dump writes their schema, the file runs on a second one, and the \
                  schemas must be equal. Run it with the oldest PostgreSQL in use (REFIT_PG). A checkpoint cannot contain manual \
                  migrations, those of some environments, and placeholders; a later migration cannot wait for one of its backfills. \
                  Rows are refused by table unless --with-rows is given. An edit of one of the migrations needs a new checkpoint: \
                  until then the folder is invalid.\n\n\
                  Exit status: 0 written; 2 could not run, or the checkpoint would differ.\n\n\
                  Examples:\n  cargo xtask squash --to V0018\n  cargo xtask squash --to 18 --with-rows --name schema_2026\n  \
                  cargo xtask squash --to V0018 --dry-run"
)]
pub struct Args {
    /// The last version that the checkpoint contains
    #[arg(long, value_name = "VERSION", value_parser = version_argument)]
    to: Version,
    /// The name of the file after its version
    #[arg(long, value_name = "NAME", default_value = "baseline")]
    name: String,
    /// Also write the rows that the migrations insert
    #[arg(long)]
    with_rows: bool,
    /// Make and compare the checkpoint, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    file: &'a str,
    version: Version,
    squashed: usize,
    postgres: u32,
    rows: &'a [TableContent],
    written: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    check_name(&args.name)?;
    let set = context.set()?;
    let made = Box::pin(make(&set, (args.to, &args.name), args.with_rows, context)).await?;
    if !args.dry_run {
        fs::write(&context.migrations_dir().join(&made.file), made.text.as_bytes())?;
    }
    let document = Document {
        format: 1,
        file: &made.file,
        version: args.to,
        squashed: made.squashed,
        postgres: made.postgres,
        rows: &made.contents,
        written: !args.dry_run,
    };
    let word = if args.dry_run { "proven" } else { "written" };
    let count = counted(made.squashed, "migration");
    let mut text = text![GOOD.of(word), format!(" {}: the schema of {count}", made.file)];
    for TableContent { table, rows, .. } in &made.contents {
        text.push(format!("\n  {} of {table}", counted_rows(*rows)));
    }
    context.out.result(&document, text)?;
    if let Some(older) = set.checkpoint().filter(|older| older.path != made.file && older.version < args.to) {
        context.out.note(format_args!("{} is no longer used; remove it", older.path));
    }
    Ok(ExitCode::SUCCESS)
}
