//! `cargo xtask reference`: writes `docs/reference/` from the definitions that it documents.

mod commands;
mod keys;
mod markdown;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory;
use refit_xtask::Context;
use serde_json::json;
use similar::TextDiff;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 success; 1 with --check, a page is out of date; 2 could not run.\n\n\
                  Examples:\n  cargo xtask reference\n  cargo xtask reference --check")]
pub(crate) struct Args {
    /// Write nothing; fail if a page is out of date
    #[arg(long)]
    check: bool,
}

/// The folder of the pages in the workspace.
const FOLDER: &str = "docs/reference";

/// A page: its path, and its text.
struct Page {
    path: PathBuf,
    text: String,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let pages = pages(&context.workspace)?;
    if args.check {
        let differences: Vec<String> = pages.iter().filter_map(difference).collect();
        let text = match differences.is_empty() {
            true => format!("{FOLDER} is up to date"),
            false => {
                format!("{}\n{FOLDER} is out of date; run `cargo xtask reference`", differences.join("\n"))
            }
        };
        context.out.result(&json!({ "up_to_date": differences.is_empty() }), text)?;
        return Ok(ExitCode::from(u8::from(!differences.is_empty())));
    }
    for Page { path, text } in &pages {
        let shown = path.display();
        path.parent().map_or(Ok(()), fs::create_dir_all).with_context(|| format!("cannot write {shown}"))?;
        fs::write(path, text).with_context(|| format!("cannot write {shown}"))?;
    }
    let written: Vec<&PathBuf> = pages.iter().map(|page| &page.path).collect();
    context.out.result(&json!({ "written": written }), format!("wrote {FOLDER}"))?;
    Ok(ExitCode::SUCCESS)
}

/// All pages, from the sources of a workspace and the commands of this program.
fn pages(workspace: &Path) -> anyhow::Result<[Page; 3]> {
    let page = |name: &str, text| Page { path: workspace.join(FOLDER).join(name), text };
    let model = workspace.join("crates/refit-model/src");
    Ok([
        page("cli.md", commands::page(refit_xtask::Cli::command())),
        page("directives.md", keys::directives(&model)?),
        page("settings.md", keys::settings(&model)?),
    ])
}

/// The difference between a file and its page, as a unified diff.
fn difference(page: &Page) -> Option<String> {
    let found = fs::read_to_string(&page.path).unwrap_or_default();
    let found = refit_model::normalise(&found);
    let diff = TextDiff::from_lines(&*found, page.text.as_str());
    let name = page.path.file_name().unwrap_or_default().to_string_lossy();
    let diff = diff.unified_diff().context_radius(1).header(&name, "the code").to_string();
    (found != page.text).then_some(diff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_up_to_date() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let differences: Vec<String> = pages(&workspace)
            .unwrap_or_else(|error| panic!("{error:#}"))
            .iter()
            .filter_map(difference)
            .collect();
        assert!(differences.is_empty(), "run `cargo xtask reference`\n{}", differences.join("\n"));
    }
}
