//! `cargo xtask snapshot`

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use refit_catalog::{Catalog, ReadOptions};
use refit_model::Footprints;
use refit_model::wording::counted;
use refit_rehearsal::{Difference, Snapshots, Verdict};
use serde::Serialize;

use crate::context::Context;
use crate::database::{Database, with_schema};
use crate::output::{BAD, Format, GOOD, WARN, one_of};
use crate::render::schema::{FORMATS, Schema};
use crate::render::{self, difference};
use crate::styled::{Text, text};
use crate::{footprints, fs, schema};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The migrations, including backfills, run in order on a private PostgreSQL, which is removed afterwards. The command \
                  writes to the folder snapshots/ of the migrations folder: schema.snap, one delta per migration, and schema.json, \
                  which the next build embeds for `verify` and for the drift check at boot. With `out_of_order = \"commuting\"` in \
                  refit.toml it also writes footprints.toml: what each migration touches. Commit these files, so that the review of a \
                  migration shows its effect on the schema. The .snap files have insta's format.\n\n\
                  With --format text, json, mermaid or html, the schema is printed and nothing is written; with --database-url on the \
                  command line, the schema of that database is printed.\n\n\
                  --diff compares two of: a database URL, a migrations folder, schema.json or schema.snap, a git revision (main, \
                  v1.2, HEAD~3; prefixed with git: if a file has the same name).\n\n\
                  Exit status: 0 success; 1 --check or --diff found a difference; 2 could not run.\n\n\
                  Examples:\n  cargo xtask snapshot\n  cargo xtask snapshot --check\n  \
                  cargo xtask snapshot --check --pending && cargo insta review\n  \
                  cargo xtask snapshot --format json | jq .catalog.tables\n  \
                  cargo xtask snapshot --format html > schema.html\n  \
                  cargo xtask snapshot --database-url postgres://localhost/app\n  \
                  cargo xtask snapshot --diff main HEAD\n  \
                  cargo xtask snapshot --diff migrations postgres://localhost/app"
)]
pub struct Args {
    /// Write nothing; fail if the files do not match the migrations
    #[arg(long, conflicts_with = "diff")]
    check: bool,
    /// With --check, write differing snapshots as .new files for `cargo insta review`, and update schema.json
    #[arg(long, requires = "check")]
    pending: bool,
    /// Compare two schemas: show the changes from A to B
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    diff: Vec<String>,
    /// Fail if the schema contains unsupported objects
    #[arg(long)]
    strict: bool,
    // The global option with more formats. It has the same name and type, so it may also precede the command.
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
            note_unknown(&catalog, context);
            context.out.print(render::schema::schema(
                &database.address(),
                &Schema::Database(&catalog),
                args.format,
            ))
        };
        with_schema(database.url(), &read, print).await??;
        return Ok(ExitCode::SUCCESS);
    }
    if args.check && matches!(args.format, Format::Mermaid | Format::Html) {
        bail!("--check does not support this format; give --format human or json");
    }
    let folder = context.migrations_dir();
    let set = context.set()?;
    let made = schema::make(&set, &read, context).await?;
    note_unknown(&made.snapshot.catalog, context);
    let footprints = footprints::file(&set);
    let mut differences = made.compare(&folder)?;
    if let Some(footprints) = &footprints {
        differences.extend(footprints::difference(footprints, &folder)?);
    }
    if args.check {
        return check(&made, differences, &folder, args, context);
    }
    if args.format != Format::Human {
        let workspace = context.workspace.file_name();
        let title = workspace.map_or_else(|| "migrations".into(), |name| name.to_string_lossy());
        context.out.print(render::schema::schema(&title, &Schema::Set(&made), args.format))?;
        return Ok(ExitCode::SUCCESS);
    }
    made.write(&folder, &differences)?;
    if let Some(footprints) = footprints {
        fs::write(&folder.join(Footprints::FILE), footprints.as_bytes())?;
    }
    context.out.print(written(&differences, made.steps.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn note_unknown(catalog: &Catalog, context: &Context) {
    if !catalog.unknown.is_empty() {
        context
            .out
            .note(format_args!("unsupported objects, listed by name only: {}", catalog.unknown.join(", ")));
    }
}

fn written(differences: &[Difference], count: usize) -> Text {
    let line = |Difference { file, verdict, .. }: &Difference| {
        let (style, word, note) = match verdict {
            Verdict::Missing => (GOOD, "new", ""),
            Verdict::Changed => (WARN, "changed", ""),
            Verdict::Stale => (BAD, "removed", ": its migration no longer exists"),
        };
        text!["  ", style.column(word, 7), format!("  {file}{note}")]
    };
    let outcome = if differences.is_empty() { "unchanged" } else { "written" };
    let summary = format!("the schema and {}: {outcome}", counted(count, "delta"));
    Text::lines(differences.iter().map(line).chain([summary.into()]))
}

/// The JSON document of `--check`.
#[derive(Serialize)]
struct Checked<'a> {
    format: u32,
    differences: &'a [Difference],
}

fn check(
    made: &Snapshots,
    differences: Vec<Difference>,
    folder: &Path,
    args: &Args,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let checked = Checked { format: 1, differences: &differences };
    if differences.is_empty() {
        let count = counted(made.steps.len(), "delta");
        context.out.result(&checked, format_args!("the schema and {count} match the migrations"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = Text::default();
    for Difference { file, verdict, diff, texts } in &differences {
        let (word, note) = match verdict {
            Verdict::Missing => ("missing", ""),
            Verdict::Changed => ("differs", ""),
            Verdict::Stale => ("stale", ": its migration no longer exists"),
        };
        text.push(text![BAD.column(word, 7), format!("  {file}{note}\n")]);
        match texts {
            Some([old, new]) => text.push(text![difference::of_file(file, old, new), "\n"]),
            None if *verdict == Verdict::Changed && !diff.is_empty() => text.push(diff.as_str()),
            None => {}
        }
    }
    text.push("- snapshot, + migrations; accept the changes with `cargo xtask snapshot`");
    if args.pending {
        let pending = match made.write_pending(folder, &differences)?.len() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        text.push(format!(", or review {pending} with `cargo insta review`"));
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
    let before = schema::read(a, read, context).await?;
    let after = schema::read(b, read, context).await?;
    let (text, differs) = render::schema::difference(&before, &after, format)?;
    context.out.print(text)?;
    Ok(if differs { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
