//! Labelled cases: how many of the hazards a tool reports, and how many false alarms it raises.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use test_support::{LabelledCase, labelled_cases};

use super::tools::Tool;

/// The result of a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) hazards: usize,
    pub(super) caught: usize,
    pub(super) harmless: usize,
    pub(super) false_alarms: usize,
}

/// The cases of this workspace, and those of the conformance data if present. Of two with the same name, one counts.
pub(super) fn cases(workspace: &Path) -> anyhow::Result<Vec<LabelledCase>> {
    let mut cases = labelled_cases(workspace)?;
    cases.dedup_by(|a, b| a.name == b.name);
    // No other tool knows placeholders.
    cases.retain(|case| !case.files.iter().any(|(_, text)| text.contains("${")));
    Ok(cases)
}

/// Runs a tool on every case, its files together in a folder of their own.
pub(super) fn score(tool: Tool, cases: &[LabelledCase]) -> anyhow::Result<Score> {
    let mut score = Score::default();
    for case in cases {
        let folder = tempfile::tempdir()?;
        let written = |(name, text): &(String, String)| -> anyhow::Result<PathBuf> {
            fs::write(folder.path().join(name), text).with_context(|| format!("{}: {name}", case.name))?;
            Ok(PathBuf::from(name))
        };
        let files = case.files.iter().map(written).collect::<anyhow::Result<Vec<PathBuf>>>()?;
        let complained = usize::from(tool.lint(folder.path(), &files)?.complained);
        match case.flagged {
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
