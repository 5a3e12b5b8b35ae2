//! `cargo xtask new-migration NAME`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::context::Context;
use crate::recipes::{RecipeArgs, files_of};
use crate::scaffold::{Existing, check_name, files};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The build rejects the files until each contains a statement; those of a recipe are complete.\n\n\
                        Examples:\n  cargo xtask new-migration add_post_status\n  \
                        cargo xtask new-migration rebuild_search --outside-transaction\n  \
                        cargo xtask new-migration rename_title --recipe rename-column --table posts --column title --to headline\n  \
                        cargo xtask explain recipe:rename-column"
)]
pub struct Args {
    /// A description in lower-case words joined by underscores
    name: String,
    /// For statements that cannot run in a transaction, such as CREATE INDEX CONCURRENTLY
    #[arg(long, conflicts_with = "recipe")]
    outside_transaction: bool,
    /// Take the next version in the range of this package of refit.toml
    #[arg(long, value_name = "PACKAGE")]
    package: Option<String>,
    #[command(flatten)]
    recipe: RecipeArgs,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    check_name(&args.name)?;
    let folder = context.migrations_dir();
    let recipe = args.recipe.requested()?;
    if recipe.is_none() {
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let existing = Existing::read(&folder)?;
    if let Some(path) = existing.named(&args.name) {
        bail!("{path} already has that name; choose another one");
    }
    let next = existing.next(args.package.as_deref())?;
    let (files, note) = match &recipe {
        None => (files(&format!("V{next}__{}", args.name), args.outside_transaction).to_vec(), SCAFFOLD),
        Some(recipe) => (files_of(recipe, &args.name, &next, &existing, &folder, context)?, COMPLETE),
    };
    let written = crate::fs::create_all(&folder, &files)?;
    let shown: Vec<String> = written.iter().map(|path| relative(path, &context.workspace)).collect();
    context.out.result(&json!({ "files": shown }), shown.join("\n"))?;
    context.out.note(note);
    Ok(ExitCode::SUCCESS)
}

const SCAFFOLD: &str = "write a statement in each file, or delete those that you do not need; then run `cargo xtask migrate --private`";

const COMPLETE: &str = "the files are complete; the .md files say which release may be deployed at which step. Read them, and run \
                        `cargo xtask rehearse`";

fn relative(path: &Path, workspace: &Path) -> String {
    path.strip_prefix(workspace).unwrap_or(path).display().to_string()
}
