//! What a hook receives: one JSON document.

use jiff::Timestamp;
use refit_model::HookEvent;
use serde::Serialize;

/// The message. Its form has a version, as a report has.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    pub(crate) format: u32,
    pub(crate) event: HookEvent,
    /// When it was written, RFC 3339.
    pub(crate) at: String,
    /// One sentence for people.
    pub(crate) text: String,
    /// None if a run failed before it began.
    pub(crate) environment: Option<String>,
    pub(crate) release: Option<String>,
    /// The run's number, for `cargo xtask report`.
    pub(crate) run: Option<i64>,
    pub(crate) is_rollback: bool,
    /// The migrations that are pending when a run starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pending: Vec<String>,
    /// The steps that are applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<Step>,
    /// The migrations that are held back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) held: Vec<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) late: Option<Late>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    pub(crate) stem: String,
    pub(crate) seconds: f64,
    pub(crate) attempts: u32,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Held {
    pub(crate) stem: String,
    pub(crate) reason: String,
}

/// A step that takes longer than its migration's description says.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Late {
    pub(crate) stem: String,
    pub(crate) expected_seconds: f64,
}

/// The run that messages are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) environment: Option<String>,
    pub(crate) release: Option<String>,
    pub(crate) run: Option<i64>,
    pub(crate) is_rollback: bool,
}

impl About {
    /// `the run 12 in production`.
    pub(crate) fn subject(&self) -> String {
        let what = if self.is_rollback { "rollback" } else { "run" };
        let number = self.run.map_or(String::new(), |run| format!(" {run}"));
        match &self.environment {
            None => format!("the {what}{number}"),
            Some(environment) => format!("the {what}{number} in {environment}"),
        }
    }

    pub(crate) fn message(&self, event: HookEvent, text: String) -> Message {
        let About { environment, release, run, is_rollback } = self.clone();
        Message {
            format: 1,
            event,
            at: Timestamp::now().to_string(),
            text,
            environment,
            release,
            run,
            is_rollback,
            pending: Vec::new(),
            steps: Vec::new(),
            held: Vec::new(),
            error: None,
            late: None,
        }
    }
}

impl Message {
    pub(crate) fn json(&self) -> String {
        // Texts and numbers always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
