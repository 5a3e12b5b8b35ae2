//! Compares the schema at boot with the snapshot of the migrations.
//!
//! The comparison needs a database that is exactly at the set, in the environment that the snapshot was made for. A database at
//! another version is not compared, and the log says so.

use refit_model::MigrationSet;
use serde::Deserialize;
use tokio_postgres::Client;
use tracing::{info, warn};

use crate::error::{Error, drift_summary};
use crate::history::HistoryState;
use crate::hook::{Hook, HookError, HookFuture, HookRun};
use crate::options::{Comparison, Drift, SchemaCheck};
use crate::planner::Planner;

/// Compares after a run.
///
/// # Errors
/// [`Error::Drift`] and [`Error::Snapshot`], if the migrator is set to refuse.
pub(crate) async fn check(
    planner: &Planner,
    run: HookRun<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    if planner.options.comparison.drift == Drift::Off {
        return Ok(());
    }
    let failed = |source: HookError| match source.downcast::<Error>() {
        Ok(error) => *error,
        Err(source) => Error::Hook { at: "after the run".to_owned(), source },
    };
    DriftCheck { planner }.after_run(run, warnings).await.map_err(failed)
}

/// The comparison, as a hook of a run.
struct DriftCheck<'p> {
    planner: &'p Planner,
}

impl DriftCheck<'_> {
    /// Compares, and returns a warning if the schema differs or cannot be compared.
    async fn compare(&self, client: &Client) -> Result<Option<String>, Error> {
        let planner = self.planner;
        let Comparison { drift, check: Some(check), snapshot } = &planner.options.comparison else {
            return Ok(None);
        };
        let found = match snapshot.as_deref().or(planner.source.snapshot()) {
            Some(json) => match check_origin(planner.set()?, &planner.options.environment, json) {
                Ok(()) => differences(planner, client, *check, json).await,
                Err(why) => Err(why),
            },
            None => {
                Err("there is no snapshot; write it with `cargo xtask snapshot`, and build again".to_owned())
            }
        };
        match (found, drift) {
            (Ok(differences), _) if differences.is_empty() => Ok(None),
            (Ok(differences), Drift::Refuse) => Err(Error::Drift { differences }),
            (Ok(differences), _) => Ok(Some(drift_summary(&differences))),
            (Err(why), Drift::Refuse) => Err(Error::Snapshot(why)),
            (Err(why), _) => Ok(Some(Error::Snapshot(why).to_string())),
        }
    }
}

impl Hook for DriftCheck<'_> {
    fn after_run<'a>(&'a self, run: HookRun<'a>, warnings: &'a mut Vec<String>) -> HookFuture<'a> {
        Box::pin(async move {
            if let Some(warning) = self.compare(run.client).await? {
                warn!("{warning}");
                warnings.push(warning);
            }
            Ok(())
        })
    }
}

/// A snapshot, of which only the origin is read.
#[derive(Deserialize)]
struct Document {
    set: Origin,
}

#[derive(Deserialize)]
struct Origin {
    digest: String,
    environment: String,
}

/// Whether the snapshot is one of this set and environment.
fn check_origin(set: &MigrationSet, environment: &str, json: &str) -> Result<(), String> {
    let Document { set: origin } = serde_json::from_str(json).map_err(|error| {
        format!("cannot read the snapshot: {error}; write it again with `cargo xtask snapshot`")
    })?;
    if origin.digest != set.digest() {
        let why =
            "it was made from other migrations; write it again with `cargo xtask snapshot`, and build again";
        return Err(why.to_owned());
    }
    if origin.environment != environment && !set.is_unconditional() {
        let made = &origin.environment;
        return Err(format!(
            "it was made for the environment {made}, not for {environment}, and some migrations run only in some \
             environments; turn the comparison off here, or write the snapshot with \
             `cargo xtask snapshot --environment {environment}`"
        ));
    }
    Ok(())
}

/// The differences; none if the database is at another version, which is logged.
async fn differences(
    planner: &Planner,
    client: &Client,
    check: SchemaCheck,
    json: &str,
) -> Result<Vec<String>, String> {
    let at_set = planner.history_state(client).await.map_err(|error| error.message())?;
    if !matches!(at_set, HistoryState::Same) {
        info!("the schema is not compared: the database is not at the version of the snapshot");
        return Ok(Vec::new());
    }
    check(client, json).await.map_err(|error| crate::error::chain(&*error))
}
