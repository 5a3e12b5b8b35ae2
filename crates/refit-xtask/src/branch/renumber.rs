//! New versions for the migrations of a branch: after the newest one of the main branch, in the same order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::bail;
use refit_lint::sequence::{next_version, with_references};
use refit_model::{FileKind, Footprints, PackageRange, Promotions, Settings, Version, version_of};
use serde::Serialize;

use super::{Branch, Versioned};
use crate::fs::Replacement;

/// What renumbering changes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Renumbering {
    /// Migrations and companion files that get another name, in the order of their versions.
    pub(crate) renamed: Vec<Renamed>,
    /// Files of the branch whose text changes, by their new names.
    pub(crate) changed: Vec<String>,
    /// What remains to be done by hand.
    pub(crate) notes: Vec<String>,
}

/// A file with its new name.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Renamed {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// Plans the renumbering of a branch, with the files to replace.
///
/// # Errors
/// When a migration that may have run would be renamed, or the folder is in a state that was left half done.
pub(crate) fn renumbering(branch: &Branch, folder: &Path) -> anyhow::Result<(Renumbering, Vec<Replacement>)> {
    let added = branch.added_here();
    refuse_misnamed(branch)?;
    refuse_moved(branch, &added)?;
    refuse_half_done(branch, &added)?;
    let labels = labels(branch, &added)?;
    let moved: Vec<(&Versioned, String)> =
        added.iter().zip(labels).filter(|(one, label)| one.label() != label).collect();
    refuse_promoted(branch, moved.iter().map(|(one, _)| *one))?;
    let stems: BTreeMap<&str, String> =
        moved.iter().map(|(one, label)| (one.stem.as_str(), format!("{label}__{}", one.name))).collect();
    let mut plan = Renumbering::default();
    let mut files = Vec::new();
    for (file, bytes) in &branch.ours.0 {
        let stem = file.split_once('.').map_or(file.as_str(), |(stem, _)| stem);
        if !added.iter().any(|one| one.stem == stem) {
            continue;
        }
        let to = stems.get(stem).map_or_else(|| file.clone(), |new| format!("{new}{}", &file[stem.len()..]));
        let after = rewritten(file, bytes, &moved, &stems)?;
        if to != *file {
            plan.renamed.push(Renamed { from: file.clone(), to: to.clone() });
        }
        if after != *bytes {
            plan.changed.push(to.clone());
        }
        if to != *file || after != *bytes {
            let (from, to) = (Some(folder.join(file)), folder.join(to));
            files.push(Replacement { from, to, before: bytes.clone(), after });
        }
    }
    plan.notes = notes(branch, &stems, folder);
    Ok((plan, files))
}

/// The new label of each added migration, or its own if it comes after the newest one of the other branch.
fn labels(branch: &Branch, added: &[Versioned]) -> anyhow::Result<Vec<String>> {
    let packages = packages(branch)?;
    let package_of =
        |version: Version| packages.iter().find(|(_, range)| (range.from..=range.to).contains(&version));
    let mut newest: BTreeMap<Option<&str>, Version> = BTreeMap::new();
    for one in branch.theirs.versioned() {
        let last =
            newest.entry(package_of(one.version).map(|(name, _)| name.as_str())).or_insert(one.version);
        *last = one.version.max(*last);
    }
    let mut labels = Vec::with_capacity(added.len());
    for one in added {
        let package = package_of(one.version);
        let last = newest.entry(package.map(|(name, _)| name.as_str())).or_insert(Version::MIN);
        if one.version > *last {
            *last = one.version;
            labels.push(one.label().to_owned());
            continue;
        }
        let next = next_version(*last);
        if let Some((name, range)) = package.filter(|(_, range)| next > range.to) {
            bail!(
                "{} has no version left in package {name} ({} to {}): extend the range in refit.toml",
                one.file(),
                range.from,
                range.to
            );
        }
        if next <= *last {
            bail!("there is no version after {last} for {}", one.file());
        }
        *last = next;
        let width = one.label().len() - 1;
        labels.push(format!("V{next:0width$}"));
    }
    Ok(labels)
}

/// The ranges of packages in `refit.toml`.
fn packages(branch: &Branch) -> anyhow::Result<BTreeMap<String, PackageRange>> {
    let Some(bytes) = branch.ours.0.get("refit.toml") else { return Ok(BTreeMap::new()) };
    let settings = Settings::parse("refit.toml", &String::from_utf8_lossy(bytes));
    Ok(settings.map_err(|problem| anyhow::anyhow!("{problem}"))?.package)
}

/// Files of the branch with names that are not read as migrations or companion files could be left behind.
fn refuse_misnamed(branch: &Branch) -> anyhow::Result<()> {
    let is_new = |file: &&String| !branch.theirs.0.contains_key(*file) && !branch.base.0.contains_key(*file);
    for file in branch.ours.0.keys().filter(is_new) {
        if let Err(problem) = FileKind::of(file) {
            bail!("{problem}");
        }
    }
    Ok(())
}

