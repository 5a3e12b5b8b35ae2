//! `cargo xtask new-migration NAME`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::context::Context;
use crate::drafts::{DraftArgs, draft};
use crate::recipes::{RecipeArgs, files_of};
use crate::render;
use crate::scaffold::{Existing, check_name, files};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The build rejects the files until each contains a statement; those of a recipe or a draft are complete.\n\n\
                        With --from, the files lead from the migrations to that schema, in their safe form. The draft runs on a private \
                        PostgreSQL, with made-up rows, and must end in exactly that schema; what cannot be drafted is listed, and the \
                        exit status is 1.\n\n\
                        Examples:\n  cargo xtask new-migration add_post_status\n  \
                        cargo xtask new-migration rebuild_search --outside-transaction\n  \
                        cargo xtask new-migration rename_title --recipe rename-column --table posts --column title --to headline\n  \
                        cargo xtask explain recipe:rename-column\n  \
                        cargo xtask new-migration add_tags --from postgres://localhost/app_dev\n  \
                        cargo xtask new-migration add_tags --from schema.sql --renamed posts.title=headline"
)]
pub struct Args {
    /// A description in lower-case words joined by underscores
    name: String,
    /// For statements that cannot run in a transaction, such as CREATE INDEX CONCURRENTLY
    #[arg(long, conflicts_with_all = ["recipe", "from"])]
    outside_transaction: bool,
    /// Take the next version in the range of this package of refit.toml
    #[arg(long, value_name = "PACKAGE")]
    package: Option<String>,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    draft: DraftArgs,
}

pub(crate) async fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
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
    if args.draft.from.is_some() {
        return drafted(args, &next, &folder, context).await;
    }
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

/// Exit status 1 if something could not be drafted.
async fn drafted(args: &Args, version: &str, folder: &Path, context: &Context) -> anyhow::Result<ExitCode> {
    let Some(draft) = Box::pin(draft(&args.name, version, &args.draft, context)).await? else {
        context.out.result(
            &json!({ "summary": "", "files": [] }),
            "the schemas are equal: there is nothing to write",
        )?;
        return Ok(ExitCode::SUCCESS);
    };
    let written = crate::fs::create_all(folder, &draft.files)?;
    let shown: Vec<String> = written.iter().map(|path| relative(path, &context.workspace)).collect();
    let document = json!({
        "summary": draft.summary, "files": shown, "rows": draft.survival, "findings": draft.findings,
        "rows_do_not_fit": draft.unfit, "not_undone": draft.not_undone, "not_drafted": draft.not_drafted,
    });
    context.out.result(&document, render::draft::draft(&draft, &shown))?;
    if !written.is_empty() {
        context.out.note("read the files; `cargo xtask rehearse` shows their locks");
    }
    Ok(if draft.not_drafted.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn relative(path: &Path, workspace: &Path) -> String {
    path.strip_prefix(workspace).unwrap_or(path).display().to_string()
}
