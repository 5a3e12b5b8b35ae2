//! Decides whether the environment admits a run: all gates of its profile in `refit.toml` are open, or are passed on purpose.
//!
//! *Invariant*: gates are looked at only if something would change, so that a boot with nothing to do stays one message.

use refit_model::{Backup, Environment, MigrationSet};
use tokio_postgres::Client;

use crate::calendar::{self, Deadline};
use crate::environment_gate::{EnvironmentGate, MissingApproval, MissingPromotion, Override};
use crate::error::Error;
use crate::options::Options;
use crate::plan::PlannedStep;

/// What a run that was admitted has to observe and to record.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// When the window closes, if one does.
    pub(crate) deadline: Option<Deadline>,
    /// The gates that it passes, and why.
    pub(crate) overridden: Option<Override>,
}

/// The gates that are closed for a run of these steps; a rollback applies none. The session is pinned.
///
/// # Errors
/// When a query fails.
pub(crate) async fn closed_gates(
    client: &Client,
    options: &Options,
    set: &MigrationSet,
    steps: &[PlannedStep],
) -> Result<Vec<EnvironmentGate>, Error> {
    match options.profile() {
        Some(profile) => Ok(all_closed(client, profile, set, steps).await?.0),
        None => Ok(Vec::new()),
    }
}

/// Admits a run, or refuses it. The session is pinned.
///
/// # Errors
/// [`Error::Gated`] if a gate is closed and no override was requested; [`Error::Target`] if the reason of an override is empty.
pub(crate) async fn admit(
    client: &Client,
    options: &Options,
    set: &MigrationSet,
    steps: &[PlannedStep],
) -> Result<Admission, Error> {
    let reason = options.override_reason.as_deref().map(str::trim);
    if reason == Some("") {
        return Err(Error::Target("an override needs a reason, which is recorded".to_owned()));
    }
    let (gates, closes) = match options.profile() {
        Some(profile) => {
            let (mut gates, closes) = all_closed(client, profile, set, steps).await?;
            // A plan does not have this gate: it does not know which program will run it.
            gates.extend(without_backup(profile, options));
            (gates, closes)
        }
        None => (Vec::new(), None),
    };
    match (reason, options.profile()) {
        (Some(reason), _) => {
            let overridden = Override { reason: reason.to_owned(), gates };
            Ok(Admission { deadline: None, overridden: Some(overridden) })
        }
        (None, _) if !gates.is_empty() => {
            Err(Error::Gated { environment: options.environment.clone(), gates })
        }
        (None, profile) => {
            let deadline = profile.zip(closes);
            let deadline =
                deadline.map(|(profile, closes)| Deadline::new(&options.environment, profile, closes));
            Ok(Admission { deadline, overridden: None })
        }
    }
}

/// All closed gates of a profile, and when its window closes if it is open. A further gate is added here.
async fn all_closed(
    client: &Client,
    profile: &Environment,
    set: &MigrationSet,
    steps: &[PlannedStep],
) -> Result<(Vec<EnvironmentGate>, Option<i64>), Error> {
    let (mut gates, closes) = calendar::closed(client, profile).await?;
    gates.extend(not_promoted(profile, set, steps));
    gates.extend(not_approved(profile, set, steps));
    Ok((gates, closes))
}

/// The backup that must come first, if no hook makes one.
fn without_backup(profile: &Environment, options: &Options) -> Option<EnvironmentGate> {
    let required = profile.backup;
    (required != Backup::None && !options.hooks.make_backups())
        .then_some(EnvironmentGate::Backup { required })
}

/// The steps that the required environment has not applied as they are. Those that never run there need not be.
fn not_promoted(profile: &Environment, set: &MigrationSet, steps: &[PlannedStep]) -> Option<EnvironmentGate> {
    let environment = profile.requires.as_ref()?;
    let missing = |step: &PlannedStep| {
        let of_set = set.step(step.version, &step.stem)?;
        if !of_set.file().directives.runs_in(environment) {
            return None;
        }
        let (found, digest) = (set.promotions().find(environment, &step.stem), of_set.digest());
        let is_missing = found.is_none_or(|promotion| promotion.digest != digest);
        is_missing.then(|| MissingPromotion { stem: step.stem.clone(), edited: found.is_some() })
    };
    let missing: Vec<MissingPromotion> = steps.iter().filter_map(missing).collect();
    (!missing.is_empty()).then(|| EnvironmentGate::Requires { environment: environment.clone(), missing })
}

/// The steps that too few people have approved as they are. Nothing is linted here: the severity is what an approval records.
fn not_approved(profile: &Environment, set: &MigrationSet, steps: &[PlannedStep]) -> Option<EnvironmentGate> {
    let required = &profile.approvals;
    if required.of(None) == 0 {
        return None;
    }
    let missing = |step: &PlannedStep| {
        let count = set.approvals_of(set.step(step.version, &step.stem)?, &[]);
        let void =
            count.entries.iter().filter_map(|(entry, void)| Some(format!("{}: {}", entry.by, (*void)?)));
        let not_counted = void.collect();
        (count.missing(required) > 0).then(|| MissingApproval {
            stem: step.stem.clone(),
            lint: count.severity,
            needed: required.of(count.severity),
            approved: count.counted(),
            not_counted,
        })
    };
    let missing: Vec<MissingApproval> = steps.iter().filter_map(missing).collect();
    (!missing.is_empty()).then_some(EnvironmentGate::Approvals { missing })
}
