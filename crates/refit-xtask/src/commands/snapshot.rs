//! `cargo xtask snapshot`

mod render;
mod side;

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use refit_catalog::{Catalog, ReadOptions};
use refit_devdb::ServerOptions;
use refit_model::MigrationSet;
use refit_rehearsal::{Difference, Place, Snapshots, Verdict, server_options, snapshots};
use serde::Serialize;

use self::render::{FORMATS, Schema};
use crate::context::Context;
use crate::database::{Database, with_schema};
use crate::output::{BAD, Format, GOOD, WAITS, one_of};
use crate::render::difference;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The migrations run on a private PostgreSQL that is thrown away, in order, backfills included. Into \
                  snapshots/ of the migrations folder go schema.snap, one delta a migration, and schema.json for machines, which \
                  the next build embeds for `verify` and for drift at boot. Commit all of it: a review of a migration then \
                  shows what becomes of the schema. The .snap files are insta's.\n\n\
                  With --format (text, json, mermaid, html) the schema is printed, and nothing is written; with --database-url on the \
                  command line, it is that database's schema.\n\n\
                  --diff takes two of: a database URL, a migrations folder, schema.json or schema.snap, a git revision (main, \
                  v1.2, HEAD~3; with git: before it where a file has the same name).\n\n\
                  Exit status: 0 fine, 1 --check or --diff found a difference, 2 could not run.\n\n\
                  Examples:\n  cargo xtask snapshot\n  cargo xtask snapshot --check\n  \
                  cargo xtask snapshot --check --pending && cargo insta review\n  \
                  cargo xtask snapshot --format json | jq .catalog.tables\n  \
                  cargo xtask snapshot --format html > schema.html\n  \
                  cargo xtask snapshot --database-url postgres://localhost/app\n  \
                  cargo xtask snapshot --diff main HEAD\n  \
                  cargo xtask snapshot --diff migrations postgres://localhost/app"
)]
pub struct Args {
    /// Write nothing, and fail where the files are not what the migrations make
    #[arg(long, conflicts_with = "diff")]
    check: bool,
    /// With --check, leave what differs beside the files for `cargo insta review`; schema.json is written as it is
    #[arg(long, requires = "check")]
    pending: bool,
    /// Compare two schemas: what B has otherwise than A
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    diff: Vec<String>,
    /// Fail if the schema has objects that the model does not support
    #[arg(long)]
    strict: bool,
    // The global option with more to choose from: same name and type, so that it may stand before the command as well.
    /// Print the schema in this format
    #[arg(long, value_name = "FORMAT", default_value = "human", value_parser = one_of(FORMATS))]
    format: Format,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let read = ReadOptions { strict: args.strict, ..ReadOptions::default() };
    if let [a, b] = &args.diff[..] {
        return diff([a, b], args.format, &read, context).await;
    }
    if context.database_named && !args.check {
        let database = Database::named(context)?;
        let print = |catalog: Catalog| {
            tell_unknown(&catalog, context);
            context.out.print(render::schema(&database.address(), &Schema::Database(&catalog), args.format))
        };
        with_schema(database.url(), &read, print).await??;
        return Ok(ExitCode::SUCCESS);
    }
    if args.check && matches!(args.format, Format::Mermaid | Format::Html) {
        bail!("--check tells people or machines what differs: give --format human or json");
    }
    let folder = context.migrations_dir();
    let made = make(&context.set()?, &read, context).await?;
    tell_unknown(&made.snapshot.catalog, context);
    if args.check {
        return check(&made, &folder, args, context);
    }
    if args.format != Format::Human {
        let workspace = context.workspace.file_name();
        let title = workspace.map_or_else(|| "migrations".into(), |name| name.to_string_lossy());
        context.out.print(render::schema(&title, &Schema::Set(&made), args.format))?;
        return Ok(ExitCode::SUCCESS);
    }
    let differences = made.compare(&folder)?;
    made.write(&folder, &differences)?;
    context.out.print(written(&differences, made.steps.len()))?;
    Ok(ExitCode::SUCCESS)
}

/// What a set makes, on a private server that is gone afterwards.
async fn make(set: &MigrationSet, read: &ReadOptions, context: &Context) -> anyhow::Result<Snapshots> {
    let place = Place::start(server_options(ServerOptions::from_env())).await?;
    let count = match set.migrations().len() + set.repeatables().len() {
        1 => "1 migration".to_owned(),
        count => format!("{count} migrations"),
    };
    context.out.note(format_args!("running {count} on a private PostgreSQL {}", place.version()));
    Ok(snapshots(&place, set, &context.global.environment, read).await?)
}

fn tell_unknown(catalog: &Catalog, context: &Context) {
    if !catalog.unknown.is_empty() {
        context.out.note(format_args!(
            "listed by name only, because the model does not support them: {}",
            catalog.unknown.join(", ")
        ));
    }
}

fn written(differences: &[Difference], count: usize) -> String {
    let mut text = String::new();
    for Difference { file, verdict, .. } in differences {
        match verdict {
            Verdict::Missing => text.push_str(&format!("  {GOOD}new{GOOD:#}      {file}\n")),
            Verdict::Changed => text.push_str(&format!("  {WAITS}changed{WAITS:#}  {file}\n")),
            Verdict::Stale => {
                text.push_str(&format!("  {BAD}removed{BAD:#}  {file}: its migration is no more\n"));
            }
        }
    }
    let outcome = if differences.is_empty() { "nothing has changed" } else { "written" };
    text + &format!("the schema and {}: {outcome}", deltas(count))
}

fn deltas(count: usize) -> String {
    if count == 1 { "1 delta".to_owned() } else { format!("{count} deltas") }
}

/// What `--check` tells machines.
#[derive(Serialize)]
struct Checked<'a> {
    format: u32,
    differences: &'a [Difference],
}

fn check(made: &Snapshots, folder: &Path, args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let differences = made.compare(folder)?;
    let checked = Checked { format: 1, differences: &differences };
    if differences.is_empty() {
        let count = deltas(made.steps.len());
        context.out.result(&checked, format_args!("the schema and {count} are what the migrations make"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for Difference { file, verdict, diff } in &differences {
        text.push_str(&match verdict {
            Verdict::Missing => format!("{BAD}missing{BAD:#}  {file}\n"),
            Verdict::Changed => format!("{BAD}differs{BAD:#}  {file}\n{}", difference::styled(diff)),
            Verdict::Stale => format!("{BAD}stale{BAD:#}    {file}: its migration is no more\n"),
        });
    }
    text.push_str("- is what is kept, + what the migrations make; accept it with `cargo xtask snapshot`");
    if args.pending {
        let pending = match made.write_pending(folder, &differences)?.len() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        text.push_str(&format!(", or look at {pending} with `cargo insta review`"));
    }
    context.out.result(&checked, text)?;
    Ok(ExitCode::from(1))
}

async fn diff(
    [a, b]: [&str; 2],
    format: Format,
    read: &ReadOptions,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let before = side::read(a, read, context).await?;
    let after = side::read(b, read, context).await?;
    let (text, differs) = render::difference(&before, &after, format)?;
    context.out.print(text)?;
    Ok(if differs { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
