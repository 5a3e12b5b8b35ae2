//! `cargo xtask explain RULE`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use refit_lint::{RULES, suggestion};
use serde_json::json;
use similar::TextDiff;

use crate::context::Context;
use crate::render::rule_page;
use crate::render::rules::{DOCUMENT, document, entry, list, with_page};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 success; 1 with --check, the file differs; 2 could not run.\n\n\
                  Examples:\n  cargo xtask explain drop-column\n  cargo xtask explain --list\n  \
                  cargo xtask explain --markdown > docs/rules.md\n  cargo xtask explain --check")]
#[group(required = true, multiple = false)]
pub struct Args {
    /// The rule's name
    rule: Option<String>,
    /// List all rules with name, severity and title
    #[arg(long)]
    list: bool,
    /// Print all pages as one Markdown document
    #[arg(long)]
    markdown: bool,
    /// Compare a Markdown document with the pages [default file: docs/rules.md of this workspace]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = DOCUMENT)]
    check: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.rule {
        _ if args.list => context.out.result(&RULES.iter().map(entry).collect::<Vec<_>>(), list())?,
        _ if args.markdown => context.out.print(document().trim_end())?,
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

fn check(file: &std::path::Path, context: &Context) -> anyhow::Result<ExitCode> {
    let file = context.workspace.join(file);
    let shown = file.display();
    let found = fs::read_to_string(&file)
        .with_context(|| format!("cannot read {shown}; `cargo xtask explain --markdown` prints it"))?;
    let expected = document();
    let agrees = refit_model::normalise(&found) == expected;
    let text = match agrees {
        true => format!("{shown} is up to date with {} rules", RULES.len()),
        false => {
            let diff = TextDiff::from_lines(found.as_str(), expected.as_str());
            let diff = diff.unified_diff().context_radius(1).header("file", "rules").to_string();
            format!("{diff}\n{shown} differs from the rules; update it with `cargo xtask explain --markdown`")
        }
    };
    context.out.result(&json!({ "agrees": agrees }), text)?;
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
