//! Selects the repairs that a history needs, and looks up in git what was applied.

use std::path::Path;

use anyhow::{Context as _, bail};
use refit::{Gate, HistoryChange, Plan, Refusal};
use refit_model::{Migration, MigrationSet, Version, significant_tokens};
use serde::Serialize;
use similar::TextDiff;
use xshell::{Shell, cmd};

/// What the user requested.
pub(crate) struct Requested<'a> {
    /// Accept only the edit of this migration; none: all edits.
    pub(crate) version: Option<Version>,
    pub(crate) forget: &'a [Version],
    pub(crate) backfill_complete: &'a [Version],
    pub(crate) backfill_again: &'a [Version],
    pub(crate) statement_done: &'a [String],
    pub(crate) statement_again: &'a [String],
}

/// One change to the history.
#[derive(Debug, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Repair {
    Accept {
        version: Version,
        path: String,
        name: String,
        applied: u64,
        found: u64,
        /// None if the applied text is not in git.
        statements_differ: Option<bool>,
        diff: String,
    },
    Rename {
        version: Version,
        path: String,
        from: String,
        to: String,
        applied: u64,
        found: u64,
    },
    Forget {
        version: Version,
        name: String,
    },
    BackfillComplete {
        version: Version,
        name: String,
    },
    BackfillAgain {
        version: Version,
        name: String,
    },
    StatementDone {
        step: String,
    },
    StatementAgain {
        step: String,
    },
}

impl Repair {
    fn version(&self) -> Option<Version> {
        match self {
            Repair::Accept { version, .. }
            | Repair::Rename { version, .. }
            | Repair::Forget { version, .. }
            | Repair::BackfillComplete { version, .. }
            | Repair::BackfillAgain { version, .. } => Some(*version),
            Repair::StatementDone { .. } | Repair::StatementAgain { .. } => None,
        }
    }
}

impl Repair {
    /// The change that makes the repair.
    pub(crate) fn change(&self) -> HistoryChange {
        match self {
            // The checksum includes the name, so both change to the file's.
            Repair::Accept { version, name, applied, found, .. }
            | Repair::Rename { version, to: name, applied, found, .. } => HistoryChange::Accept {
                version: *version,
                name: name.clone(),
                applied: *applied,
                found: *found,
            },
            Repair::Forget { version, .. } => HistoryChange::Forget { version: *version },
            Repair::BackfillComplete { version, .. } => HistoryChange::BackfillComplete { version: *version },
            Repair::BackfillAgain { version, .. } => HistoryChange::BackfillAgain { version: *version },
            Repair::StatementDone { step } => HistoryChange::StatementDone { step: step.clone() },
            Repair::StatementAgain { step } => HistoryChange::StatementAgain { step: step.clone() },
        }
    }
}

/// The repairs that were requested and that the history needs.
///
/// # Errors
/// When a version that was named does not need its repair.
pub(crate) fn repairs(
    requested: &Requested<'_>,
    plan: &Plan,
    set: &MigrationSet,
    folder: &Path,
) -> anyhow::Result<Vec<Repair>> {
    let mut repairs = Vec::new();
    let is_selected = |version: Version| requested.version.is_none_or(|one| one == version);
    for refusal in &plan.refusals {
        match refusal {
            Refusal::Changed { version, path, applied, found } if is_selected(*version) => {
                let migration =
                    set.migration(*version).context("bug: the plan has a version that the set lacks")?;
                let written = migration.sql.written();
                let old = applied_text(migration, *applied, folder);
                let statements_differ =
                    old.as_deref().map(|old| significant_tokens(old) != significant_tokens(written));
                let diff = old.map_or(String::new(), |old| diff(&old, written, path));
                repairs.push(Repair::Accept {
                    version: *version,
                    path: path.clone(),
                    name: migration.name.clone(),
                    applied: *applied,
                    found: *found,
                    statements_differ,
                    diff,
                });
            }
            Refusal::Renamed { version, path, name, applied, found } if is_selected(*version) => {
                let migration =
                    set.migration(*version).context("bug: the plan has a version that the set lacks")?;
                repairs.push(Repair::Rename {
                    version: *version,
                    path: path.clone(),
                    from: name.clone(),
                    to: migration.name.clone(),
                    applied: *applied,
                    found: *found,
                });
            }
            Refusal::Missing { version, name } if requested.forget.contains(version) => {
                repairs.push(Repair::Forget { version: *version, name: name.clone() });
            }
            _ => {}
        }
    }
    for held in &plan.held {
        let Gate::BackfillUnknown { version } = held.gate else { continue };
        let name = set.migration(version).map_or_else(String::new, |migration| migration.stem.clone());
        if requested.backfill_complete.contains(&version) {
            repairs.push(Repair::BackfillComplete { version, name });
        } else if requested.backfill_again.contains(&version) {
            repairs.push(Repair::BackfillAgain { version, name });
        }
    }
    repairs.extend(requested.statement_done.iter().cloned().map(|step| Repair::StatementDone { step }));
    repairs.extend(requested.statement_again.iter().cloned().map(|step| Repair::StatementAgain { step }));
    let done = |version: &Version| repairs.iter().any(|repair| repair.version() == Some(*version));
    let named = requested
        .version
        .iter()
        .chain(requested.forget)
        .chain(requested.backfill_complete)
        .chain(requested.backfill_again);
    for version in named {
        if !done(version) {
            bail!(
                "version {version} does not need this repair; `cargo xtask status` shows which versions do"
            );
        }
    }
    Ok(repairs)
}

/// Finds the text with the applied checksum in git.
fn applied_text(migration: &Migration, applied: u64, folder: &Path) -> Option<String> {
    let shell = Shell::new().ok()?;
    shell.change_dir(folder);
    let path = &migration.path;
    let commits =
        cmd!(shell, "git log --format=%H --follow -- {path}").quiet().ignore_stderr().read().ok()?;
    commits.lines().find_map(|commit| {
        let object = format!("{commit}:./{path}");
        let text = cmd!(shell, "git show {object}").quiet().ignore_stderr().output().ok()?.stdout;
        let text = refit_model::normalise(std::str::from_utf8(&text).ok()?).into_owned();
        let checksum = refinery_core::Migration::unapplied(&migration.stem, &text).ok()?.checksum();
        (checksum == applied).then_some(text)
    })
}

fn diff(old: &str, new: &str, path: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .header(&format!("applied/{path}"), &format!("now/{path}"))
        .to_string()
}
