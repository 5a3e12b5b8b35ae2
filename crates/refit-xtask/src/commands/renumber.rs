//! `cargo xtask renumber`

use std::process::ExitCode;

use refit_model::wording::counted;
use serde::Serialize;

use crate::branch::Branch;
use crate::branch::renumber::{Renumbering, renumbering};
use crate::context::Context;
use crate::fs;
use crate::output::GOOD;
use crate::render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Only migrations that the main branch does not have are renamed, with their companion files, and only if their \
                  versions are not after its newest one (of their package). They keep their order. `after` and `depends` in files of \
                  this branch follow, and so do comments and .md files that name a migration by its whole stem; a version that both \
                  branches use means the one of this branch there. The command shows the new names and asks; it renames all files or \
                  none. It works before a merge or rebase as well as after.\n\n\
                  The main branch is origin/HEAD, else main or master of origin, else the local ones. A database that has applied \
                  one of the migrations, such as your own, refuses the renamed file: roll back first, or start a new database.\n\n\
                  Exit status: 0 renumbered or nothing to do; 1 with --dry-run, files would be renamed; 2 could not run.\n\n\
                  Examples:\n  cargo xtask renumber\n  cargo xtask renumber --dry-run\n  \
                  cargo xtask renumber --since origin/release --yes"
)]
pub struct Args {
    /// The branch, commit or tag whose migrations keep their versions [default: the main branch]
    #[arg(long, value_name = "REF")]
    since: Option<String>,
    /// Show the new names, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    #[serde(flatten)]
    plan: &'a Renumbering,
    /// Whether the files were renamed.
    written: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let folder = context.migrations_dir();
    Branch::refuse_unmerged(&folder, "renumber")?;
    let branch = Branch::read(&folder, args.since.as_deref(), "renumber")?;
    let (plan, files) = renumbering(&branch, &folder)?;
    let document = |written| Document { format: 1, plan: &plan, written };
    if files.is_empty() {
        let text =
            format!("nothing to renumber: no version of this branch is before the newest of {}", branch.name);
        context.out.result(&document(false), text)?;
        return Ok(ExitCode::SUCCESS);
    }
    fs::check(&files)?;
    let shown = render::renumber::renumbering(&plan);
    if args.dry_run {
        context.out.result(&document(false), shown)?;
        note(&plan, context);
        return Ok(ExitCode::from(1));
    }
    if context.out.human() {
        context.out.print(shown)?;
    }
    context.out.confirm("Rename these files?", args.yes)?;
    fs::replace_all(&files)?;
    let count = counted(plan.renamed.len(), "file");
    context.out.result(&document(true), text![GOOD.of("renumbered"), format!(" {count}")])?;
    note(&plan, context);
    Ok(ExitCode::SUCCESS)
}

fn note(plan: &Renumbering, context: &Context) {
    plan.notes.iter().for_each(|note| context.out.note(note));
}
