//! The files that run, and their order: that of the set, with backfills running beside it.

use refit_model::{
    Check, Directives, FileKind, MigrationFile, SetStep, SqlText, Version, completion_order, front_matter,
    normalise,
};

/// A file that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path, as shown in the trace.
    pub path: String,
    /// Its text.
    pub text: SqlText,
    /// The directives of its front matter.
    pub directives: Directives,
    /// Its version, if it has one.
    pub version: Option<Version>,
    /// Whether the trace includes it; otherwise it only runs.
    pub traced: bool,
    /// Its down file.
    pub down: Option<Box<File>>,
    /// Its checks.
    pub checks: Vec<Check>,
}

impl File {
    /// Creates a file from its path and text, which need not be normalised.
    pub fn new(path: impl Into<String>, text: &str, traced: bool) -> File {
        File::with_text(path, normalise(text).into_owned().into(), traced)
    }

    /// Creates a file from its path and its normalised text.
    pub fn with_text(path: impl Into<String>, text: SqlText, traced: bool) -> File {
        let path = path.into();
        let name = path.rsplit('/').next().unwrap_or(&path);
        let (directives, ..) = front_matter(name, &text);
        let version = match FileKind::of(name) {
            Ok(FileKind::Migration { version, .. }) => Some(version),
            _ => None,
        };
        File { path, text, directives, version, traced, down: None, checks: Vec::new() }
    }

    /// A step of a set.
    pub fn step(step: SetStep<'_>, traced: bool) -> File {
        let MigrationFile { path, sql, directives, checks, .. } = step.file();
        let down = match step {
            SetStep::Versioned(migration) => migration.down.as_ref(),
            SetStep::Repeatable(_) => None,
        };
        File {
            path: path.clone(),
            text: sql.clone(),
            directives: directives.clone(),
            version: step.version(),
            traced,
            down: down.map(|down| Box::new(File::with_text(&*down.path, down.text.clone(), false))),
            checks: checks.clone(),
        }
    }
}

/// Whether a file of that name in a migrations folder is run: a versioned or repeatable migration.
pub fn runs(path: &str) -> bool {
    FileKind::is_migration(path)
}

/// Sorts files of a set by the time at which they take effect, as [`completion_order`] does.
pub fn in_order(files: &[File]) -> Vec<(&File, bool)> {
    completion_order(files, |file| (file.version, &file.directives))
}
