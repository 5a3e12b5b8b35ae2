//! `/healthz` and `/readyz`. `/healthz` never uses the database, so that neither a long migration nor an unavailable
//! database gets the process restarted. `/readyz` is for load balancers.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api_error::ApiError;
use crate::state::{Phase, State};

/// `GET /healthz`: the process is up, and what it migrates: `migrating, step 3 of 7, 28 %: V0012__describe_version_source`.
pub(crate) async fn healthz(Shared(state): Shared<State>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "up", "migrations": state.progress().to_string() }))
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    phase: Phase,
    /// The plan of pending and held migrations; null while the database does not answer.
    plan: Option<refit::Plan>,
    error: Option<String>,
}

/// `GET /readyz`: 200 when the schema is at the version this binary expects (or ahead of it), 503 otherwise.
pub(crate) async fn readyz(Shared(state): Shared<State>) -> Response {
    let phase = state.phase();
    let (plan, error) = match state.plan().await {
        Ok(plan) => (Some(plan), None),
        Err(error) => (None, Some(log_and_describe(&error))),
    };
    let ready = phase == Phase::Serving && plan.as_ref().is_some_and(refit::Plan::is_up_to_date);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, phase, plan, error })).into_response()
}

fn log_and_describe(error: &ApiError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(%error, cause, "not ready");
    error.to_string()
}
