//! Metrics of runs and backfills, for the recorder that the program has installed (`metrics::set_global_recorder`). Without a
//! recorder they cost nothing.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::event::Event;
use crate::hook::Hook;
use crate::report::{JobState, JobStatus, Verdict};

const STEPS: &str = "refit_steps_applied_total";
const STEP_SECONDS: &str = "refit_step_seconds";
const STEP_RETRIES: &str = "refit_step_retries_total";
const CHECK_FAILED: &str = "refit_check_failed";
const WAITED: &str = "refit_lock_waited_seconds";

/// Name, description, and value, if there is one.
type Figure = (&'static str, &'static str, fn(&JobStatus) -> Option<f64>);

/// Gauges of a backfill, labelled with the schema of its history, the migration, and whether it goes forward or back.
const BACKFILL: [Figure; 10] = [
    ("refit_backfill_progress_ratio", "Progress of a backfill, from 0 to 1.", |job| Some(job.progress)),
    ("refit_backfill_rows_changed", "Rows changed.", |job| Some(float(job.rows_changed))),
    ("refit_backfill_rows_per_second", "Rows changed per second, recently.", |job| job.rows_per_second),
    ("refit_backfill_eta_seconds", "Estimated time to completion.", |job| job.eta_seconds),
    ("refit_backfill_batches", "Batches committed.", |job| Some(float(job.batches))),
    ("refit_backfill_retries", "Batches that were retried.", |job| Some(float(job.retries))),
    ("refit_backfill_errors", "Rows set aside.", |job| Some(float(job.errors))),
    ("refit_backfill_workers", "Running workers, in all processes.", |job| {
        i64::try_from(job.workers.len()).ok().map(float)
    }),
    ("refit_backfill_throttled", "1 while the backfill is throttled.", |job| flag(job.throttle.is_some())),
    ("refit_backfill_complete", "1 when the backfill is complete.", |job| {
        flag(job.state == JobState::Complete)
    }),
];

/// Passes a description of each metric to the installed recorder. Call it once, after installing the recorder.
pub fn describe_metrics() {
    describe_counter!(STEPS, "Migrations applied by this process.");
    describe_histogram!(STEP_SECONDS, "Duration of each applied migration.");
    describe_counter!(STEP_RETRIES, "Step attempts that failed to acquire a lock.");
    describe_gauge!(CHECK_FAILED, "1 if a check failed when it last ran.");
    describe_gauge!(WAITED, "How long this process has waited for another run.");
    for (name, what, _) in BACKFILL {
        describe_gauge!(name, what);
    }
}

/// Records metrics from events.
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
        | Event::Held { .. }
        | Event::Notice { .. } => {}
        Event::StepRetried { stem, .. } => {
            counter!(STEP_RETRIES, "migration" => (*stem).to_owned()).increment(1);
        }
        Event::Checked { result } => {
            gauge!(CHECK_FAILED, "check" => result.name.clone())
                .set(flag(result.verdict == Verdict::Failed).unwrap_or_default());
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
