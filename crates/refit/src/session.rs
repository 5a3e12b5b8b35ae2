//! refinery's side of a run: its `Runner` orders the steps and writes the history through a [`Session`].
//!
//! refinery decides the order of steps and the history rows; Refit decides how a step runs, is retried, made atomic and reported.
//! refinery's error type cannot carry Refit's, so the session stores a failure and the run takes it from there.

use std::collections::VecDeque;

use refinery_core::Migration;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refit_model::Version;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::Instrument;

use crate::calendar::Deadline;
use crate::error::Error;
use crate::exec::Pipelined;
use crate::exec::{Step, StepContext};
use crate::queries::Queries;
use crate::report::StepReport;

/// The error that refinery gets when a step fails; the cause is in [`Session::failure`].
#[derive(Debug, thiserror::Error)]
#[error("the run was stopped")]
pub(crate) struct Stopped;

/// A session on which refinery's `Runner` applies the versioned steps of a plan.
///
/// It pipelines: a transactional step is sent while the one before runs. The result of a step is read after the next one is sent,
/// or by [`Session::settle`].
pub(crate) struct Session<'a> {
    context: StepContext<'a>,
    steps: VecDeque<Step<'a>>,
    ahead: Option<Ahead<'a>>,
    /// When the window of the run closes, if it does.
    deadline: Option<Deadline>,
    pub(crate) done: Vec<StepReport>,
    pub(crate) failure: Option<Error>,
}

/// A step that was sent and whose result is not read yet.
struct Ahead<'a> {
    step: Step<'a>,
    /// The SQL that records it in the history.
    record: String,
    pipelined: Pipelined,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        context: StepContext<'a>,
        steps: impl Iterator<Item = Step<'a>>,
        deadline: Option<Deadline>,
    ) -> Session<'a> {
        Session { context, steps: steps.collect(), ahead: None, deadline, done: Vec::new(), failure: None }
    }

    pub(crate) fn context(&self) -> &StepContext<'a> {
        &self.context
    }

    /// Runs a step and stores its report or its failure.
    pub(crate) async fn run(&mut self, step: &Step<'_>, record: &str) -> Result<(), Stopped> {
        self.settle().await?;
        self.unless_interrupted()?;
        self.unless_closed(step.stem).await?;
        let outcome = self.context.run(step, record, None, async || ()).instrument(span(step)).await;
        self.keep(outcome)
    }

    /// Sends a transactional step, then waits for the result of the one before.
    async fn send_ahead(&mut self, step: Step<'a>, record: &str) -> Result<(), Stopped> {
        if self.context.interrupt.is_triggered() {
            self.settle().await?;
            self.unless_interrupted()?;
        }
        let before = self.ahead.take();
        let after = before.as_ref().map(|before| before.step.stem);
        let pipelined = self.context.post(&step, record, 1, after).await;
        let record = record.to_owned();
        let Some(before) = before else {
            self.ahead = Some(Ahead { step, record, pipelined });
            return Ok(());
        };
        let mut next = Some(pipelined);
        let refused = async || {
            if let Some(pipelined) = next.take() {
                pipelined.outcome().await.ok();
            }
        };
        let running = self.context.run(&before.step, &before.record, Some(before.pipelined), refused);
        let outcome = running.instrument(span(&before.step)).await;
        self.keep(outcome)?;
        let pipelined = match next {
            Some(pipelined) => pipelined,
            None => self.context.post(&step, &record, 1, None).await,
        };
        self.ahead = Some(Ahead { step, record, pipelined });
        Ok(())
    }

    /// Waits for the result of the step that was sent.
    pub(crate) async fn settle(&mut self) -> Result<(), Stopped> {
        let Some(Ahead { step, record, pipelined }) = self.ahead.take() else { return Ok(()) };
        let outcome =
            self.context.run(&step, &record, Some(pipelined), async || ()).instrument(span(&step)).await;
        self.keep(outcome)
    }

    /// Fails once the run is interrupted, so that nothing more is sent.
    fn unless_interrupted(&mut self) -> Result<(), Stopped> {
        match self.context.interrupt.is_triggered() {
            false => Ok(()),
            true => Err(self.stop(Error::Interrupted {
                at: None,
                remains: "the steps before are applied; run again to continue".to_owned(),
            })),
        }
    }

    /// Fails once the window of the run is closed, so that the next step is not begun.
    async fn unless_closed(&mut self, stem: &str) -> Result<(), Stopped> {
        let Some(deadline) = &mut self.deadline else { return Ok(()) };
        match deadline.check(self.context.client, stem, self.done.len()).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.stop(error)),
        }
    }

    fn keep(&mut self, outcome: Result<StepReport, Error>) -> Result<(), Stopped> {
        match outcome {
            Ok(report) => {
                tracing::info!(migration = report.stem, duration = ?report.duration, attempts = report.attempts, "applied");
                self.done.push(report);
                Ok(())
            }
            Err(error) => Err(self.stop(error)),
        }
    }

    fn stop(&mut self, error: Error) -> Stopped {
        self.failure = Some(error);
        Stopped
    }
}

