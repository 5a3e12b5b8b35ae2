//! The safe form of drafted files: the linter fixes them, and says what is left.

use std::collections::BTreeSet;

use anyhow::Context as _;
use refit_lint::Input;
use refit_model::{MigrationSet, RunOrder, SourceFile, read_folder};

use crate::context::Context;
use crate::lint::fix::split;
use crate::lint::sources::Sources;

/// Fixed files, and what the linter still says of them.
pub(super) struct Safe {
    pub(super) files: Vec<(String, String)>,
    pub(super) findings: Vec<String>,
}

/// Fixes new files as a part of the set, none of whose own files changes.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn fix(files: Vec<(String, String)>, context: &Context) -> anyhow::Result<Safe> {
    let sources = Sources::read(&[], context)?;
    let protected: BTreeSet<String> = sources.inputs.iter().map(|input| input.path.clone()).collect();
    let folder = &sources.config.folder;
    let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let mut inputs = sources.inputs;
    for input in &mut inputs {
        input.reported = false;
    }
    inputs.extend(files.into_iter().map(|(name, text)| Input {
        path: path(&name),
        bytes: text.into_bytes(),
        named_by_folder: true,
        reported: true,
    }));
    inputs.sort_by_cached_key(|input| RunOrder::of(split(&input.path).1));
    let fixed = refit_lint::fix(&inputs, &sources.config, &protected);
    let new = fixed.inputs.into_iter().filter(|input| !protected.contains(&input.path));
    let files = new.map(|input| {
        let text = String::from_utf8(input.bytes).context("a drafted file is not UTF-8")?;
        Ok((split(&input.path).1.to_owned(), text))
    });
    let findings = fixed.left.into_iter().filter(|(finding, _)| !protected.contains(&finding.path));
    let findings = findings
        .map(|(finding, why)| format!("{}: {}: {}: {why}", finding.path, finding.rule, finding.message))
        .collect();
    Ok(Safe { files: files.collect::<anyhow::Result<_>>()?, findings })
}

/// The set with further files.
///
/// # Errors
/// What is wrong with them.
pub(super) fn with_files(files: &[(String, String)], context: &Context) -> anyhow::Result<MigrationSet> {
    let folder = context.migrations_dir();
    let (mut sources, _) = read_folder(&folder);
    sources.extend(files.iter().map(|(name, text)| SourceFile::new(name.as_str(), text.as_bytes().to_vec())));
    let set = MigrationSet::from_files(&folder.display().to_string(), sources)?;
    context.with_values(&set)
}