/// A migration of the other branch that has another version or name here may have run somewhere.
fn refuse_moved(branch: &Branch, added: &[Versioned]) -> anyhow::Result<()> {
    let is_missing = |known: &Versioned| {
        !branch.ours.0.contains_key(&known.file()) && branch.theirs.0.contains_key(&known.file())
    };
    for known in branch.base.versioned().iter().filter(|known| is_missing(known)) {
        let text = branch.base.0.get(&known.file());
        let is_it = |one: &&Versioned| {
            known.version == one.version || known.name == one.name || branch.ours.0.get(&one.file()) == text
        };
        if let Some(one) = added.iter().find(is_it) {
            bail!(
                "{} is on {} and may have run somewhere, but here it is {}: rename it back, and write a new migration for \
                 what should change",
                known.file(),
                branch.name,
                one.file()
            );
        }
    }
    Ok(())
}

/// Two versions of one migration, two migrations of the branch with one version, and companion files without their migration.
fn refuse_half_done(branch: &Branch, added: &[Versioned]) -> anyhow::Result<()> {
    for (at, one) in added.iter().enumerate() {
        for other in &added[..at] {
            if one.name == other.name {
                let (a, b) = (other.file(), one.file());
                bail!(
                    "{a} and {b} have the same name, as after an interrupted renumbering: remove one of them"
                );
            }
            if one.version == other.version {
                let (a, b) = (other.file(), one.file());
                bail!(
                    "{a} and {b} have the same version: their order is unknown, so give one another version"
                );
            }
        }
    }
    let known = [&branch.theirs.0, &branch.base.0];
    for file in branch.ours.0.keys().filter(|file| known.iter().all(|files| !files.contains_key(*file))) {
        let stem = match FileKind::of(file) {
            Ok(
                FileKind::Down { stem }
                | FileKind::Check { stem }
                | FileKind::Budget { stem }
                | FileKind::Doc { stem },
            ) => stem,
            _ => continue,
        };
        if !branch.ours.0.contains_key(&format!("{stem}.sql")) {
            bail!("{file} has no migration {stem}.sql: give it the name of its migration, or remove it");
        }
    }
    Ok(())
}

/// A migration that was applied in an environment that others require has run with its version.
fn refuse_promoted<'a>(branch: &Branch, moved: impl Iterator<Item = &'a Versioned>) -> anyhow::Result<()> {
    let Some(bytes) = branch.ours.0.get(Promotions::FILE) else { return Ok(()) };
    let promotions = Promotions::parse(Promotions::FILE, &String::from_utf8_lossy(bytes))
        .map_err(|problem| anyhow::anyhow!("{problem}"))?;
    for one in moved {
        if let Some(environment) = promotions.environments_of(&one.stem).next() {
            bail!(
                "{} was applied in {environment} ({}): roll it back there and remove its entry before it gets another version",
                one.file(),
                Promotions::FILE
            );
        }
    }
    Ok(())
}

/// A file of the branch with the new versions: in its directives, and where comments and documentation name a stem.
fn rewritten(
    file: &str,
    bytes: &[u8],
    moved: &[(&Versioned, String)],
    stems: &BTreeMap<&str, String>,
) -> anyhow::Result<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(bytes.to_vec()) };
    let (mark, text) = match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let new = |reference: &str| {
        let version = version_of(reference)?;
        let (one, label) = moved.iter().find(|(one, _)| one.version == version)?;
        match reference.split_once("__") {
            // A reference with a name may be to a migration of the other branch with the same version.
            Some((_, name)) => (name == one.name).then(|| format!("{label}__{name}")),
            None => Some(label.clone()),
        }
    };
    let referring = match file.ends_with(".sql") {
        true => with_references(text, &new),
        false => None,
    };
    let text = referring.as_deref().unwrap_or(text);
    let is_prose = |line: &str| file.ends_with(".md") || line.trim_start().starts_with("--");
    let line = |line: &str| match is_prose(line) {
        true => with_stems(line, stems),
        false => line.to_owned(),
    };
    let text: String = text.split_inclusive('\n').map(line).collect();
    Ok(format!("{mark}{text}").into_bytes())
}

/// A line with new stems in place of old ones, where they are whole words.
fn with_stems(line: &str, stems: &BTreeMap<&str, String>) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut written = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_word) {
        let length = rest[start..].find(|c| !is_word(c)).unwrap_or(rest.len() - start);
        let word = &rest[start..start + length];
        written.push_str(&rest[..start]);
        written.push_str(stems.get(word).map_or(word, String::as_str));
        rest = &rest[start + length..];
    }
    written + rest
}

/// Files of the folder that name a renamed migration and are not changed.
fn notes(branch: &Branch, stems: &BTreeMap<&str, String>, folder: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    if stems.is_empty() {
        return notes;
    }
    let names = |file: &str| -> BTreeSet<&str> {
        let text = branch.ours.0.get(file).map(|bytes| String::from_utf8_lossy(bytes));
        let text = text.unwrap_or_default();
        stems
            .keys()
            .copied()
            .filter(|stem| with_stems(&text, &[(*stem, String::new())].into()) != *text)
            .collect()
    };
    for stem in names("approvals.toml") {
        notes.push(format!("approvals of {stem} no longer count: `cargo xtask approve {}`", stems[stem]));
    }
    for stem in names("refit.toml") {
        notes.push(format!("refit.toml names {stem}: change it to {}", stems[stem]));
    }
    if folder.join("snapshots").is_dir() || branch.ours.0.contains_key(Footprints::FILE) {
        notes.push("the snapshots have the old versions: run `cargo xtask snapshot`".to_owned());
    }
    notes
}
