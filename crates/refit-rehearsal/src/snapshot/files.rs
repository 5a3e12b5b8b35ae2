//! The files of a snapshot: their contents, how they differ from the existing files, and how they are written.
//!
//! `schema.snap` and the deltas are insta's files, for people; only the text below the header is compared. `schema.json` is
//! data, for drift and comparisons, and is compared by value. Files written with another major version of PostgreSQL that
//! differ only in that server's wording are kept, so that two machines do not rewrite them in turn.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use refit_catalog::{Drift, Origin, Snapshot};
use serde::Serialize;
use similar::TextDiff;

use super::{SnapshotStep, Snapshots};
use crate::error::Error;

/// The folder of snapshots in a migrations folder.
pub const SNAPSHOTS: &str = "snapshots";

const DATA: &str = "schema.json";
const DELTA: &str = ".delta.snap";
/// insta's suffix of files that await review.
const PENDING: &str = ".new";

/// An expected file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its name in the snapshots folder.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// How a file differs from the expected one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its name in the snapshots folder.
    pub file: String,
    /// The kind of difference.
    pub verdict: Verdict,
    /// A unified diff from the existing to the expected file, or another explanation; may be empty.
    pub diff: String,
    /// The existing and the expected text, if `diff` is their diff.
    #[serde(skip)]
    pub texts: Option<[String; 2]>,
}

/// The kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The file does not exist.
    Missing,
    /// The content differs.
    Changed,
    /// Its migration no longer exists.
    Stale,
}

impl Snapshots {
    /// The expected files. `folder` is the migrations folder, whose name appears in the headers.
    pub fn files(&self, folder: &Path) -> Vec<SnapshotFile> {
        let folder = folder.file_name().map_or_else(|| "migrations".into(), |name| name.to_string_lossy());
        let delta = |step: &SnapshotStep| {
            let body = step.delta.text();
            let body = if body.is_empty() { "the schema is as before\n" } else { &body };
            let expression = format!("what {} changes", step.stem);
            SnapshotFile {
                name: format!("{}{DELTA}", head(&step.stem)),
                text: format!(
                    "{}{}\n",
                    header(&format!("{folder}/{}", step.path), &expression),
                    body.trim_end()
                ),
            }
        };
        let mut files: Vec<SnapshotFile> = self.steps.iter().map(delta).collect();
        let text = self.snapshot.catalog.text();
        let body = if text.is_empty() { "the schema is empty\n" } else { &text };
        let header = header(&folder, "the schema that all migrations make");
        files.push(SnapshotFile {
            name: "schema.snap".into(),
            text: format!("{header}{}\n", body.trim_end()),
        });
        files.push(SnapshotFile { name: DATA.into(), text: format!("{}\n", self.snapshot.to_json()) });
        files
    }

    /// Compares with the files in a migrations folder.
    ///
    /// # Errors
    /// [`Error::File`] when the snapshots folder cannot be read.
    pub fn compare(&self, folder: &Path) -> Result<Vec<Difference>, Error> {
        let there = folder.join(SNAPSHOTS);
        let files = self.files(folder);
        let mut differences = Vec::new();
        for file in &files {
            differences.extend(self.difference(&there, file)?);
        }
        if self.differs_only_in_wording(&there) {
            differences.retain(|difference| difference.verdict != Verdict::Changed);
        }
        let known: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let stale = names(&there)?.into_iter().filter(|name| {
            let reviewed = name.strip_suffix(PENDING).unwrap_or(name);
            reviewed.ends_with(DELTA) && !known.contains(reviewed)
        });
        differences.extend(stale.map(|file| Difference {
            file,
            verdict: Verdict::Stale,
            diff: String::new(),
            texts: None,
        }));
        Ok(differences)
    }

    /// Whether the existing snapshot is from the same migrations on another major version and differs only in its wording.
    fn differs_only_in_wording(&self, there: &Path) -> bool {
        let mine = &self.snapshot;
        kept(there).is_some_and(|kept| {
            let origin = Origin { postgres: mine.origin.postgres, ..kept.origin.clone() };
            kept.origin != mine.origin
                && origin == mine.origin
                && Drift::between(&kept, &mine.catalog, mine.origin.postgres).is_none()
        })
    }

