//! What runs report, as figures for the recorder that the program has installed (`metrics::set_global_recorder`). Without one
//! they cost nothing.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::event::Event;
use crate::hook::Hook;
use crate::report::{JobState, JobStatus};

const STEPS: &str = "refit_steps_applied_total";
const STEP_SECONDS: &str = "refit_step_seconds";
const STEP_RETRIES: &str = "refit_step_retries_total";
const WAITED: &str = "refit_lock_waited_seconds";

/// Name, what it is, and its value, where there is one.
type Figure = (&'static str, &'static str, fn(&JobStatus) -> Option<f64>);

/// Of a backfill, as it stands; labelled with the schema of its history, the migration, and whether it is on its way forward or
/// undone.
const BACKFILL: [Figure; 10] = [
    ("refit_backfill_progress_ratio", "How much of a backfill is done, from 0 to 1.", |job| {
        Some(job.progress)
    }),
    ("refit_backfill_rows_changed", "Rows that it has changed.", |job| Some(float(job.rows_changed))),
    ("refit_backfill_rows_per_second", "Rows a second, lately.", |job| job.rows_per_second),
    ("refit_backfill_eta_seconds", "What the rest will take at this rate.", |job| job.eta_seconds),
    ("refit_backfill_batches", "Batches committed.", |job| Some(float(job.batches))),
    ("refit_backfill_retries", "Batches that were tried again.", |job| Some(float(job.retries))),
    ("refit_backfill_errors", "Rows that are set aside.", |job| Some(float(job.errors))),
    ("refit_backfill_workers", "Running workers, in all processes.", |job| {
        i64::try_from(job.workers.len()).ok().map(float)
    }),
    ("refit_backfill_throttled", "1 while something slows it down.", |job| flag(job.throttle.is_some())),
    ("refit_backfill_complete", "1 once it is complete.", |job| flag(job.state == JobState::Complete)),
];

/// Tells the installed recorder what each figure is; to be called once, after installing it.
pub fn describe_metrics() {
    describe_counter!(STEPS, "Migrations that this process has applied.");
    describe_histogram!(STEP_SECONDS, "How long each of them took.");
    describe_counter!(STEP_RETRIES, "Attempts that did not get their locks.");
    describe_gauge!(WAITED, "How long this process has waited for another run.");
    for (name, what, _) in BACKFILL {
        describe_gauge!(name, what);
    }
}

/// Passes events on to the recorder.
pub(crate) struct Metrics;

impl Hook for Metrics {
    fn event(&self, event: &Event<'_>) {
        record(event);
    }
}

fn record(event: &Event<'_>) {
    match event {
        Event::Waiting { waited, .. } => gauge!(WAITED).set(waited.as_secs_f64()),
        Event::Began { .. }
        | Event::StepBegan { .. }
        | Event::JournalDropped { .. }
        | Event::Notice { .. } => {}
        Event::StepRetried { stem, .. } => {
            counter!(STEP_RETRIES, "migration" => (*stem).to_owned()).increment(1);
        }
        Event::StepApplied { report } => {
            counter!(STEPS).increment(1);
            histogram!(STEP_SECONDS, "migration" => report.stem.clone())
                .record(report.duration.as_secs_f64());
        }
        Event::Backfill { status } => {
            for (name, _, value) in BACKFILL {
                if let Some(value) = value(status) {
                    let labels = [
                        ("history", status.history.clone()),
                        ("migration", status.name.clone()),
                        ("kind", status.kind.as_str().to_owned()),
                    ];
                    gauge!(name, &labels).set(value);
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to nine quadrillions")]
fn float(count: i64) -> f64 {
    count as f64
}

fn flag(set: bool) -> Option<f64> {
    Some(f64::from(u8::from(set)))
}
