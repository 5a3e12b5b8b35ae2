//! `cargo xtask doc`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use refit_lint::{Input, lint, predict};
use refit_model::FileKind;
use serde_json::json;

use crate::context::Context;
use crate::lint::sources::Sources;
use crate::output::Format;
use crate::render::doc::{Model, doc};
use crate::terminal;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The page has, for each migration: its description (.md), directives and dependencies, its SQL and down file, the locks \
                  and the work that the linter predicts, findings, and checks. It needs no network and no other file. The same set \
                  always gives the same page.\n\n\
                  Exit status: 0 written; 2 could not run.\n\n\
                  Examples:\n  cargo xtask doc\n  cargo xtask doc --output target/site/migrations"
)]
pub struct Args {
    /// The folder for index.html [default: target/refit-doc of this workspace]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?.with_variables_to_read(&context.global.environment, &context.variables());
    let sources = Sources::read(&[], context)?;
    let outcome = lint(&sources.inputs, &sources.config);
    let migrations: Vec<Input> =
        sources.inputs.iter().filter(|input| is_migration(input)).map(|input| sources.sent(input)).collect();
    let postgres = set.settings().postgres.unwrap_or(14);
    let model = Model::new(predict(&migrations, postgres), outcome.findings);
    let name = context.workspace.file_name().map(|name| name.to_string_lossy().into_owned());
    let title = format!("Migrations of {}", name.as_deref().unwrap_or("this workspace"));
    let page = terminal::plain(&doc(&title, &set, &model).render(Format::Html));
    let folder = args.output.clone().unwrap_or_else(|| context.workspace.join("target/refit-doc"));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("index.html");
    crate::fs::write(&path, format!("{page}\n").as_bytes())?;
    let shown = path.display().to_string();
    context.out.result(&json!({ "file": shown }), shown)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a file is a migration, and not one that stands beside it.
fn is_migration(input: &Input) -> bool {
    let name = input.path.rsplit('/').next().unwrap_or(&input.path);
    matches!(FileKind::of(name), Ok(FileKind::Migration { .. } | FileKind::Repeatable { .. }))
}
