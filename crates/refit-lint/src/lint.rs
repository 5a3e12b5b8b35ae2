//! The entry point: takes files and a configuration, returns findings and a summary.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use refit_model::{FileKind, Position, Problem, SqlText, front_matter, normalise};
use serde::Serialize;

pub use refit_model::LintLevel as Level;

use crate::check::{File, Settings};
use crate::contract::is_explained;
use crate::doc_sections::filled;
use crate::engine::{Engine, FileOutcome, Memory};
use crate::finding::{Finding, Severity};
use crate::levels::{active, is_on_somewhere};
use crate::rules::RULES;
use crate::stack::with_room;
use crate::suppressions::{problem_findings, suppress, unknown_rules};
use crate::versions::{Versions, version_of};

/// An input file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The path, as shown in findings.
    pub path: String,
    /// The unmodified content.
    pub bytes: Vec<u8>,
    /// Whether its name must follow the rules of a migrations folder; explicit paths need not.
    pub named_by_folder: bool,
    /// Whether findings in it are reported; if not, it is only replayed for the schema.
    pub reported: bool,
}

/// An input file with borrowed content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) named_by_folder: bool,
    pub(crate) reported: bool,
}

impl Input {
    /// A file of a migrations folder, from its path and content.
    pub fn of_folder(path: impl Into<String>, content: impl Into<Vec<u8>>, reported: bool) -> Input {
        Input { path: path.into(), bytes: content.into(), named_by_folder: true, reported }
    }

    pub(crate) fn source(&self) -> Source<'_> {
        let Input { path, bytes, named_by_folder, reported } = self;
        Source { path, bytes, named_by_folder: *named_by_folder, reported: *reported }
    }

    /// The text that the byte offsets of findings refer to: normalized, with invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        text_of(&self.path, &self.bytes).0
    }

    /// The same with values in place of placeholders, unless one is malformed.
    pub fn with_values(&self, config: &Config) -> SqlText {
        let text = SqlText::from(self.text());
        match &config.variables {
            Some(values) => text.with_values(&self.path, values).unwrap_or(text),
            None => text,
        }
    }
}

/// The configuration of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The oldest PostgreSQL major version in use. Without one, 14 is assumed, and syntax of later versions is
    /// accepted.
    pub postgres: Option<u32>,
    /// The migrations folder, as a prefix of its files' paths; if it is empty, only the file name counts.
    pub folder: String,
    /// Levels by rule name, which override the rules' own.
    pub levels: BTreeMap<String, Level>,
    /// Levels by rule name for a file of the folder, or for all files of a subfolder; later ones win.
    pub paths: Vec<(String, BTreeMap<String, Level>)>,
    /// Path and text of the `refit.toml` that the levels come from; unknown rule names are reported there.
    pub settings: (String, String),
    /// The values of placeholders; `None` if there are no placeholders.
    pub variables: Option<BTreeMap<String, String>>,
    /// Fingerprints of accepted findings. Each accepts one finding: another with the same fingerprint is new.
    pub baseline: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            postgres: None,
            folder: String::new(),
            levels: BTreeMap::new(),
            paths: Vec::new(),
            settings: ("refit.toml".to_owned(), String::new()),
            variables: None,
            baseline: Vec::new(),
        }
    }
}

impl Config {
    /// The oldest PostgreSQL major version in use.
    pub(crate) fn oldest(&self) -> u32 {
        self.postgres.unwrap_or(14)
    }

    /// A path relative to the migrations folder; if none is set, the file name.
    pub(crate) fn in_folder<'p>(&self, path: &'p str) -> &'p str {
        match self.folder.as_str() {
            "" => file_name(path),
            folder => path.strip_prefix(folder).map_or(path, |rest| rest.trim_start_matches('/')),
        }
    }
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Findings, in the order of files and positions.
    pub findings: Vec<Finding>,
    /// Findings that a suppression in their file accepted.
    pub suppressed: Vec<Finding>,
    /// Counts.
    pub summary: Summary,
}

/// Counts over a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files whose findings are reported.
    pub files: usize,
    /// Rules that were enabled for any file.
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
    with_room(|| lint_all(inputs, config))
}

fn lint_all(inputs: &[Input], config: &Config) -> Outcome {
    let all: Vec<Source<'_>> = inputs.iter().map(Input::source).collect();
    let mut outcome = lint_range(&all, 0..all.len(), &mut Memory::default(), config);
    outcome.findings.extend(unknown_rules(config));
    outcome.findings.retain(once());
    let Outcome { findings, summary, .. } = &mut outcome;
    summary.findings = findings.len();
    summary.errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    summary.warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    outcome
}

