//! The entry: files and a configuration in, findings and a summary out.

use std::collections::{BTreeMap, HashMap};

use refit_model::{FileKind, Position, Problem, Suppression, front_matter, normalise};
use serde::{Deserialize, Serialize};

use crate::check::{File, Settings};
use crate::contract::is_explained;
use crate::engine::{Engine, Memory, covered};
use crate::finding::{Finding, Severity};
use crate::rule::Rule;
use crate::rules::RULES;
use crate::sql::Span;

/// What to do with a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not asked.
    Allow,
    /// A warning.
    Warn,
    /// An error.
    Deny,
}

/// One file of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// As findings name it.
    pub path: String,
    /// Content as found.
    pub bytes: Vec<u8>,
    /// Whether its name must be that of a migrations folder; explicit paths need not.
    pub named_by_folder: bool,
    /// Whether findings in it are wanted; otherwise it is replayed for the schema only.
    pub reported: bool,
}

/// How to lint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The oldest PostgreSQL major version in use.
    pub postgres: u32,
    /// Levels by rule name, over the rules' own.
    pub levels: BTreeMap<String, Level>,
    /// Levels by rule name for files whose path begins with, or equals, the prefix; later ones win.
    pub paths: Vec<(String, BTreeMap<String, Level>)>,
    /// Fingerprints of findings that are accepted.
    pub baseline: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config { postgres: 14, levels: BTreeMap::new(), paths: Vec::new(), baseline: Vec::new() }
    }
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Findings in the order of files and places.
    pub findings: Vec<Finding>,
    /// Counts.
    pub summary: Summary,
}

/// Counts over a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files whose findings were wanted.
    pub files: usize,
    /// Rules that were on somewhere.
    pub rules: usize,
    /// All findings.
    pub findings: usize,
    /// Those that are errors.
    pub errors: usize,
    /// Those that are warnings.
    pub warnings: usize,
    /// Findings that a suppression in the file, or the baseline, accepted.
    pub suppressed: usize,
}

/// Lints files as one set, in the order given.
pub fn lint(inputs: &[Input], config: &Config) -> Outcome {
    let settings = Settings { postgres: config.postgres };
    let sidecars = sidecars(inputs);
    let rules = |file: &File| active(config, &file.path);
    let engine = Engine { settings: &settings, rules: &rules, sidecars: &sidecars };
    let mut memory = Memory::default();
    let mut outcome =
        Outcome { findings: Vec::new(), summary: Summary { rules: RULES.len(), ..Summary::default() } };
    for input in inputs {
        one(input, config, &engine, &mut memory, &mut outcome);
    }
    outcome.findings.extend(unknown_rules(config));
    let Outcome { findings, summary } = &mut outcome;
    summary.findings = findings.len();
    summary.errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    summary.warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    outcome
}

