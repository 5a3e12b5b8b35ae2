//! `cargo xtask explain RULE`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use refit_lint::{RULES, Rule, Severity, suggestion};
use serde_json::{Value, json};
use similar::TextDiff;

use crate::context::Context;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::render::rule_page;

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

/// The workspace's document of all pages.
pub(super) const DOCUMENT: &str = "docs/rules.md";

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.rule {
        _ if args.list => context.out.result(&RULES.iter().map(entry).collect::<Vec<_>>(), list())?,
        _ if args.markdown => context.out.print(document().trim_end())?,
        Some(name) => {
            let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
                bail!("there is no rule `{name}`; {}", suggestion(name));
            };
            context.out.result(&whole(rule), rule_page::terminal(rule))?;
        }
        None => return check(args.check.as_ref().unwrap_or(&PathBuf::from(DOCUMENT)), context),
    }
    Ok(ExitCode::SUCCESS)
}

fn entry(rule: &Rule) -> Value {
    json!({
        "name": rule.name,
        "title": rule.title(),
        "severity": rule.severity.map(Severity::as_str),
        "fixed": refit_lint::is_fixable(rule.name),
    })
}

fn whole(rule: &Rule) -> Value {
    let examples: Vec<Value> = rule
        .examples()
        .into_iter()
        .map(|example| json!({ "safe": example.safe, "since": example.since, "sql": example.sql }))
        .collect();
    let mut value = entry(rule);
    value["page"] = json!(rule.page());
    value["examples"] = json!(examples);
    value
}

fn list() -> String {
    let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    let line = |rule: &Rule| {
        let style = match rule.severity {
            Some(Severity::Error) => BAD,
            Some(Severity::Warning) => WARN,
            Some(Severity::Note) => GOOD,
            None => QUIET,
        };
        let severity = rule_page::severity(rule);
        format!("{:width$}  {style}{severity:7}{style:#}  {}", rule.name, rule.title())
    };
    RULES.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// All pages: a table of contents, then a section for each rule.
fn document() -> String {
    let mut text = "# Rules of the linter\n\n\
                    <!-- Written by `cargo xtask explain --markdown`; the pages are in crates/refit-lint/src/rules. -->\n\n\
                    | rule | severity | fires on |\n|---|---|---|\n"
        .to_owned();
    for rule in RULES {
        let (name, title) = (rule.name, rule.title().replace('|', "\\|"));
        text.push_str(&format!("| [`{name}`](#{name}) | {} | {title} |\n", rule_page::severity(rule)));
    }
    for rule in RULES {
        // The page's heading is the rule's title; here it goes below the name.
        let page = rule_page::markdown(rule, 2);
        let body = page.split_once('\n').map_or("", |(_, body)| body).trim_start_matches('\n');
        let title = rule.title();
        text.push_str(&format!(
            "\n## {}\n\n**{title}** ({})\n\n{body}\n",
            rule.name,
            rule_page::severity(rule)
        ));
    }
    text
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
