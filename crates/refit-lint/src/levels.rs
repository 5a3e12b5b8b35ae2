//! Which rules are enabled for a file, and with which severity.

use refit_model::LintLevel;

use crate::finding::Severity;
use crate::lint::{Config, file_name};
use crate::rule::Rule;
use crate::rules::RULES;

/// The enabled rules of a file, with their severity.
pub(crate) fn active(config: &Config, path: &str) -> Vec<(&'static Rule, Severity)> {
    let mut active = Vec::with_capacity(RULES.len());
    active.extend(
        RULES.iter().filter_map(|rule| severity(rule, config, path).map(|severity| (rule, severity))),
    );
    active
}

/// The severity of a rule's findings in a file; `None` if the rule is off there.
pub(crate) fn severity(rule: &Rule, config: &Config, path: &str) -> Option<Severity> {
    let by_path = config
        .paths
        .iter()
        .rev()
        .find_map(|(place, levels)| levels.get(rule.name).filter(|_| covers(place, config, path)));
    at(by_path.or_else(|| config.levels.get(rule.name)), rule)
}

/// Whether a rule is enabled anywhere.
pub(crate) fn is_on_somewhere(rule: &Rule, config: &Config) -> bool {
    let by_path = config.paths.iter().filter_map(|(_, levels)| levels.get(rule.name));
    at(config.levels.get(rule.name), rule).is_some()
        || by_path.into_iter().any(|level| at(Some(level), rule).is_some())
}

fn at(level: Option<&LintLevel>, rule: &Rule) -> Option<Severity> {
    match level {
        Some(LintLevel::Allow) => None,
        Some(LintLevel::Warn) => Some(Severity::Warning),
        Some(LintLevel::Deny) => Some(Severity::Error),
        None => rule.severity,
    }
}

fn covers(place: &str, config: &Config, path: &str) -> bool {
    let place = place.trim_start_matches("./").trim_end_matches('/');
    let below =
        |path: &str| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below(config.in_folder(path)) || below(path) || file_name(path) == place
}
