//! Rendering of the comparison of a database with the snapshot.

use refit::{CheckResult, Plan};
use refit_catalog::{Change, Drift, Origin};
use serde::Serialize;

use super::{checks, difference};
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Text, text};

/// How the database compares with the snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Same,
    Drift,
    Behind,
    Ahead,
    Refused,
}

/// The JSON document.
#[derive(Serialize)]
pub(crate) struct Verified<'a> {
    pub(crate) format: u32,
    pub(crate) state: State,
    pub(crate) snapshot: &'a Origin,
    /// The database's version.
    pub(crate) version: Option<i64>,
    pub(crate) differences: Vec<Named<'a>>,
    /// Differences that do not count as drift.
    pub(crate) not_counted: Vec<Named<'a>>,
    /// What the checks found.
    pub(crate) checks: &'a [CheckResult],
}

#[derive(Serialize)]
pub(crate) struct Named<'a> {
    pub(crate) line: String,
    #[serde(flatten)]
    pub(crate) change: &'a Change,
}

/// The changes with their lines.
pub(crate) fn named(changes: &[Change]) -> Vec<Named<'_>> {
    changes.iter().map(|change| Named { line: change.line(), change }).collect()
}

/// The differences, or why nothing was compared.
pub(crate) fn verification(verified: &Verified<'_>, plan: &Plan, drift: Option<&Drift>) -> Text {
    let version = |version: Option<i64>| {
        version.map_or("no version".to_owned(), |version| format!("version {version}"))
    };
    let (is, made) = (version(plan.current), version(verified.snapshot.version));
    let mut text = match verified.state {
        State::Same => {
            text![GOOD.of("no drift"), format!(": the schema matches the migrations, at {is}")]
        }
        State::Drift => {
            let mut text = drift.map(|drift| difference::delta(&drift.delta)).unwrap_or_default();
            let count = verified.differences.len();
            let differences = if count == 1 { "1 difference" } else { &format!("{count} differences") };
            let meaning = "+ only in the database, - missing in it, ~ different; undo the change, or write a migration for it";
            text.push_line(text![BAD.of("drift"), format!(": {differences} ({meaning})")]);
            text
        }
        State::Behind => {
            let waiting = plan.pending.len() + plan.held.len();
            let why = format!(": at {is}, the snapshot is of {made} ({waiting} not applied); not compared");
            text![WARN.of("behind"), why]
        }
        State::Ahead => {
            let why = format!(
                ": at {is}, the snapshot is of {made}; not compared; verify with the newer migrations"
            );
            text![WARN.of("ahead"), why]
        }
        State::Refused => {
            let why = ": the history does not match the migrations; not compared";
            let refusals = plan.refusals.iter().map(|refusal| format!("\n  {refusal}"));
            text![BAD.of("refused"), why, refusals.collect::<String>()]
        }
    };
    for ignored_change in &verified.not_counted {
        let why = match ignored_change.change.kind.as_str() {
            "database" => "migrations do not change it".to_owned(),
            "user mapping" => "the role may not be able to see all of it".to_owned(),
            _ => format!(
                "the snapshot was written on PostgreSQL {}, which formats queries differently",
                verified.snapshot.postgres
            ),
        };
        text.push_line(QUIET.of(format!("not counted: {} ({why})", ignored_change.line)));
    }
    if !verified.checks.is_empty() {
        text.push_line(checks::checks(verified.checks));
    }
    text
}
