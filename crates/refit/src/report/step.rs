//! The report of one step.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CheckResult, seconds};
use crate::connect::Notice;
use crate::plan::StepKind;

/// One step that ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepReport {
    /// Versioned or repeatable.
    pub kind: StepKind,
    /// The file name without `.sql`.
    pub stem: String,
    /// How long the step took, in seconds, retries included.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// How often it was tried.
    pub attempts: u32,
    /// How many statements it has.
    pub statements: usize,
    /// The attempts that did not get their locks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lock_waits: Vec<BlockedAttempt>,
    /// What the server said while it ran, for example for `RAISE WARNING` and `RAISE NOTICE` in the migration: at most 100
    /// notices, and the number of the others. Empty on a connection that the caller opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// What its checks found, if the run runs checks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
}

/// An attempt at a step that did not get its locks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BlockedAttempt {
    /// The server's message.
    pub error: String,
    /// How long the attempt took, in seconds.
    pub seconds: f64,
    /// The pause after it, in seconds.
    pub pause_seconds: f64,
    /// The sessions that held the locks.
    pub blockers: Vec<String>,
}
