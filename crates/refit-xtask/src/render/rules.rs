//! Rendering of all rules of the linter: as a list, as JSON, and as one document.

use refit_lint::{RULES, Rule, Severity};
use serde_json::{Value, json};

use super::rule_page;
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Text, text};

/// The document of all pages in a workspace.
pub(crate) const DOCUMENT: &str = "docs/rules.md";

/// A rule as JSON.
pub(crate) fn entry(rule: &Rule) -> Value {
    json!({
        "name": rule.name,
        "title": rule.title(),
        "severity": rule.severity.map(Severity::as_str),
        "fixed": refit_lint::is_fixable(rule.name),
    })
}

/// A rule with its page and examples as JSON.
pub(crate) fn with_page(rule: &Rule) -> Value {
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

/// All rules, a line each.
pub(crate) fn list() -> Text {
    let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    let line = |rule: &Rule| {
        let style = match rule.severity {
            Some(Severity::Error) => BAD,
            Some(Severity::Warning) => WARN,
            Some(Severity::Note) => GOOD,
            None => QUIET,
        };
        let severity = rule_page::severity(rule);
        text![format!("{:width$}  ", rule.name), style.column(severity, 7), "  ", rule.title()]
    };
    Text::lines(RULES.iter().map(line))
}

/// All pages: a table of contents, then a section for each rule.
pub(crate) fn document() -> String {
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
        let body = rule_page::markdown_body(rule, 2);
        let title = rule.title();
        text.push_str(&format!(
            "\n## {}\n\n**{title}** ({})\n\n{body}\n",
            rule.name,
            rule_page::severity(rule)
        ));
    }
    text
}
