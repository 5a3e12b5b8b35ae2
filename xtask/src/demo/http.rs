//! Requests to a replica on this machine.

use anyhow::Context;
use serde_json::Value;

/// Seconds after which a request has failed.
const TIMEOUT: u64 = 30;

/// An answer: its status and its body, which must be JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// `GET`.
///
/// # Errors
/// When the request fails or the body is not JSON.
pub(crate) async fn get(url: String) -> anyhow::Result<Answer> {
    send(minreq::get(url)).await
}

/// `POST` with a JSON body.
///
/// # Errors
/// When the request fails or the body is not JSON.
pub(crate) async fn post(url: String, body: &Value) -> anyhow::Result<Answer> {
    let request = minreq::post(url).with_header("content-type", "application/json");
    send(request.with_body(body.to_string())).await
}

/// Sends a request. The client blocks, so it gets a thread of its own.
async fn send(request: minreq::Request) -> anyhow::Result<Answer> {
    let response = tokio::task::spawn_blocking(move || request.with_timeout(TIMEOUT).send()).await??;
    let (status, text) = (response.status_code, response.as_str()?);
    let body = serde_json::from_str(text).with_context(|| format!("{status} without JSON: {text}"))?;
    Ok(Answer { status, body })
}
