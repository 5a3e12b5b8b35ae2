//! Labelled cases: one a file, whose first line says whether a linter must complain about the rest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

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
    file: PathBuf,
    is_hazard: bool,
}

/// The cases of this workspace, and those beside it where they are.
pub(super) fn cases(workspace: &Path) -> anyhow::Result<Vec<Case>> {
    let folders = [workspace.join("tests/lint_cases"), workspace.join("../shared/conformance/lint")];
    let mut cases = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "sql") {
                cases.push(case(fs::canonicalize(file)?)?);
            }
        }
    }
    cases.sort_by(|a, b| a.file.file_name().cmp(&b.file.file_name()));
    cases.dedup_by(|a, b| a.file.file_name() == b.file.file_name());
    Ok(cases)
}

fn case(file: PathBuf) -> anyhow::Result<Case> {
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let is_hazard = match text.lines().next().and_then(|line| line.strip_prefix("-- expect: ")) {
        Some("flag") => true,
        Some("safe") => false,
        _ => bail!("{}: the first line is neither `-- expect: flag` nor `-- expect: safe`", file.display()),
    };
    Ok(Case { file, is_hazard })
}

/// Runs a tool on every case.
pub(super) fn score(tool: Tool, cases: &[Case]) -> anyhow::Result<Score> {
    let mut score = Score::default();
    for Case { file, is_hazard } in cases {
        let folder = file.parent().unwrap_or(Path::new("/"));
        let complained = usize::from(tool.lint(folder, std::slice::from_ref(file))?.complained);
        match is_hazard {
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
