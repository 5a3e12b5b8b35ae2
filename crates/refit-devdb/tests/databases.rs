//! Test databases: each is separate, cloned from a template that is filled once, and dropped afterwards.

// Test helpers may panic.
#![allow(clippy::unwrap_used)]

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use postgres::{Client, NoTls};
use refit_devdb::{Error, TestDb};

/// The first column of the first row. The driver is synchronous, so the query runs on a blocking thread.
async fn ask(url: &str, query: &'static str) -> String {
    let url = url.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        Client::connect(&url, NoTls).unwrap().query_one(query, &[]).unwrap().get::<_, String>(0)
    });
    asked.await.unwrap()
}

async fn run(url: &str, statements: &'static str) {
    let url = url.to_owned();
    let run = move || Client::connect(&url, NoTls).unwrap().batch_execute(statements).unwrap();
    tokio::task::spawn_blocking(run).await.unwrap();
}

#[tokio::test]
async fn databases_are_separate_and_dropped() {
    let one = TestDb::empty().await.unwrap();
    let other = TestDb::empty().await.unwrap();
    assert_eq!(one.server().pid(), other.server().pid());
    run(one.url(), "CREATE TABLE t ()").await;
    assert_eq!(ask(one.url(), "SELECT (to_regclass('t') IS NULL)::text").await, "false");
    assert_eq!(ask(other.url(), "SELECT (to_regclass('t') IS NULL)::text").await, "true");
    let name = one.name().to_owned();
    // It is dropped even while a client is connected.
    let url = one.url().to_owned();
    let client = tokio::task::spawn_blocking(move || Client::connect(&url, NoTls).unwrap()).await.unwrap();
    drop(one);
    let all = ask(other.url(), "SELECT string_agg(datname, ' ') FROM pg_database").await;
    assert!(!all.split(' ').any(|database| database == name), "{all}");
    tokio::task::spawn_blocking(move || drop(client)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_template_is_filled_once() {
    static FILLED: AtomicU32 = AtomicU32::new(0);
    let database = async || {
        let begun = Instant::now();
        let fill = async |url: &str| {
            FILLED.fetch_add(1, Ordering::Relaxed);
            run(url, "CREATE TABLE seed AS SELECT generate_series(1, 1000) AS n").await;
            Ok::<(), Error>(())
        };
        let db = TestDb::filled("seed", fill).await.unwrap();
        println!("{} after {:?}", db.name(), begun.elapsed());
        assert_eq!(ask(db.url(), "SELECT count(*)::text FROM seed").await, "1000");
    };
    tokio::join!(database(), database(), database(), database());
    database().await;
    assert_eq!(FILLED.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_template_that_failed_is_tried_again() {
    #[derive(Debug)]
    struct Failed;
    impl From<Error> for Failed {
        fn from(error: Error) -> Failed {
            panic!("{error}")
        }
    }
    let failing = async |url: &str| {
        run(url, "CREATE TABLE half ()").await;
        Err(Failed)
    };
    assert!(TestDb::filled("fails at first", failing).await.is_err());
    let working = async |url: &str| {
        run(url, "CREATE TABLE whole ()").await;
        Ok::<(), Failed>(())
    };
    let db = TestDb::filled("fails at first", working).await.unwrap();
    assert_eq!(ask(db.url(), "SELECT (to_regclass('half') IS NULL)::text").await, "true");
}
