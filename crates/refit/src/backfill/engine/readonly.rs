//! Read-only servers and sessions: no work begins there. A failover during work is waited for, for a limited time.

use std::time::{Duration, Instant};

use refit_model::wording::{counted, plural};
use tokio_postgres::Client;

use super::job::Job;
use crate::error::Error;
use crate::error::read_only;
use crate::queries::Queries;

/// Refuses a session that cannot write if jobs are unfinished.
pub(in crate::backfill) async fn require_writable(client: &Client, jobs: &[Job]) -> Result<(), Error> {
    let Some(first) = jobs.first() else { return Ok(()) };
    let sql = "SELECT pg_catalog.pg_is_in_recovery(), \
               pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool";
    let row = client.query_one_boxed(sql, &[]).await.map_err(Error::database("looking at the session"))?;
    match read_only(row.get(0), row.get(1)) {
        Some((why, hint)) => Err(refusal(why, jobs.len(), first, hint)),
        None => Ok(()),
    }
}

fn refusal(why: &'static str, jobs: usize, first: &Job, hint: &'static str) -> Error {
    let pending = format!("{} {} unfinished", counted(jobs, "backfill"), plural(jobs, "is", "are"));
    Error::ReadOnly { why, pending, first: first.name.clone(), hint }
}

/// How long writes have been refused without interruption.
#[derive(Debug)]
pub(in crate::backfill) struct Refusals {
    since: Option<Instant>,
    limit: Duration,
}

impl Refusals {
    /// Tolerates refusals for as long as a lease lasts; after that, other processes may take the work over.
    pub(in crate::backfill) fn new(lease: Duration) -> Refusals {
        Refusals { since: None, limit: lease }
    }

    /// Records a refused write; returns whether to keep waiting.
    pub(in crate::backfill) fn may_pass(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() < self.limit
    }

    /// A write succeeded.
    pub(in crate::backfill) fn over(&mut self) {
        self.since = None;
    }

    /// The error of a worker's session that ended with an SQLSTATE; none while waiting may help.
    pub(in crate::backfill) fn given_up(&mut self, sqlstate: Option<&str>, job: &Job) -> Option<Error> {
        // A server in recovery rejects BEGIN READ WRITE with 0A000.
        if !matches!(sqlstate, Some("25006" | "0A000")) || self.may_pass() {
            return None;
        }
        let hint = "connect to the primary, for example with target_session_attrs=read-write, and run again";
        Some(refusal("the server has become read-only", 1, job, hint))
    }
}
