//! Whether the schema is still the one that the migrations make: a comparison with their snapshot at boot.
//!
//! Only what can be compared is: a database that is exactly at the set, in the environment that the snapshot was made for. One
//! at another version has no drift, and is said to be at another version.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use refit_model::MigrationSet;
use serde::Deserialize;
use tokio_postgres::Client;
use tracing::info;

use crate::error::Error;
use crate::history::HistoryState;
use crate::migrator::Migrator;
use crate::report::Report;

/// Differences told in an error or a warning.
const TOLD: usize = 5;

/// What to do when the schema is not that of the snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drift {
    /// Nothing is compared.
    #[default]
    Off,
    /// It is logged, and stands among the report's warnings.
    Warn,
    /// It is an error, [`Error::Drift`]: the service does not come up.
    Refuse,
}

/// Reads a schema and compares it with a snapshot's JSON: a line a difference, none when all is as it should be. It is
/// `refit_catalog::differences`, given from outside so that a service that compares nothing stays small.
pub type SchemaCheck = for<'a> fn(
    &'a Client,
    &'a str,
) -> Pin<
    Box<dyn Future<Output = Result<Vec<String>, Box<dyn StdError + Send + Sync>>> + Send + 'a>,
>;

/// What a migrator was told about comparing.
#[derive(Clone, Default)]
pub(crate) struct Comparison {
    pub(crate) drift: Drift,
    pub(crate) check: Option<SchemaCheck>,
    pub(crate) snapshot: Option<String>,
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison").field("drift", &self.drift).finish_non_exhaustive()
    }
}

/// Compares when all is applied. A warning is what comes back.
pub(crate) async fn compare(
    migrator: &Migrator,
    client: &Client,
    report: &Report,
) -> Result<Option<String>, Error> {
    let Comparison { drift, check: Some(check), snapshot } = &migrator.options.comparison else {
        return Ok(None);
    };
    if *drift == Drift::Off {
        return Ok(None);
    }
    let found = match snapshot.as_deref().or(migrator.source.snapshot()) {
        Some(json) => match judge(migrator.set()?, &migrator.options.environment, json) {
            Ok(()) => differences(migrator, client, *check, json, report).await,
            Err(why) => Err(why),
        },
        None => Err("there is none; write it with `cargo xtask snapshot`, and build again".to_owned()),
    };
    match (found, drift) {
        (Ok(differences), _) if differences.is_empty() => Ok(None),
        (Ok(differences), Drift::Refuse) => Err(Error::Drift { differences }),
        (Ok(differences), _) => Ok(Some(told(&differences))),
        (Err(why), Drift::Refuse) => Err(Error::Snapshot(why)),
        (Err(why), _) => Ok(Some(Error::Snapshot(why).to_string())),
    }
}

/// What a snapshot says of its origin.
#[derive(Deserialize)]
struct Document {
    set: Origin,
}

#[derive(Deserialize)]
struct Origin {
    digest: String,
    environment: String,
}

/// Whether the snapshot is one of this set.
fn judge(set: &MigrationSet, environment: &str, json: &str) -> Result<(), String> {
    let Document { set: origin } = serde_json::from_str(json)
        .map_err(|error| format!("it cannot be read: {error}; write it anew with `cargo xtask snapshot`"))?;
    if origin.digest != set.digest() {
        let why = "it is not of these migrations; write it anew with `cargo xtask snapshot`, and build again";
        return Err(why.to_owned());
    }
    if origin.environment != environment && !set.is_unconditional() {
        let made = &origin.environment;
        return Err(format!(
            "it was made for the environment {made}, this is {environment}, and migrations of the set depend on it; \
             compare nothing here, or write it with `cargo xtask snapshot --environment {environment}`"
        ));
    }
    Ok(())
}

/// The differences; none, and a word in the log, where the database is at another version.
async fn differences(
    migrator: &Migrator,
    client: &Client,
    check: SchemaCheck,
    json: &str,
    report: &Report,
) -> Result<Vec<String>, String> {
    let at_set = migrator.glance(client).await.map_err(|error| error.to_string())?;
    if !matches!(at_set, HistoryState::Same) {
        let version = report.version.map_or("none".to_owned(), |version| version.to_string());
        info!(
            version,
            held = report.held.len(),
            "the schema is not compared: the database is at another version than the snapshot"
        );
        return Ok(Vec::new());
    }
    check(client, json).await.map_err(|error| error.to_string())
}

/// The first differences, and what to do about them.
pub(crate) fn told(differences: &[String]) -> String {
    let count = match differences.len() {
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    };
    let mut text = format!(
        "the schema is not what the migrations make: {count} (+ only in the database, - missing in it, ~ otherwise)"
    );
    for line in differences.iter().take(TOLD) {
        text.push_str(&format!("\n  {}", refit_model::visible_line(line)));
    }
    if let Some(more @ 1..) = differences.len().checked_sub(TOLD) {
        text.push_str(&format!("\n  and {more} more"));
    }
    text.push_str("\n  `cargo xtask verify` lists all; undo what was done by hand, or make it a migration");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differences_are_told() {
        let lines: Vec<String> = (0..7).map(|n| format!("+ index i{n}")).collect();
        let text = told(&lines);
        assert!(
            text.contains("7 differences") && text.contains("+ index i4") && text.contains("and 2 more"),
            "{text}"
        );
        assert!(!text.contains("i5"), "{text}");
        assert!(!told(&lines[..5]).contains("more"));
        assert!(told(&lines[..1]).contains("1 difference ("));
    }
}
