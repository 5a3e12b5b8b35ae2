//! How long the queries of budgets take.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::seconds;

/// The time of a budget's query over several executions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Measurement {
    /// The median, in seconds.
    #[serde(serialize_with = "seconds", deserialize_with = "read_seconds")]
    pub median: Duration,
    /// The 95th percentile, in seconds.
    #[serde(serialize_with = "seconds", deserialize_with = "read_seconds")]
    pub p95: Duration,
    /// How many rows all executions returned together.
    pub rows: u64,
    /// How often the query was executed.
    pub runs: u32,
    /// The plan of the first execution, without costs.
    pub plan: String,
}

/// What was measured for a budget: on demand, or before and after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetResult {
    /// Its name.
    pub name: String,
    /// Its file, relative to the folder.
    pub path: String,
    /// The line of its query.
    pub line: usize,
    /// The 95th percentile that is allowed, in seconds; none if it is only measured.
    #[serde(serialize_with = "optional_seconds", deserialize_with = "read_optional_seconds")]
    pub limit: Option<Duration>,
    /// Before the run, if the query could run then.
    pub before: Option<Measurement>,
    /// After the run, or now.
    pub after: Option<Measurement>,
    /// Why it cannot be measured after the run, or now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl BudgetResult {
    /// Whether the query takes longer than allowed, or cannot run.
    pub fn is_over(&self) -> bool {
        let over = |limit: Duration| self.after.as_ref().is_some_and(|after| after.p95 > limit);
        self.error.is_some() || self.limit.is_some_and(over)
    }

    /// Whether its plan before the run differs from that after it.
    pub fn has_other_plan(&self) -> bool {
        self.before.as_ref().zip(self.after.as_ref()).is_some_and(|(before, after)| before.plan != after.plan)
    }
}

fn optional_seconds<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

fn read_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(f64::deserialize(deserializer)?)
}

fn read_optional_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Option::<f64>::deserialize(deserializer)?.map(duration).transpose()
}

fn duration<E: serde::de::Error>(seconds: f64) -> Result<Duration, E> {
    Duration::try_from_secs_f64(seconds).map_err(E::custom)
}
