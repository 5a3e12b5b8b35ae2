//! An axum service that binds its port, migrates its own database, and answers probes meanwhile.
//!
//! ```sh
//! DATABASE_URL=postgres://user@localhost/database cargo run -p axum-service
//! curl -i localhost:3000/readyz
//! ```
//!
//! `/healthz` says that the process is up and what it migrates (`migrating, step 3 of 7, 28 %: V3__index`), `/readyz` that the schema is what this binary expects, `/notes` counts rows.
//! `LISTEN` is the address, by default `127.0.0.1:3000`. Backfills run in the background, in every replica.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use refit::{ConnectOptions, Interrupt, Migrator, Progress};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The folder `migrations`, as `build.rs` embedded it.
static MIGRATIONS: refit::Embedded = refit::embed!();

/// What handlers share. A service with traffic has a pool in place of the URL.
struct Service {
    migrator: Migrator,
    progress: Progress,
    url: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // refinery would log each migration a second time.
    let filter = EnvFilter::new("info,refinery_core=warn");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let url =
        std::env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL to the URL of a PostgreSQL database")?;
    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());

    let interrupt = Interrupt::new();
    tokio::spawn(on_signal(interrupt.clone()));
    let progress = Progress::default();
    let migrator = Migrator::new(&MIGRATIONS).interrupt(interrupt.clone()).progress(&progress);
    let service = Arc::new(Service { migrator, progress, url });
    let router = Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/notes", get(notes))
        .with_state(service.clone());

    // Bound before the first migration, so that a probe can tell "migrating" from "dead".
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let stopping = interrupt.clone();
    let server =
        axum::serve(listener, router).with_graceful_shutdown(async move { stopping.triggered().await });
    let server = tokio::spawn(async move { server.await });

    match service.migrator.run(&service.url).await {
        Ok(report) => tracing::info!("{}", report.summary()),
        Err(error @ refit::Error::Interrupted { .. }) => tracing::warn!("{error}"),
        Err(error) => return Err(error.message().into()),
    }
    server.await??;
    Ok(())
}

/// Stops the service, and the work on migrations and backfills, on SIGTERM and SIGINT.
async fn on_signal(interrupt: Interrupt) {
    if let (Ok(mut terminate), Ok(mut ctrl_c)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = ctrl_c.recv() => {}
        }
        interrupt.trigger();
    }
}

/// Always 200: a process that migrates is alive, and should not be restarted.
async fn healthy(State(service): State<Arc<Service>>) -> String {
    format!("up, {}", service.progress)
}

/// 200 with the plan if the schema is what this binary expects, 503 otherwise. A backfill that is not complete does not make
/// the service unready, nor does what waits for it.
async fn ready(State(service): State<Arc<Service>>) -> (StatusCode, Json<Value>) {
    let plan = async {
        let client = refit::connect(&service.url, &ConnectOptions::default()).await?;
        let plan = service.migrator.plan(&client).await;
        client.close().await;
        plan
    };
    match plan.await {
        Ok(plan) if plan.is_up_to_date() => (StatusCode::OK, Json(json!({ "plan": plan }))),
        Ok(plan) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "plan": plan }))),
        Err(error) => {
            tracing::warn!("not ready: {}", error.message());
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "plan": null })))
        }
    }
}

async fn notes(State(service): State<Arc<Service>>) -> Result<Json<Value>, StatusCode> {
    count(&service.url).await.map(|count| Json(json!({ "notes": count }))).map_err(|error| {
        tracing::warn!("cannot count notes: {error}");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

async fn count(url: &str) -> Result<i64, Box<dyn std::error::Error>> {
    let client = refit::connect(url, &ConnectOptions::default()).await?;
    let row = client.query_one("SELECT count(*) FROM notes", &[]).await?;
    client.close().await;
    Ok(row.get(0))
}