    fn difference(&self, there: &Path, file: &SnapshotFile) -> Result<Option<Difference>, Error> {
        let path = there.join(&file.name);
        let of = |verdict, diff| Some(Difference { file: file.name.clone(), verdict, diff, texts: None });
        let found = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).replace("\r\n", "\n"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(of(Verdict::Missing, String::new()));
            }
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        if file.name == DATA {
            return Ok(self.data_difference(&found).and_then(|why| of(Verdict::Changed, why)));
        }
        let expected = file.text.replace("\r\n", "\n");
        let (old, new) = (body(&found), body(&expected));
        if old == new {
            return Ok(None);
        }
        let (old, new) = (format!("{old}\n"), format!("{new}\n"));
        let name = format!("{SNAPSHOTS}/{}", file.name);
        let diff = TextDiff::from_lines(&old, &new);
        let diff = diff
            .unified_diff()
            .context_radius(3)
            .header(&format!("a/{name}"), &format!("b/{name}"))
            .to_string();
        let texts = Some([old, new]);
        Ok(Some(Difference { file: file.name.clone(), verdict: Verdict::Changed, diff, texts }))
    }

    /// How the data differs from the schema, if it does. The server's version is not compared.
    fn data_difference(&self, found: &str) -> Option<String> {
        let mine = &self.snapshot;
        let theirs = match Snapshot::from_json(found) {
            Ok(snapshot) => snapshot,
            Err(error) => return Some(format!("{error}\n")),
        };
        if theirs.catalog != mine.catalog {
            return Some("the schema differs\n".into());
        }
        if theirs.origin.environment != mine.origin.environment {
            return Some(format!("it was written for the environment {}\n", theirs.origin.environment));
        }
        (theirs.origin.digest != mine.origin.digest)
            .then(|| "it was written from other migration texts\n".into())
    }

    /// Writes the files that differ, each atomically, and removes stale files and those that await review.
    ///
    /// # Errors
    /// [`Error::File`] with the first file that cannot be written or removed.
    pub fn write(&self, folder: &Path, differences: &[Difference]) -> Result<(), Error> {
        let there = folder.join(SNAPSHOTS);
        fs::create_dir_all(&there).map_err(Error::file("create", &there))?;
        for file in self.files(folder) {
            if differences.iter().any(|one| one.file == file.name) {
                replace(&there, &file.name, &file.text)?;
            }
            remove(&there.join(format!("{}{PENDING}", file.name)))?;
        }
        let stale = differences.iter().filter(|one| one.verdict == Verdict::Stale);
        stale.map(|one| &one.file).try_for_each(|name| remove(&there.join(name)))
    }

    /// Writes the files that differ as `.new` files, for `cargo insta review`, and returns their names. `schema.json` is not
    /// reviewed but written at once; stale files are kept.
    ///
    /// # Errors
    /// As [`Snapshots::write`].
    pub fn write_pending(&self, folder: &Path, differences: &[Difference]) -> Result<Vec<String>, Error> {
        let there = folder.join(SNAPSHOTS);
        fs::create_dir_all(&there).map_err(Error::file("create", &there))?;
        let mut pending = Vec::new();
        for file in self.files(folder) {
            let name = format!("{}{PENDING}", file.name);
            match differences.iter().any(|one| one.file == file.name) {
                true if file.name == DATA => replace(&there, DATA, &file.text)?,
                true => {
                    replace(&there, &name, &file.text)?;
                    pending.push(name);
                }
                false => remove(&there.join(name))?,
            }
        }
        Ok(pending)
    }
}

/// The existing data, if it can be read.
pub(super) fn kept(there: &Path) -> Option<Snapshot> {
    Snapshot::from_json(&fs::read_to_string(there.join(DATA)).ok()?).ok()
}

/// The name of a migration in the snapshots folder: its version as written, or `R__` and its name.
fn head(stem: &str) -> &str {
    match stem.split_once("__") {
        Some((version, _)) if version != "R" => version,
        _ => stem,
    }
}

/// The header of an insta file. Special text is quoted as in JSON, which is valid YAML.
fn header(source: &str, expression: &str) -> String {
    let is_plain = |text: &str| {
        text.starts_with(char::is_alphanumeric)
            && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | ' ' | '-'))
    };
    let value = |text: &str| match is_plain(text) {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    };
    format!("---\nsource: {}\nexpression: {}\n---\n", value(source), value(expression))
}

/// The text below the header.
pub(crate) fn body(text: &str) -> &str {
    let below = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map(|(_, body)| body);
    below.unwrap_or(text).trim_end()
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", folder)(error)),
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let names: io::Result<BTreeSet<String>> = entries.map(name).collect();
    Ok(names.map_err(Error::file("read", folder))?.into_iter().collect())
}

/// Replaces a file atomically: a concurrent reader sees the old or the new content.
fn replace(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    let written = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file))
        .and_then(|file| file.persist(&path).map_err(|error| error.error));
    written.map(drop).map_err(Error::file("write", &path))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_named_by_its_version() {
        assert_eq!(head("V0004__create_content"), "V0004");
        assert_eq!(head("R__reporting_views"), "R__reporting_views");
    }

    #[test]
    fn only_the_text_below_the_header_is_compared() {
        let text = format!("{}a\n---\nb\n\n", header("m/V1__a.sql", "it's: odd"));
        assert!(text.contains("expression: \"it's: odd\"\n"), "{text}");
        assert_eq!(body(&text), "a\n---\nb");
        assert_eq!(body("no header\n"), "no header");
        assert_eq!(body("---\nunclosed\n"), "---\nunclosed");
    }
}