/// Lints one file, and takes out what is suppressed.
fn one(input: &Input, config: &Config, engine: &Engine<'_>, memory: &mut Memory, outcome: &mut Outcome) {
    let kind = match input.named_by_folder {
        true => FileKind::of(file_name(&input.path)),
        false => Ok(FileKind::Aside),
    };
    let runs = match &kind {
        Ok(FileKind::Migration { .. } | FileKind::Repeatable { .. }) | Err(_) => true,
        Ok(_) => !input.named_by_folder,
    };
    let is_sql = input.path.to_lowercase().ends_with(".sql") || !input.named_by_folder;
    if !runs || (kind.is_err() && !is_sql && !input.reported) {
        return;
    }
    let mut findings = Vec::new();
    outcome.summary.files += usize::from(input.reported);
    let mut file = File {
        path: input.path.clone(),
        text: String::new(),
        directives: refit_model::Directives::default(),
        explained: false,
        version: match &kind {
            Ok(FileKind::Migration { version, .. }) => Some(*version),
            _ => None,
        },
        reported: input.reported,
    };
    if let Err(problem) = &kind {
        findings.extend(problem_finding("misnamed-file", problem, &file, config));
    }
    let mut suppressions = Vec::new();
    let mut statements = Vec::new();
    if is_sql {
        match text_of(&input.bytes) {
            Ok(text) => {
                file.text = text;
                let (directives, found, problems) = front_matter(file_name(&input.path), &file.text);
                file.directives = directives;
                file.explained = engine.has_doc(&input.path) || is_explained(&file.text);
                suppressions = found;
                let problems = problems.iter();
                findings.extend(
                    problems
                        .filter_map(|problem| problem_finding("unknown-directive", problem, &file, config)),
                );
                let replayed = engine.file(&file, memory);
                findings.extend(replayed.findings);
                statements = replayed.statements;
            }
            Err(message) => {
                let problem = Problem::new(&input.path, message, "save the file as UTF-8 text");
                findings.extend(problem_finding("syntax-error", &problem, &file, config));
            }
        }
    }
    if input.reported {
        let kept = suppress(findings, &suppressions, &statements, &file, config, &mut outcome.summary);
        outcome.findings.extend(accept(kept, config, &mut outcome.summary));
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn text_of(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("not valid UTF-8 at byte {}", error.valid_up_to()))?;
    match text.find('\0') {
        Some(at) => Err(format!("a NUL byte at byte {at}, which PostgreSQL cannot store")),
        None => Ok(normalise(text).into_owned()),
    }
}

/// The rules that are on for a file, with their severity.
fn active(config: &Config, path: &str) -> Vec<(&'static Rule, Severity)> {
    RULES.iter().filter_map(|rule| severity(rule, config, path).map(|severity| (rule, severity))).collect()
}

fn severity(rule: &Rule, config: &Config, path: &str) -> Option<Severity> {
    let by_path = config.paths.iter().rev().find(|(prefix, levels)| {
        levels.contains_key(rule.name)
            && (path == prefix
                || path.starts_with(&format!("{}/", prefix.trim_end_matches('/')))
                || file_name(path) == prefix)
    });
    let level =
        by_path.and_then(|(_, levels)| levels.get(rule.name)).or_else(|| config.levels.get(rule.name));
    match level {
        Some(Level::Allow) => None,
        Some(Level::Warn) => Some(Severity::Warning),
        Some(Level::Deny) => Some(Severity::Error),
        None => rule.severity,
    }
}

/// A finding of a rule that is known by name only, when it is on.
fn engine_finding(
    rule: &str,
    file: &File,
    config: &Config,
    at: Option<Position>,
    message: &str,
    help: &str,
) -> Option<Finding> {
    let rule = RULES.iter().find(|known| known.name == rule)?;
    let severity = severity(rule, config, &file.path)?;
    let start = at.unwrap_or(Position { line: 1, column: 1 });
    let line = file.text.lines().nth(start.line - 1).unwrap_or_default();
    let offset = file.text.lines().take(start.line - 1).map(|line| line.len() + 1).sum::<usize>() as u32;
    let end = if at.is_some() { line.chars().count() + 1 } else { 1 };
    Some(Finding {
        rule: rule.name,
        severity,
        path: file.path.clone(),
        span: Span { start: offset, end: offset + if at.is_some() { line.len() as u32 } else { 0 } },
        start,
        end: Position { line: start.line, column: end.max(start.column) },
        message: message.to_owned(),
        help: help.to_owned(),
        lock: None,
        table: None,
    })
}

fn problem_finding(rule: &str, problem: &Problem, file: &File, config: &Config) -> Option<Finding> {
    engine_finding(rule, file, config, problem.position, &problem.message, &problem.fix)
}

/// Takes out what a suppression covers, and reports suppressions that are unknown, unreasoned or unused.
fn suppress(
    findings: Vec<Finding>,
    suppressions: &[Suppression],
    statements: &[(Position, Position)],
    file: &File,
    config: &Config,
    summary: &mut Summary,
) -> Vec<Finding> {
    let mut used = vec![false; suppressions.len()];
    let mut kept: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| {
            let covering = suppressions.iter().enumerate().find(|(_, suppression)| {
                suppression.rule == finding.rule
                    && covered(suppression, statements)
                        .is_some_and(|(start, end)| start <= finding.start && finding.start < end)
            });
            let Some((index, _)) = covering else { return true };
            used[index] = true;
            summary.suppressed += 1;
            false
        })
        .collect();
    for (suppression, used) in suppressions.iter().zip(used) {
        let rule = &suppression.rule;
        let at = Some(suppression.position);
        let mut add = |name: &str, message: String, help: String| {
            kept.extend(engine_finding(name, file, config, at, &message, &help));
        };
        if !RULES.iter().any(|known| known.name == *rule) {
            add("unknown-rule", format!("there is no rule `{rule}`"), suggestion(rule));
            continue;
        }
        if suppression.reason.is_empty() {
            let help = format!("say why: -- refit: allow({rule}): 12 rows, static table");
            add("suppression-without-reason", format!("`allow({rule})` gives no reason"), help);
        }
        if !used {
            let message = format!("`allow({rule})` suppresses nothing");
            add(
                "unused-suppression",
                message,
                "remove it, or put it directly above the statement".to_owned(),
            );
        }
    }
    kept.sort_by(|a, b| (a.start, a.end, a.rule).cmp(&(b.start, b.end, b.rule)));
    kept
}

/// Takes out what the baseline accepts.
fn accept(findings: Vec<Finding>, config: &Config, summary: &mut Summary) -> Vec<Finding> {
    if config.baseline.is_empty() {
        return findings;
    }
    let before = findings.len();
    let kept: Vec<Finding> =
        findings.into_iter().filter(|finding| !config.baseline.contains(&finding.fingerprint())).collect();
    summary.suppressed += before - kept.len();
    kept
}

/// Rule names in the configuration that do not exist.
fn unknown_rules(config: &Config) -> Vec<Finding> {
    let named = config.levels.keys().chain(config.paths.iter().flat_map(|(_, levels)| levels.keys()));
    let unknown = named.filter(|name| !RULES.iter().any(|rule| rule.name == **name));
    let file = File {
        path: "refit.toml".to_owned(),
        text: String::new(),
        directives: refit_model::Directives::default(),
        explained: false,
        version: None,
        reported: true,
    };
    unknown
        .filter_map(|name| {
            let message = format!("there is no rule `{name}`");
            engine_finding("unknown-rule", &file, config, None, &message, &suggestion(name))
        })
        .collect()
}

fn suggestion(name: &str) -> String {
    let nearest = RULES.iter().map(|rule| (strsim::damerau_levenshtein(name, rule.name), rule.name)).min();
    match nearest {
        Some((distance, rule)) if distance <= rule.len() / 3 => format!("did you mean `{rule}`?"),
        _ => "`cargo xtask explain --list` shows all rules".to_owned(),
    }
}

/// Which sidecars there are, by the migration's stem.
fn sidecars(inputs: &[Input]) -> HashMap<String, Vec<&'static str>> {
    let mut found: HashMap<String, Vec<&'static str>> = HashMap::new();
    for input in inputs.iter().filter(|input| input.named_by_folder) {
        let (stem, suffix) = match FileKind::of(file_name(&input.path)) {
            Ok(FileKind::Down { stem }) => (stem, ".down.sql"),
            Ok(FileKind::Check { stem }) => (stem, ".check.sql"),
            Ok(FileKind::Doc { stem }) => (stem, ".md"),
            _ => continue,
        };
        found.entry(stem).or_default().push(suffix);
    }
    found
}