fn span(step: &Step<'_>) -> tracing::Span {
    tracing::info_span!("step", migration = step.stem)
}

impl AsyncTransaction for Session<'_> {
    type Error = Stopped;

    /// Called with one query for the history table's DDL, and with two for a step: its text and its history row.
    async fn execute<'q, T: Iterator<Item = &'q str> + Send + 'q>(
        &'q mut self,
        mut queries: T,
    ) -> Result<usize, Stopped> {
        let first = queries.next().unwrap_or_default();
        let Some(record) = queries.next() else {
            // The preparation has created the history already.
            return Ok(0);
        };
        match self.steps.pop_front() {
            Some(step)
                if step.sql.written() == first
                    && step.transaction
                    && self.deadline.is_none()
                    && !self.context.hooks.sees_steps()
                    && !self.context.runs_checks(&step) =>
            {
                self.send_ahead(step, record).await.map(|()| 2)
            }
            Some(step) if step.sql.written() == first => self.run(&step, record).await.map(|()| 2),
            _ => {
                let message = "refinery requested a step that is not the next one in the plan".to_owned();
                Err(self.stop(Error::Internal(message)))
            }
        }
    }
}

impl AsyncQuery<Vec<Migration>> for Session<'_> {
    /// The history rows of pending versions, which another run may have applied since the plan was made.
    async fn query<'q>(&'q mut self, query: &'q str) -> Result<Vec<Migration>, Stopped> {
        let versions: Vec<Version> = self.steps.iter().filter_map(|step| step.version).collect();
        match applied_among(self.context.client, query, &versions).await {
            Ok(applied) => Ok(applied),
            Err(error) => Err(self.stop(error)),
        }
    }
}

impl AsyncMigrate for Session<'_> {}

async fn applied_among(client: &Client, query: &str, versions: &[Version]) -> Result<Vec<Migration>, Error> {
    let query = query.trim_end_matches(';');
    // refinery without `int8-versions` creates a 32-bit column.
    let query = format!(
        "SELECT version::pg_catalog.int8, name, applied_on, checksum FROM ({query}) AS history \
         WHERE version = ANY ($1)"
    );
    let rows = client
        .query_boxed(&query, &[(&versions, Type::INT8_ARRAY)])
        .await
        .map_err(Error::database("reading the history"))?;
    Ok(rows
        .iter()
        .map(|row| {
            let applied_on: Option<String> = row.get("applied_on");
            let applied_on = applied_on.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
            let checksum: Option<String> = row.get("checksum");
            Migration::applied(
                row.get("version"),
                row.get::<_, Option<String>>("name").unwrap_or_default(),
                applied_on.unwrap_or(OffsetDateTime::UNIX_EPOCH),
                checksum.and_then(|checksum| checksum.parse().ok()).unwrap_or(0),
            )
        })
        .collect())
}
