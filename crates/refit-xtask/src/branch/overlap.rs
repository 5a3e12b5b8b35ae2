//! The migrations of a branch that touch what new migrations of the other branch touch, from their texts.

use refit_lint::sql::Span;
use refit_lint::{Config, FileFootprint, Input, Overlap, footprints};
use refit_model::{FileKind, SqlText, Version};

use super::{Branch, Files};

/// Two migrations whose order may matter.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// The file of this branch.
    pub(crate) ours: String,
    /// The file of the other one.
    pub(crate) theirs: String,
    /// The first statement of ours that overlaps, in the text that is sent.
    pub(crate) span: Span,
    /// What they have in common.
    pub(crate) common: Common,
}

/// What two migrations have in common.
#[derive(Debug)]
pub(crate) enum Common {
    /// Their version.
    Version(Version),
    /// Objects, or possibly any.
    Overlap(Overlap),
}

/// Compares each new migration of this branch with each of the other one.
pub(crate) fn candidates(branch: &Branch, config: &Config) -> Vec<Candidate> {
    let (here, there) = (branch.new_here(), branch.new_there());
    if here.is_empty() || there.is_empty() {
        return Vec::new();
    }
    let ours = footprints_of(&branch.ours, &here, config);
    let theirs = footprints_of(&branch.theirs, &there, config);
    let mut candidates = Vec::new();
    for one in &ours {
        for other in &theirs {
            let of =
                |span, common| Candidate { ours: one.path.clone(), theirs: other.path.clone(), span, common };
            if let Some(version) =
                version_of(&one.path).filter(|version| version_of(&other.path) == Some(*version))
            {
                candidates.push(of(Span::default(), Common::Version(version)));
            }
            candidates.extend(overlap(one, other).map(|(span, overlap)| of(span, Common::Overlap(overlap))));
        }
    }
    candidates
}

/// The version of a file.
pub(crate) fn version_of(file: &str) -> Option<Version> {
    match FileKind::of(file) {
        Ok(FileKind::Migration { version, .. }) => Some(version),
        _ => None,
    }
}

/// What two files have in common, with the first statement of the first file that has it.
fn overlap(one: &FileFootprint, other: &FileFootprint) -> Option<(Span, Overlap)> {
    let (whole, other) = (one.whole(), other.whole());
    let overlap = whole.overlap(&other)?;
    let first = one.statements.iter().find(|(_, statement)| statement.overlap(&other).is_some());
    Some((first.map_or(Span::default(), |(span, _)| *span), overlap))
}

/// The footprints of some files of a folder, all of which run.
fn footprints_of(files: &Files, selected: &[&str], config: &Config) -> Vec<FileFootprint> {
    let inputs: Vec<Input> = files
        .migrations()
        .into_iter()
        .filter_map(|file| Some(Input::of_folder(file, files.0.get(file)?.clone(), true)))
        .collect();
    let sent: Vec<(&Input, SqlText)> =
        inputs.iter().map(|input| (input, input.with_values(config))).collect();
    let mut all = footprints(&sent);
    all.retain(|file| selected.contains(&file.path.as_str()));
    all
}
