//! Labelled cases for the linter: one per file; its first line states whether the linter must flag it. A line `-- file: NAME`
//! begins another migration of the same case.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use refit_lint::split_files;

/// A labelled case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledCase {
    /// The name of its file, without `.sql`.
    pub name: String,
    /// Whether it must be flagged.
    pub flagged: bool,
    /// Its migrations in order: names and texts.
    pub files: Vec<(String, String)>,
}

/// The cases of `workspace`, in `tests/lint_cases`, and those of the conformance data beside it, by name.
///
/// # Errors
///
/// If a file cannot be read, or its first line is not a label.
pub fn labelled_cases(workspace: &Path) -> anyhow::Result<Vec<LabelledCase>> {
    let folders = [workspace.join("tests/lint_cases"), workspace.join("../shared/conformance/lint")];
    let mut cases = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "sql") {
                cases.push(case(&file).with_context(|| file.display().to_string())?);
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn case(file: &Path) -> anyhow::Result<LabelledCase> {
    let text = fs::read_to_string(file)?;
    let flagged = match text.lines().next() {
        Some("-- expect: flag") => true,
        Some("-- expect: safe") => false,
        _ => bail!("the first line is neither `-- expect: flag` nor `-- expect: safe`"),
    };
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut files = split_files(&text);
    // The label and the title of a case of several files are not a file.
    files.retain(|(_, text)| has_sql(text));
    Ok(LabelledCase { name, flagged, files })
}

fn has_sql(text: &str) -> bool {
    text.lines().any(|line| !line.trim().is_empty() && !line.starts_with("-- "))
}
