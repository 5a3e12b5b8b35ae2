//! Rendering of a rule's page for a terminal and as Markdown.

use std::fmt::Write as _;

use refit_lint::Rule;
use toml::Table;

use crate::styled::{Style, Text, text};

/// A part of a page.
enum Part<'p> {
    /// `## Safe way`: depth and text.
    Heading(usize, &'p str),
    /// A fenced block: its info string and lines.
    Code(&'p str, Vec<&'p str>),
    /// A tested claim about what the server does, as a sentence.
    Claim(String),
    Line(&'p str),
}

const BOLD: Style = Style::Bold;

/// For a terminal: bold headings, indented code.
pub(crate) fn terminal(rule: &Rule) -> Text {
    let mut lines = vec![text![BOLD.of(rule.name), format!(" ({})", severity(rule))]];
    let page = rule.page();
    for part in parts(&page) {
        match part {
            Part::Heading(_, words) => lines.push(BOLD.of(words)),
            Part::Code(info, code) => {
                lines.extend(label(info).map(|label| BOLD.of(format!("{label}:"))));
                lines.extend(code.iter().map(|line| format!("    {line}").trim_end().into()));
            }
            Part::Claim(words) => lines.push(words.into()),
            Part::Line(line) => lines.push(line.into()),
        }
    }
    lines.extend(fix_note(rule).lines().map(Text::from));
    while lines.last().is_some_and(Text::is_empty) {
        lines.pop();
    }
    Text::lines(lines)
}

/// As Markdown, with headings `deeper` levels down.
pub(crate) fn markdown(rule: &Rule, deeper: usize) -> String {
    markdown_of(rule, parts(&rule.page()), deeper)
}

/// The same without the title.
pub(crate) fn markdown_body(rule: &Rule, deeper: usize) -> String {
    let page = rule.page();
    let mut parts = parts(&page);
    parts.drain(..1.min(parts.len()));
    markdown_of(rule, parts, deeper).trim_start_matches('\n').to_owned()
}

fn markdown_of(rule: &Rule, parts: Vec<Part<'_>>, deeper: usize) -> String {
    let mut text = String::new();
    for part in parts {
        // Writing to a String does not fail.
        let _ = match part {
            Part::Heading(depth, words) => writeln!(text, "{} {words}", "#".repeat(depth + deeper)),
            Part::Code(info, lines) => {
                let language = info.split(',').next().unwrap_or_default();
                let label = label(info).map(|label| format!("{label}:\n")).unwrap_or_default();
                writeln!(text, "{label}```{language}\n{}\n```", lines.join("\n"))
            }
            Part::Claim(words) => writeln!(text, "{words}"),
            Part::Line(line) => writeln!(text, "{line}"),
        };
    }
    text.push_str(fix_note(rule));
    text.trim_end().to_owned()
}

/// A note for rules whose findings `--fix` can fix.
fn fix_note(rule: &Rule) -> &'static str {
    match refit_lint::is_fixable(rule.name) {
        true => "\n`cargo xtask lint-migrations --fix` fixes this where the statement allows it.",
        false => "",
    }
}

/// `error`, `warning`, `note` or `off`.
pub(crate) fn severity(rule: &Rule) -> &'static str {
    rule.severity.map_or("off", |severity| severity.as_str())
}

fn parts(page: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info, Vec::new())),
            (Some(_), Some(_)) => parts.extend(open.take().map(|(info, lines)| match info {
                "toml,claim" => Part::Claim(claim(&lines.join("\n"))),
                info => Part::Code(info, lines),
            })),
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => match line.split_once(' ') {
                Some((hashes, words)) if !hashes.is_empty() && hashes.bytes().all(|byte| byte == b'#') => {
                    parts.push(Part::Heading(hashes.len(), words));
                }
                _ => parts.push(Part::Line(line)),
            },
        }
    }
    parts
}

/// `sql,safe,pg18` becomes `Safe, PostgreSQL 18 and later`.
fn label(info: &str) -> Option<String> {
    let words: Vec<&str> = info.split(',').map(str::trim).collect();
    let kind = match () {
        () if words.contains(&"unsafe") => "Unsafe",
        () if words.contains(&"safe") => "Safe",
        () => return None,
    };
    let since = words.iter().find_map(|word| word.strip_prefix("pg"));
    Some(since.map_or(kind.to_owned(), |since| format!("{kind}, PostgreSQL {since} and later")))
}

/// A claim about the unsafe example as a sentence.
fn claim(text: &str) -> String {
    let claim: Table = text.parse().unwrap_or_default();
    let string = |key: &str| claim.get(key).and_then(|value| value.as_str());
    let is = |key: &str| claim.get(key).and_then(|value| value.as_bool());
    let table = string("table").map_or("the table".to_owned(), |table| format!("`{table}`"));
    let mut does = Vec::new();
    does.extend(string("lock").map(|lock| format!("takes {lock} on {table}")));
    does.extend(is("rewrite").map(|yes| phrase(yes, "rewrites", "does not rewrite", &table)));
    does.extend(is("scan").map(|yes| phrase(yes, "reads all of", "does not read", &table)));
    does.extend(string("error").map(|state| format!("fails with SQLSTATE {state}")));
    let since = match claim.get("since").and_then(|value| value.as_integer()) {
        Some(version) => format!(" {version} and later"),
        None => String::new(),
    };
    format!("Shown on PostgreSQL{since}: the unsafe example {}.", does.join(", "))
}

fn phrase(yes: bool, does: &str, does_not: &str, table: &str) -> String {
    format!("{} {table}", if yes { does } else { does_not })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_become_sentences() {
        assert_eq!(
            claim("lock = \"ACCESS EXCLUSIVE\"\ntable = \"posts\"\nrewrite = true\nscan = false\nsince = 15"),
            "Shown on PostgreSQL 15 and later: the unsafe example takes ACCESS EXCLUSIVE on `posts`, rewrites `posts`, \
             does not read `posts`."
        );
        assert_eq!(
            claim("error = \"25001\""),
            "Shown on PostgreSQL: the unsafe example fails with SQLSTATE 25001."
        );
    }

    #[test]
    fn fences_become_labels() {
        assert_eq!(label("sql,safe,pg18").as_deref(), Some("Safe, PostgreSQL 18 and later"));
        assert_eq!(label("sql,unsafe").as_deref(), Some("Unsafe"));
        assert_eq!(label("sql"), None);
    }
}
