//! Findings about the input itself: unreadable files, unknown names, and suppressions without effect.

use refit_model::{LineIndex, Position, Problem, Suppression};

use crate::check::File;
use crate::engine::covered;
use crate::finding::Finding;
use crate::levels::severity;
use crate::lint::Config;
use crate::rules::RULES;
use crate::sql::Span;

/// Turns problems with a file into findings of a rule, if it is enabled.
pub(crate) fn problem_findings(
    rule: &str,
    problems: &[Problem],
    file: &File,
    config: &Config,
) -> Vec<Finding> {
    if problems.is_empty() {
        return Vec::new();
    }
    let index = LineIndex::new(file.text.written());
    let finding = |problem: &Problem| {
        finding(rule, file, &index, config, problem.position, &problem.message, &problem.fix)
    };
    problems.iter().filter_map(finding).collect()
}

/// Moves suppressed findings into `suppressed`, and reports suppressions that are unknown, unused or without a reason.
pub(crate) fn suppress(
    mut findings: Vec<Finding>,
    suppressions: &[Suppression],
    statements: &[(Position, Position)],
    file: &File,
    config: &Config,
    suppressed: &mut Vec<Finding>,
) -> Vec<Finding> {
    if !suppressions.is_empty() {
        let used = take_out(&mut findings, suppressions, statements, suppressed);
        let index = LineIndex::new(file.text.written());
        for (suppression, used) in suppressions.iter().zip(used) {
            let reports = reports(suppression, used);
            let at = Some(suppression.position);
            findings.extend(reports.into_iter().filter_map(|(rule, message, help)| {
                finding(rule, file, &index, config, at, &message, &help)
            }));
        }
    }
    findings.sort_by(|a, b| (a.start, a.end, a.rule).cmp(&(b.start, b.end, b.rule)));
    findings
}

/// Moves suppressed findings into `suppressed`, and returns which suppressions were used.
fn take_out(
    findings: &mut Vec<Finding>,
    suppressions: &[Suppression],
    statements: &[(Position, Position)],
    suppressed: &mut Vec<Finding>,
) -> Vec<bool> {
    // Both statements and suppressions are in order: each suppression covers the statement that follows it.
    let covers: Vec<_> = suppressions.iter().map(|suppression| covered(suppression, statements)).collect();
    let mut used = vec![false; suppressions.len()];
    let is_suppressed = |finding: &mut Finding| {
        let until = covers.partition_point(|range| range.is_some_and(|(start, _)| start <= finding.start));
        // Suppressions above one statement are adjacent: the last ones that begin before the finding.
        let above = covers[..until].iter().enumerate().rev();
        let above = above.take_while(|(_, range)| range.is_some_and(|(_, end)| finding.start < end));
        let by = above.map(|(index, _)| index).find(|index| suppressions[*index].rule == finding.rule);
        if let Some(index) = by {
            used[index] = true;
        }
        by.is_some()
    };
    suppressed.extend(findings.extract_if(.., is_suppressed));
    used
}

/// The problems of a suppression: rule, message, help.
fn reports(suppression: &Suppression, used: bool) -> Vec<(&'static str, String, String)> {
    let rule = &suppression.rule;
    if !RULES.iter().any(|known| known.name == *rule) {
        return vec![("unknown-rule", format!("there is no rule `{rule}`"), suggestion(rule))];
    }
    let mut reports = Vec::new();
    if suppression.reason.is_empty() {
        let help = format!("give a reason: -- refit: allow({rule}): 12 rows, static table");
        reports.push(("suppression-without-reason", format!("`allow({rule})` has no reason"), help));
    }
    if !used {
        let help = "remove it, or put it directly above the statement".to_owned();
        reports.push(("unused-suppression", format!("`allow({rule})` suppresses nothing"), help));
    }
    reports
}

/// Unknown rule names in the settings.
pub(crate) fn unknown_rules(config: &Config) -> Vec<Finding> {
    let named = config.levels.keys().chain(config.paths.iter().flat_map(|(_, levels)| levels.keys()));
    let unknown: Vec<&String> = named.filter(|name| !RULES.iter().any(|rule| rule.name == **name)).collect();
    let (path, text) = &config.settings;
    let file = File {
        path: path.clone(),
        text: text.clone().into(),
        directives: refit_model::Directives::default(),
        explained: false,
        version: None,
        reported: true,
        line_ends: Default::default(),
    };
    let index = LineIndex::new(file.text.written());
    let finding = |name: &String| {
        let at = text.find(name.as_str()).map(|offset| index.position(offset));
        let message = format!("there is no rule `{name}`");
        finding("unknown-rule", &file, &index, config, at, &message, &suggestion(name))
    };
    let mut findings: Vec<Finding> = unknown.into_iter().filter_map(finding).collect();
    findings.sort_by_key(|finding| finding.start);
    findings
}

/// A suggestion for an unknown rule name.
pub fn suggestion(name: &str) -> String {
    match refit_model::nearest(name, RULES.iter().map(|rule| rule.name)) {
        Some(rule) => format!("did you mean `{rule}`?"),
        None => "`cargo xtask explain --list` shows all rules".to_owned(),
    }
}

/// A finding of a rule given by name, if it is enabled: from a position to the end of its line.
fn finding(
    rule: &str,
    file: &File,
    index: &LineIndex<'_>,
    config: &Config,
    at: Option<Position>,
    message: &str,
    help: &str,
) -> Option<Finding> {
    let rule = RULES.iter().find(|known| known.name == rule)?;
    let severity = severity(rule, config, &file.path)?;
    let (start, end) = match at {
        Some(at) => {
            let (line, next) = (index.line_start(at.line), index.line_start(at.line + 1));
            let text = file.text.written()[line..next].trim_end_matches('\n');
            let column = text.char_indices().nth(at.column - 1).map_or(text.len(), |(byte, _)| byte);
            (line + column, line + text.len())
        }
        None => (0, 0),
    };
    let span = Span { start: start as u32, end: end as u32 };
    Some(Finding::new(rule.name, severity, &file.path, span, index, message).with_help(help))
}
