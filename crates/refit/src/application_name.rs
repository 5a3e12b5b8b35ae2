//! The `application_name` of each of Refit's sessions, as `pg_stat_activity` and the log of the server show it.
//!
//! A URL that names an `application_name` overrides the name of its session until a run, a step or a worker sets its own.

use refit_model::Version;

/// The default of [`ConnectOptions`](crate::ConnectOptions).
pub const DEFAULT: &str = "refit";

/// A command of `cargo xtask`.
pub const XTASK: &str = "refit xtask";

/// A command that polls the status of backfills.
pub const STATUS_POLLER: &str = XTASK;

/// The session of a rehearsal that runs the migrations.
pub const REHEARSAL: &str = "refit rehearsal";

/// Another session of a rehearsal; `purpose` is what it does there.
pub fn rehearsal(purpose: &str) -> String {
    format!("{REHEARSAL}, {purpose}")
}

/// A run, from the moment that it requests the migration lock. The time is its start.
pub(crate) fn run(since: jiff::Timestamp) -> String {
    format!("refit since {since:.0}")
}

/// A step of a run; `stem` is that of its migration.
pub(crate) fn step(stem: &str) -> String {
    format!("refit {stem}")
}

/// A step of a rollback; `stem` is that of its migration.
pub(crate) fn rollback(stem: &str) -> String {
    step(stem)
}

const WORKER: &str = "refit backfill";

/// A worker of a backfill.
pub(crate) fn worker(version: Version, job: i64) -> String {
    format!("{WORKER} V{version} (job {job})")
}

/// A literal for `LIKE` that matches the workers of all backfills.
pub(crate) fn workers() -> String {
    format!("'{WORKER}%'")
}
