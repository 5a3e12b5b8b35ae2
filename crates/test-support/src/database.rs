//! Queries for assertions on a database.

use std::time::{Duration, Instant};

use refit_devdb::{Server, ServerOptions, TestDb};
use tokio_postgres::types::FromSqlOwned;

/// The single value that a query returns.
pub async fn value<T: FromSqlOwned>(db: &TestDb, sql: &str) -> T {
    value_at(db.url(), sql).await
}

/// Runs statements.
pub async fn execute(db: &TestDb, sql: &str) {
    execute_at(db.url(), sql).await;
}

/// The single value that a query returns, on any URL.
pub async fn value_at<T: FromSqlOwned>(url: &str, sql: &str) -> T {
    let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
    let value = client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0);
    client.close().await;
    value
}

/// Runs statements, on any URL.
pub async fn execute_at(url: &str, sql: &str) {
    let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    client.close().await;
}

/// The server's major version.
pub async fn major(db: &TestDb) -> u32 {
    let major: i32 = value(db, "SELECT current_setting('server_version_num')::int / 10000").await;
    u32::try_from(major).unwrap()
}

/// Waits for a condition; panics with `what` after a minute.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < Duration::from_secs(60), "timed out after a minute, waiting until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A private server with settings of its own, started off the async threads.
pub async fn server(options: ServerOptions) -> Server {
    tokio::task::spawn_blocking(move || Server::start(options).unwrap()).await.unwrap()
}
