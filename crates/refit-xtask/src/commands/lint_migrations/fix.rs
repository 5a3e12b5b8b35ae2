//! `--fix`: selects the migrations that may change, fixes them, and reports the changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use annotate_snippets::normalize_untrusted_str;
use anyhow::bail;
use refit_lint::{Change, Config, Fixed};
use refit_model::{FileKind, Version, redact};
use serde::Serialize;
use similar::TextDiff;

use super::report::counted;
use super::sources::Sources;
use crate::fs;
use crate::git::Git;
use crate::output::{BAD, GOOD, QUIET, WARN};

/// The result of fixing.
pub(super) struct FixOutcome {
    fixed: Fixed,
    /// Whether the files were written: false with `--dry-run`.
    pub(super) written: bool,
}

impl FixOutcome {
    /// Whether any file changes.
    pub(super) fn changes(&self) -> bool {
        !self.fixed.changes.is_empty()
    }
}

/// Fixes the files, and writes them unless `dry`. Afterwards `sources` contains the fixed set.
///
/// # Errors
/// When git cannot determine which migrations may have run and `tracked` is false, and when files cannot be written; then none
/// is changed.
pub(super) fn fix(
    sources: &mut Sources,
    config: &Config,
    tracked: bool,
    dry: bool,
) -> anyhow::Result<FixOutcome> {
    if sources.files.iter().any(Option::is_none) {
        bail!("--fix cannot rewrite standard input; give the paths of the files");
    }
    let protected = if tracked { BTreeSet::new() } else { protected(sources)? };
    let fixed = refit_lint::fix(&sources.inputs, config, &protected);
    let files = on_disk(sources, &fixed.changes)?;
    fs::check(&files)?;
    free_versions(&files)?;
    if !dry {
        fs::replace_all(&files)?;
    }
    sources.inputs.clone_from(&fixed.inputs);
    Ok(FixOutcome { fixed, written: !dry })
}

/// The files that may have run: those of the main branch, even if changed, and all files with the same versions.
fn protected(sources: &Sources) -> anyhow::Result<BTreeSet<String>> {
    let unknown = |error: anyhow::Error| {
        error.context("cannot determine which migrations may have run; if none has, give --fix-tracked")
    };
    let git = Git::at(&sources.folder, "--fix").map_err(unknown)?;
    let on_main = git.on_main().map_err(unknown)?;
    let versions: HashSet<(String, Version)> = on_main.iter().filter_map(|path| version(path)).collect();
    let is_protected = |file: &Path| match git.path_of(file) {
        Some(path) => {
            on_main.contains(&path) || version(&path).is_some_and(|known| versions.contains(&known))
        }
        // The history of files outside the repository is unknown.
        None => true,
    };
    let paths = sources.inputs.iter().zip(&sources.files);
    let kept = paths.filter(|(_, file)| file.as_deref().is_none_or(is_protected));
    Ok(kept.map(|(input, _)| input.path.clone()).collect())
}

/// The folder of a migration, and its version.
fn version(path: &str) -> Option<(String, Version)> {
    let (folder, file) = split(path);
    match FileKind::of(file) {
        Ok(FileKind::Migration { version, .. }) => Some((folder.to_owned(), version)),
        _ => None,
    }
}

/// The paths of all changes on disk.
fn on_disk(sources: &Sources, changes: &[Change]) -> anyhow::Result<Vec<fs::Replacement>> {
    let mut places: BTreeMap<&str, &Path> = BTreeMap::new();
    let mut folders: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for (input, file) in sources.inputs.iter().zip(&sources.files) {
        let Some(file) = file else { continue };
        places.insert(&input.path, file);
        folders.insert(split(&input.path).0, file.parent().map(Path::to_path_buf).unwrap_or_default());
    }
    let place = |path: &str| match places.get(path) {
        Some(place) => Some(place.to_path_buf()),
        None => folders.get(split(path).0).map(|folder| folder.join(split(path).1)),
    };
    let replacement = |change: &Change| {
        let Some(to) = place(&change.to) else { bail!("{} has no folder", change.to) };
        let from = change.from.as_deref().and_then(place);
        Ok(fs::Replacement { from, to, before: change.before.clone(), after: change.after.clone() })
    };
    changes.iter().map(replacement).collect()
}

/// Checks that no other file has a new version: if files were given by name, the rest of the folder has not been read.
fn free_versions(files: &[fs::Replacement]) -> anyhow::Result<()> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let old: HashSet<&Path> = files.iter().filter_map(|file| file.from.as_deref()).collect();
    let mut given: BTreeMap<&Path, HashMap<Version, &Path>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.from.as_ref() != Some(&file.to)) {
        let folder = file.to.parent().unwrap_or(Path::new(""));
        if let Some((_, version)) = version(&name(&file.to)) {
            given.entry(folder).or_default().insert(version, &file.to);
        }
    }
    for (folder, given) in given {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        for entry in std::fs::read_dir(listed)? {
            let other = folder.join(entry?.file_name());
            let Some((_, taken)) = version(&name(&other)) else { continue };
            let Some(to) = given.get(&taken).filter(|to| **to != other && !old.contains(&*other)) else {
                continue;
            };
            bail!(
                "{} already has version {taken}, which {} would get; give the whole folder, so that it can be renumbered",
                other.display(),
                to.display()
            );
        }
    }
    Ok(())
}

fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}

/// For people: the diff, the fixed findings, and the remaining ones.
pub(super) fn human(fixed: &FixOutcome) -> String {
    let Fixed { changes, fixes, left, .. } = &fixed.fixed;
    let mut text = String::new();
    for change in changes {
        difference(change, &mut text);
    }
    if !changes.is_empty() {
        text.push('\n');
    }
    let done = if fixed.written { "fixed" } else { "would fix" };
    for fix in fixes {
        let names: Vec<&str> = fix.files.iter().map(|path| split(path).1).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{GOOD}{done}{GOOD:#}: {}: {}\n  {}",
            plain(&fix.path),
            fix.rules.join(", "),
            plain(&names.join(", "))
        );
        for note in &fix.notes {
            let _ = writeln!(text, "  {WARN}note{WARN:#}: {}", plain(note));
        }
    }
    for (finding, reason) in left {
        let (path, line, rule) = (plain(&finding.path), finding.start.line, finding.rule);
        let _ = writeln!(text, "{QUIET}left{QUIET:#}: {path}:{line}: {rule}: {}", plain(reason));
    }
    let files = counted(changes.len(), "file");
    let _ = match (changes.is_empty(), fixed.written) {
        (true, _) => writeln!(text, "nothing to fix\n"),
        (false, true) => writeln!(text, "{files} written\n"),
        (false, false) => writeln!(text, "{files} would be written without --dry-run\n"),
    };
    text
}

/// A file's diff, in the format of `git apply` and `patch`.
fn difference(change: &Change, text: &mut String) {
    let (before, after) = (String::from_utf8_lossy(&change.before), String::from_utf8_lossy(&change.after));
    let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
    if let Some(from) = change.from.as_deref().filter(|from| *from != change.to) {
        let _ = writeln!(text, "rename from {}\nrename to {}", plain(from), plain(&change.to));
        if before == after {
            return;
        }
    }
    let from = change.from.as_ref().map_or("/dev/null".to_owned(), |from| format!("a/{from}"));
    let diff = diff.unified_diff().context_radius(3).header(&from, &format!("b/{}", change.to)).to_string();
    for line in diff.lines() {
        // Text from a file must not control the terminal.
        let shown = plain(&redact::text(line));
        let _ = match line.as_bytes().first() {
            Some(b'+') => writeln!(text, "{GOOD}{shown}{GOOD:#}"),
            Some(b'-') => writeln!(text, "{BAD}{shown}{BAD:#}"),
            Some(b'@') => writeln!(text, "{QUIET}{shown}{QUIET:#}"),
            _ => writeln!(text, "{shown}"),
        };
    }
}

fn plain(text: &str) -> String {
    normalize_untrusted_str(text)
}

/// The part of the JSON document about fixes.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    written: bool,
    fixes: Vec<FixEntry<'a>>,
    changes: Vec<ChangeEntry<'a>>,
    unfixed: Vec<Unfixed<'a>>,
}

#[derive(Serialize)]
struct FixEntry<'a> {
    path: &'a str,
    rules: &'a [&'static str],
    files: &'a [String],
    notes: &'a [String],
}

#[derive(Serialize)]
struct ChangeEntry<'a> {
    from: Option<&'a str>,
    to: &'a str,
    text: String,
}

#[derive(Serialize)]
struct Unfixed<'a> {
    rule: &'a str,
    path: &'a str,
    line: usize,
    column: usize,
    reason: &'a str,
}

pub(super) fn document(fixed: &FixOutcome) -> Document<'_> {
    let Fixed { changes, fixes, left, .. } = &fixed.fixed;
    Document {
        written: fixed.written,
        fixes: fixes
            .iter()
            .map(|fix| FixEntry { path: &fix.path, rules: &fix.rules, files: &fix.files, notes: &fix.notes })
            .collect(),
        changes: changes
            .iter()
            .map(|change| ChangeEntry {
                from: change.from.as_deref(),
                to: &change.to,
                text: String::from_utf8_lossy(&change.after).into_owned(),
            })
            .collect(),
        unfixed: left
            .iter()
            .map(|(finding, reason)| Unfixed {
                rule: finding.rule,
                path: &finding.path,
                line: finding.start.line,
                column: finding.start.column,
                reason,
            })
            .collect(),
    }
}
