//! Spans of the migrations reach an OpenTelemetry collector.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use refit_devdb::TestDb;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;

type Received = Arc<Mutex<Vec<Value>>>;

/// A collector that keeps what it receives, and its address.
async fn collector() -> (Received, String) {
    async fn receive(State(received): State<Received>, Json(document): Json<Value>) -> Json<Value> {
        received.lock().unwrap().push(document);
        Json(serde_json::json!({}))
    }
    let received = Received::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/v1/traces", post(receive)).with_state(received.clone());
    tokio::spawn(axum::serve(listener, router).into_future());
    (received, address)
}

#[tokio::test]
async fn a_run_and_its_steps_are_spans() {
    let db = TestDb::empty().await.unwrap();
    let (received, address) = collector().await;
    let mut service = Command::new(env!("CARGO_BIN_EXE_content-service"))
        .env("DATABASE_URL", db.url())
        .env("CONTENT_SERVICE_LISTEN", "127.0.0.1:0")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &address)
        .env("OTEL_BSP_SCHEDULE_DELAY", "200")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let spans = || -> Vec<Value> {
        let received = received.lock().unwrap();
        let at =
            |document: &Value, pointer: &str| document.pointer(pointer).unwrap().as_array().unwrap().clone();
        let resources = received.iter().flat_map(|document| at(document, "/resourceSpans"));
        let scopes = resources.flat_map(|resource| at(&resource, "/scopeSpans"));
        scopes.flat_map(|scope| at(&scope, "/spans")).collect()
    };
    let named =
        |name: &str| -> Vec<Value> { spans().into_iter().filter(|span| span["name"] == name).collect() };
    for _ in 0..300 {
        if !named("run").is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let pid = Pid::from_raw(i32::try_from(service.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(service.wait().await.unwrap().success());

    // A second run, with the migrations that wait for a backfill, may have begun when the service ends.
    let runs = named("run");
    let steps = named("step");
    assert!(steps.len() > 10, "{} steps", steps.len());
    let of_a_run = |step: &Value| {
        runs.iter().any(|run| step["traceId"] == run["traceId"] && step["parentSpanId"] == run["spanId"])
    };
    assert!(steps.iter().all(of_a_run), "{steps:#?}");
    let migrations: Vec<String> = steps.iter().map(|step| step["attributes"].to_string()).collect();
    assert!(migrations.iter().any(|text| text.contains("V0001__create_sites")), "{migrations:?}");
}