/// Which findings are shown: of those in a group, the first. What is done about it is done about the others.
pub(crate) fn once() -> impl FnMut(&Finding) -> bool {
    let mut shown = HashSet::new();
    move |finding| {
        let is_first = |group: &String| shown.insert((finding.path.clone(), finding.rule, group.clone()));
        finding.group.as_ref().is_none_or(is_first)
    }
}

/// Lints some files of a set; `memory` is the state after the files before them, and is updated with these.
pub(crate) fn lint_range(
    inputs: &[Source<'_>],
    range: Range<usize>,
    memory: &mut Memory,
    config: &Config,
) -> Outcome {
    let settings = Settings { postgres: config.oldest(), is_named: config.postgres.is_some() };
    let companions = companion_suffixes(inputs);
    let versions = Versions::of(inputs);
    let everywhere = active(config, "");
    let rules = |file: &File| match config.paths.is_empty() {
        true => everywhere.clone(),
        false => active(config, &file.path),
    };
    let engine = Engine { settings: &settings, rules: &rules, companions: &companions };
    let mut accepted: HashMap<&str, usize> = HashMap::new();
    for fingerprint in &config.baseline {
        *accepted.entry(fingerprint).or_default() += 1;
    }
    let on = RULES.iter().filter(|rule| is_on_somewhere(rule, config)).count();
    let summary = Summary { rules: on, ..Summary::default() };
    let mut outcome = Outcome { findings: Vec::new(), suppressed: Vec::new(), summary };
    for input in inputs.get(range).unwrap_or_default() {
        let findings = one(*input, config, (&engine, &versions), memory, &mut outcome);
        outcome.findings.extend(accept(findings, &mut accepted, &mut outcome.summary));
    }
    outcome
}

/// Lints one file and removes suppressed findings.
fn one(
    input: Source<'_>,
    config: &Config,
    (engine, versions): (&Engine<'_>, &Versions<'_>),
    memory: &mut Memory,
    outcome: &mut Outcome,
) -> Vec<Finding> {
    let kind = match input.named_by_folder {
        true => FileKind::of(config.in_folder(input.path)),
        false => Ok(FileKind::Ignored),
    };
    let runs = match &kind {
        Ok(FileKind::Migration { .. } | FileKind::Repeatable { .. }) | Err(_) => true,
        Ok(_) => !input.named_by_folder,
    };
    let is_sql = input.path.to_lowercase().ends_with(".sql") || !input.named_by_folder;
    if !runs || !(is_sql || input.reported) {
        return Vec::new();
    }
    outcome.summary.files += usize::from(input.reported);
    let mut file = File {
        path: input.path.to_owned(),
        text: SqlText::empty(),
        directives: refit_model::Directives::default(),
        explained: false,
        // A file that need not be named like a migration may still be.
        version: version_of(input.path),
        reported: input.reported,
        line_ends: Default::default(),
    };
    let again = file.version.filter(|_| input.reported);
    let again = again.and_then(|version| versions.problem(input.path, version));
    let misnamed: Vec<Problem> = kind.err().into_iter().chain(again).collect();
    let mut findings = problem_findings("misnamed-file", &misnamed, &file, config);
    if !is_sql {
        return findings;
    }
    let (text, unreadable) = text_of(input.path, input.bytes);
    file.text = text.into();
    findings.extend(problem_findings("syntax-error", unreadable.as_slice(), &file, config));
    if let Some(values) = &config.variables {
        match file.text.with_values(input.path, values) {
            Ok(text) => file.text = text,
            // What stands there instead of a value is unknown.
            Err(problems) => {
                findings.extend(problem_findings("syntax-error", &problems, &file, config));
                return if input.reported { findings } else { Vec::new() };
            }
        }
    }
    let (directives, suppressions, problems) = front_matter(file_name(input.path), file.text.written());
    file.directives = directives;
    file.explained = engine.has_doc(input.path) || is_explained(file.text.written());
    let replayed = analysed(&file, config, || engine.file(&file, memory));
    if !input.reported {
        return Vec::new();
    }
    findings.extend(problem_findings("unknown-directive", &problems, &file, config));
    findings.extend(replayed.findings);
    let before = outcome.suppressed.len();
    let findings =
        suppress(findings, &suppressions, &replayed.statements, &file, config, &mut outcome.suppressed);
    outcome.summary.suppressed += outcome.suppressed.len() - before;
    findings
}

/// The findings of the rules in a file. A panic in a rule becomes a finding, and the other files are still checked.
fn analysed(file: &File, config: &Config, analyse: impl FnOnce() -> FileOutcome) -> FileOutcome {
    catch_unwind(AssertUnwindSafe(analyse)).unwrap_or_else(|_| {
        let problem = Problem::new(
            &file.path,
            "this file cannot be analyzed: the linter crashed on it",
            "report a bug with the file; until it is fixed, review the file by hand",
        );
        FileOutcome {
            findings: problem_findings("syntax-error", &[problem], file, config),
            statements: Vec::new(),
        }
    })
}

pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The text of a file, and the reason why PostgreSQL cannot read it, if any. Invalid bytes are replaced, so that the
/// rest can be linted.
fn text_of(path: &str, bytes: &[u8]) -> (String, Option<Problem>) {
    let problem = |text: &str, at: usize, message: &str| {
        let problem = Problem::new(path, message, "save the file as UTF-8 text");
        Some(problem.at(Position::of(text, at)))
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return (String::new(), problem("", 0, "this file is UTF-16, but PostgreSQL reads UTF-8"));
    }
    let (text, bad) = match std::str::from_utf8(bytes) {
        Ok(text) => (normalise(text), None),
        Err(error) => {
            let text = String::from_utf8_lossy(bytes);
            // The text before the first replacement is unchanged except for line endings.
            let at = normalise(&text[..error.valid_up_to()]).len();
            (normalise(&text).into_owned().into(), Some(at))
        }
    };
    let nul = text.find('\0');
    let found = match (bad, nul) {
        (Some(at), nul) if nul.is_none_or(|nul| at < nul) => problem(&text, at, "this is not valid UTF-8"),
        (_, Some(at)) => problem(&text, at, "this is a NUL byte, which PostgreSQL cannot store"),
        _ => None,
    };
    (if nul.is_some() { text.replace('\0', " ") } else { text.into_owned() }, found)
}

/// Removes findings that the baseline accepts: one for each occurrence of the fingerprint.
fn accept(
    findings: Vec<Finding>,
    accepted: &mut HashMap<&str, usize>,
    summary: &mut Summary,
) -> Vec<Finding> {
    if accepted.is_empty() {
        return findings;
    }
    let is_new = |finding: &Finding| match accepted.get_mut(finding.fingerprint().as_str()) {
        Some(left) if *left > 0 => {
            *left -= 1;
            summary.suppressed += 1;
            false
        }
        _ => true,
    };
    findings.into_iter().filter(is_new).collect()
}

/// The suffixes of existing companion files, by the migration's stem; with `.md`, also the names of its sections that are not empty.
fn companion_suffixes(inputs: &[Source<'_>]) -> HashMap<String, Vec<&'static str>> {
    let mut found: HashMap<String, Vec<&'static str>> = HashMap::new();
    for input in inputs.iter().filter(|input| input.named_by_folder) {
        let (stem, suffix) = match FileKind::of(file_name(input.path)) {
            Ok(FileKind::Down { stem }) => (stem, ".down.sql"),
            Ok(FileKind::Check { stem }) => (stem, ".check.sql"),
            Ok(FileKind::Budget { stem }) => (stem, ".budget.sql"),
            Ok(FileKind::Doc { stem }) => (stem, ".md"),
            _ => continue,
        };
        let entry = found.entry(stem).or_default();
        entry.push(suffix);
        if suffix == ".md" {
            entry.extend(filled(&String::from_utf8_lossy(input.bytes)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_analysed_is_a_finding() {
        let file = File {
            path: "V1__a.sql".to_owned(),
            text: SqlText::empty(),
            directives: refit_model::Directives::default(),
            explained: false,
            version: Some(1),
            reported: true,
            line_ends: Default::default(),
        };
        let outcome = analysed(&file, &Config::default(), || panic!("on purpose"));
        let [finding] = &outcome.findings[..] else { panic!("{:?}", outcome.findings) };
        assert_eq!((finding.rule, finding.severity), ("syntax-error", Severity::Error));
        assert!(finding.message.contains("cannot be analyzed"), "{}", finding.message);
    }
}
