//! Failed connections: which errors are retried, for how long, and what the error says.

use std::time::{Duration, Instant};

use refit::{ConnectOptions, Error};
use refit_devdb::{Listen, Server, ServerOptions, StopMode};

use crate::support::{migrator, server, value_at};

const FILES: [(&str, &str); 1] = [("V1__a.sql", "CREATE TABLE a (id int);")];

async fn loopback() -> Server {
    server(ServerOptions { listen: Listen::Loopback(0), ..ServerOptions::for_tests() }).await
}

fn patience(retry_for: u64, attempt: u64) -> ConnectOptions {
    ConnectOptions {
        retry_for: Duration::from_millis(retry_for),
        attempt_timeout: Duration::from_millis(attempt),
        ..ConnectOptions::default()
    }
}

/// The error of a boot, with the number of attempts; the password must not be in it.
async fn refused(url: &str, password: &str, options: ConnectOptions) -> (String, usize) {
    let error = migrator(&FILES).connect_options(options).run(url).await.unwrap_err();
    let text = format!("{} {error:?}", error.message());
    assert!(password.is_empty() || !text.contains(password), "{text}");
    match &error {
        Error::Connect { attempts, .. } => (error.message(), *attempts),
        Error::Url(_) => (error.message(), 0),
        other => panic!("{other}"),
    }
}

fn password_of(url: &str) -> &str {
    url.split("postgres:").nth(2).and_then(|rest| rest.split('@').next()).unwrap()
}

#[tokio::test]
async fn a_rejected_connection_is_reported_without_retries() {
    let server = loopback().await;
    let url = server.url("postgres");
    let password = password_of(&url);
    let wrong = url.replace(password, "wr0ng-s3cret");
    let (text, attempts) = refused(&wrong, "wr0ng-s3cret", ConnectOptions::default()).await;
    assert_eq!(attempts, 1);
    assert!(text.contains("28P01") && text.contains("check user and password"), "{text}");
    assert!(text.contains(&format!("postgres@127.0.0.1:{}/postgres", server.port())), "{text}");
    // The mode that retries with TLS must not hide the reason.
    let (text, _) =
        refused(&format!("{wrong}?sslmode=allow"), "wr0ng-s3cret", ConnectOptions::default()).await;
    assert!(text.contains("28P01"), "{text}");

    let (text, attempts) = refused(&server.url("nowhere"), password, ConnectOptions::default()).await;
    assert_eq!(attempts, 1);
    assert!(text.contains("3D000") && text.contains("create the database"), "{text}");

    let without = url.replace(&format!(":{password}@"), "@");
    let (text, attempts) = refused(&without, "", ConnectOptions::default()).await;
    assert_eq!(attempts, 1);
    assert!(text.contains("give a password"), "{text}");
    assert!(!value_at::<bool>(&url, "SELECT to_regclass('a') IS NOT NULL").await);
}

#[tokio::test]
async fn an_unreachable_server_is_retried() {
    let url = {
        let mut server = loopback().await;
        server.stop(StopMode::Fast).unwrap();
        server.url("postgres")
    };
    let began = Instant::now();
    let (text, attempts) = refused(&url, password_of(&url), patience(1_000, 500)).await;
    assert!(attempts > 1 && began.elapsed() < Duration::from_secs(10), "{attempts} {:?}", began.elapsed());
    assert!(text.contains(&format!("(tried {attempts} times)")), "{text}");
    assert!(text.contains("is the server running"), "{text}");
    let (text, _) = refused("postgres://postgres@%2Fnowhere/postgres", "", patience(300, 500)).await;
    assert!(text.contains("is the socket's folder right"), "{text}");
    let (_, attempts) = refused("postgres://postgres@nowhere.invalid/postgres", "", patience(300, 500)).await;
    assert!(attempts > 1, "a name may become resolvable");
}

#[tokio::test]
async fn a_server_that_starts_during_retries_is_used() {
    let mut server = loopback().await;
    server.stop(StopMode::Fast).unwrap();
    let url = server.url("postgres");
    let boot = tokio::spawn(async move { migrator(&FILES).run(&url).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!boot.is_finished());
    let server =
        tokio::task::spawn_blocking(move || server.restart().map(|()| server).unwrap()).await.unwrap();
    boot.await.unwrap().unwrap();
    assert!(value_at::<bool>(&server.url("postgres"), "SELECT to_regclass('a') IS NOT NULL").await);
}

#[tokio::test]
async fn a_host_that_does_not_respond_times_out() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("postgres://u:s3cret@127.0.0.1:{}/d", listener.local_addr().unwrap().port());
    let began = Instant::now();
    let (text, attempts) = refused(&url, "s3cret", patience(300, 200)).await;
    assert!(began.elapsed() < Duration::from_secs(10) && attempts >= 1, "{text}");
    assert!(text.contains("no server responded within") && text.contains("check host and port"), "{text}");
    drop(listener);
}

#[tokio::test]
async fn malformed_urls_are_explained_without_a_connection() {
    for (url, says) in [
        ("mysql://u:s3cret@h/d", "`mysql` is not PostgreSQL"),
        ("no url at all", "postgres://user:password@host:5432/database"),
        ("", "no host"),
        ("postgres://", "no host"),
        ("postgres:///d", "no host"),
        ("postgres://u:s3cret@h:port/d", "postgres://user:password@host:5432/database"),
        ("postgres://u:s3cret@h/d?sslmode=maybe", "verify-full"),
        ("postgres://u:s3cret@h/d?nosuch=1", "nosuch"),
        ("postgres://u:x@s3cret@h/d", "%40"),
        ("postgres://u:x?s3cret@h/d", "%3F"),
        ("user=u password=s3cret dbname=d", "no host"),
        ("host=h password='s3cret", "postgres://user:password@host:5432/database"),
    ] {
        let (text, attempts) = refused(url, "s3cret", ConnectOptions::default()).await;
        assert!(text.starts_with("invalid database URL") && text.contains(says), "{url}: {text}");
        assert_eq!(attempts, 0);
    }
}
