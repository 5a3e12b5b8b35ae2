//! `cargo xtask explain RULE`, `cargo xtask explain recipe:RECIPE`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use refit_lint::{RULES, suggestion};
use refit_recipes::RECIPES;
use serde_json::json;
use similar::TextDiff;

use crate::context::Context;
use crate::render::rules::{DOCUMENT, document, entry, list, with_page};
use crate::render::{recipes, rule_page};

const RULES_DOCUMENT: &str = "rules";
const RECIPES_DOCUMENT: &str = "recipes";

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 success; 1 with --check, the file differs; 2 could not run.\n\n\
                  Examples:\n  cargo xtask explain drop-column\n  cargo xtask explain --list\n  \
                  cargo xtask explain recipes\n  cargo xtask explain recipe:rename-column\n  \
                  cargo xtask explain --markdown > docs/rules.md\n  cargo xtask explain --check")]
#[group(required = true, multiple = false)]
pub struct Args {
    /// The rule's name; `recipes` for the list of recipes, or `recipe:` and the name of one
    rule: Option<String>,
    /// List all rules with name, severity and title
    #[arg(long)]
    list: bool,
    /// Print all pages of `rules` or `recipes` as one Markdown document [default: rules]
    #[arg(long, value_name = "WHICH", num_args = 0..=1, default_missing_value = RULES_DOCUMENT, value_parser = [RULES_DOCUMENT, RECIPES_DOCUMENT])]
    markdown: Option<String>,
    /// Compare a Markdown document with the pages, those of the recipes if its name is recipes.md [default file: docs/rules.md of this workspace]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = DOCUMENT)]
    check: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.rule {
        _ if args.list => context.out.result(&RULES.iter().map(entry).collect::<Vec<_>>(), list())?,
        _ if args.markdown.is_some() => {
            context.out.print(document_of(args.markdown.as_deref()).trim_end())?
        }
        Some(name) if name == RECIPES_DOCUMENT => {
            context.out.result(&RECIPES.iter().map(recipes::entry).collect::<Vec<_>>(), recipes::list())?;
        }
        Some(name) if name.starts_with("recipe:") => {
            let recipe = refit_recipes::find(name.trim_start_matches("recipe:"))?;
            context.out.result(&recipes::entry(recipe), recipes::page(recipe))?;
        }
        Some(name) => {
            let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
                bail!("there is no rule `{name}`; {}", suggestion(name));
            };
            context.out.result(&with_page(rule), rule_page::terminal(rule))?;
        }
        None => return check(args.check.as_ref().unwrap_or(&PathBuf::from(DOCUMENT)), context),
    }
    Ok(ExitCode::SUCCESS)
}

fn document_of(which: Option<&str>) -> String {
    if which == Some(RECIPES_DOCUMENT) { recipes::document() } else { document() }
}

fn check(file: &std::path::Path, context: &Context) -> anyhow::Result<ExitCode> {
    let of_recipes = file.file_name() == Path::new(recipes::DOCUMENT).file_name();
    let (which, count) =
        if of_recipes { (RECIPES_DOCUMENT, RECIPES.len()) } else { (RULES_DOCUMENT, RULES.len()) };
    let command =
        if of_recipes { "cargo xtask explain --markdown recipes" } else { "cargo xtask explain --markdown" };
    let file = context.workspace.join(file);
    let shown = file.display();
    let found =
        fs::read_to_string(&file).with_context(|| format!("cannot read {shown}; `{command}` prints it"))?;
    let expected = document_of(Some(which));
    let agrees = refit_model::normalise(&found) == expected;
    let text = match agrees {
        true => format!("{shown} is up to date with {count} {which}"),
        false => {
            let diff = TextDiff::from_lines(found.as_str(), expected.as_str());
            let diff = diff.unified_diff().context_radius(1).header("file", which).to_string();
            format!("{diff}\n{shown} differs from the {which}; update it with `{command}`")
        }
    };
    context.out.result(&json!({ "agrees": agrees }), text)?;
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
