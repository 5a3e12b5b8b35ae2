//! For people: findings in the style of rustc, each followed by the safe way.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};
use refit_lint::{Finding, Severity};
use refit_model::LineIndex;
use refit_model::redact::Secrets;
use refit_model::wording::counted;

use super::excerpt::Excerpt;
use super::{Report, lock_sentence, summary};
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Text, text};

/// Renders with colours, which are removed if standard output is not a terminal.
pub(super) fn render(report: &Report<'_>) -> Text {
    let renderer = Renderer::styled();
    let mut text = Text::default();
    let mut findings = report.outcome.findings.as_slice();
    // Findings are in the order of the files.
    let mut inputs = report.sources.inputs.iter();
    while let Some(first) = findings.first() {
        let count = findings.iter().take_while(|finding| finding.path == first.path).count();
        let (of_file, rest) = findings.split_at(count);
        let source = match inputs.find(|input| input.path == first.path) {
            Some(input) => input.text(),
            None => source(report, &first.path),
        };
        let source = Secrets::of(&source).masked(&source);
        let index = LineIndex::new(&source);
        for finding in of_file {
            text.push(Text::drawn(draw(&renderer, finding, &source, &index)));
            text.push("\n\n");
        }
        findings = rest;
    }
    let is_rule = |finding: &&Finding| refit_lint::RULES.iter().any(|rule| rule.name == finding.rule);
    if let Some(finding) = report.outcome.findings.iter().find(is_rule) {
        let more = format!("For more about a finding, try `cargo xtask explain {}`.", finding.rule);
        text.push(text![QUIET.of(more), "\n"]);
    }
    let counts = &report.outcome.summary;
    let style = match () {
        () if counts.errors > 0 => BAD,
        () if counts.warnings > 0 => WARN,
        () => GOOD,
    };
    text.push(style.of(summary(report.outcome)));
    text
}

/// The text of a file as linted.
pub(super) fn source(report: &Report<'_>, path: &str) -> String {
    let (settings_path, settings) = &report.sources.config.settings;
    match report.sources.inputs.iter().find(|input| input.path == path) {
        _ if settings_path == path => settings.clone(),
        Some(input) => input.text(),
        None => String::new(),
    }
}

fn draw(renderer: &Renderer, finding: &Finding, source: &str, index: &LineIndex<'_>) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(&finding.message).id(finding.rule);
    // Names come from a file, and the renderer does not escape labels.
    let lock = lock_sentence(finding).map(|lock| normalize_untrusted_str(&lock));
    let group = match Excerpt::new(finding.span.start as usize..finding.span.end as usize, source, index) {
        Some(shown) => {
            let label = match shown.lines_left {
                0 => lock,
                left => Some(
                    [lock, Some(format!("({} more)", counted(left, "line")))]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join(" "),
                ),
            };
            let annotation = AnnotationKind::Primary.span(shown.span).label(label);
            let snippet = Snippet::source(shown.text).line_start(finding.start.line).annotation(annotation);
            match shown.is_cut {
                // The snippet's columns are not those of the file.
                true => title.element(origin(finding)).element(snippet),
                false => title.element(snippet.path(&finding.path)),
            }
        }
        None => title.element(origin(finding)).elements(lock.map(|lock| Level::NOTE.message(lock))),
    };
    renderer.render(&[with_help(group, &finding.help)])
}

fn origin(finding: &Finding) -> Origin<'_> {
    Origin::path(&finding.path).line(finding.start.line).char_column(finding.start.column)
}

/// Adds the help: a sentence, and SQL to paste.
fn with_help<'a>(group: Group<'a>, help: &str) -> Group<'a> {
    if help.is_empty() {
        return group;
    }
    // Escape each line: text from a file must not control the terminal.
    let lines: Vec<String> = help.lines().map(normalize_untrusted_str).collect();
    group.element(Level::HELP.message(lines.join("\n")))
}
