//! Labelled cases: one a file, whose first line says whether a linter must complain about the rest. A line
//! `-- file: NAME` in it begins another migration of the same case.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use refit_lint::Example;

use super::tools::Tool;

/// How a tool did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) hazards: usize,
    pub(super) caught: usize,
    pub(super) harmless: usize,
    pub(super) false_alarms: usize,
}

/// A case.
#[derive(Debug)]
pub(super) struct Case {
    name: String,
    is_hazard: bool,
    /// Its migrations in order: names and texts.
    files: Vec<(String, String)>,
}

/// The cases of this workspace, and those beside it where they are.
pub(super) fn cases(workspace: &Path) -> anyhow::Result<Vec<Case>> {
    let folders = [workspace.join("tests/lint_cases"), workspace.join("../shared/conformance/lint")];
    let mut cases = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "sql") {
                cases.push(case(&file)?);
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases.dedup_by(|a, b| a.name == b.name);
    Ok(cases)
}

fn case(file: &Path) -> anyhow::Result<Case> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let is_hazard = match text.lines().next().and_then(|line| line.strip_prefix("-- expect: ")) {
        Some("flag") => true,
        Some("safe") => false,
        _ => bail!("{}: the first line is neither `-- expect: flag` nor `-- expect: safe`", file.display()),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let example = Example { safe: !is_hazard, since: None, claim: None, sql: text };
    let mut files = example.files();
    // The label and the title of a case of several files are no file.
    files.retain(|(_, text)| has_sql(text));
    Ok(Case { name, is_hazard, files })
}

fn has_sql(text: &str) -> bool {
    text.lines().any(|line| !line.trim().is_empty() && !line.starts_with("-- "))
}

/// Runs a tool on every case, its files together in a folder of their own.
pub(super) fn score(tool: Tool, cases: &[Case]) -> anyhow::Result<Score> {
    let mut score = Score::default();
    for case in cases {
        let folder = tempfile::tempdir()?;
        let written = |(name, text): &(String, String)| -> anyhow::Result<PathBuf> {
            fs::write(folder.path().join(name), text).with_context(|| format!("{}: {name}", case.name))?;
            Ok(PathBuf::from(name))
        };
        let files = case.files.iter().map(written).collect::<anyhow::Result<Vec<PathBuf>>>()?;
        let complained = usize::from(tool.lint(folder.path(), &files)?.complained);
        match case.is_hazard {
            true => {
                score.hazards += 1;
                score.caught += complained;
            }
            false => {
                score.harmless += 1;
                score.false_alarms += complained;
            }
        }
    }
    Ok(score)
}
