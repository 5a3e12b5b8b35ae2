//! The server crashes, the connection is lost, or a statement outside a transaction is interrupted: the next boot continues.

use refit::Migrator;
use refit_devdb::{Listen, Server, ServerOptions, StopMode, TestDb};

use crate::support::proxy::Proxy;
use crate::support::{
    applied, boot, execute, execute_at, folder, gate, migrator, server, set, until, value, value_at,
};

const LOG: (&str, &str) = (
    "V1__log.sql",
    "CREATE TABLE log (entry int NOT NULL);\nCREATE TABLE t (a int);\n\
     INSERT INTO t SELECT generate_series(1, 2000);\nINSERT INTO log VALUES (1);",
);
const LAST: (&str, &str) = ("V3__last.sql", "INSERT INTO log VALUES (3);");

const LOGGED: &str = "SELECT string_agg(entry::text, ',' ORDER BY entry) FROM log";

/// A step that logs, waits at the gate, and logs again.
fn waiting_step(transaction: bool) -> String {
    format!(
        "-- refit: transaction = {transaction}\nINSERT INTO log VALUES (20);\n{}\nINSERT INTO log VALUES (2);",
        gate::WAIT
    )
}

fn index_step() -> (&'static str, &'static str) {
    (
        "V2__index.sql",
        "-- refit: transaction = false\nINSERT INTO log VALUES (20);\n\
         CREATE INDEX CONCURRENTLY t_a ON t (a);\nINSERT INTO log VALUES (2);",
    )
}

async fn stop(mut server: Server, mode: StopMode) -> Server {
    let stop = move || server.stop(mode).map(|()| server).unwrap();
    tokio::task::spawn_blocking(stop).await.unwrap()
}

async fn restart(mut server: Server) -> Server {
    tokio::task::spawn_blocking(move || server.restart().map(|()| server).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_server_crash_during_a_step_is_recovered_from() {
    let mut server = server(ServerOptions { durable: true, ..ServerOptions::from_env() }).await;
    for (database, transaction) in [("in_one", true), ("one_by_one", false)] {
        execute_at(&server.url("postgres"), &format!("CREATE DATABASE {database}")).await;
        let url = server.url(database);
        execute_at(&url, "CREATE TABLE gate (); INSERT INTO gate DEFAULT VALUES").await;
        let step = waiting_step(transaction);
        let folder = folder(&[LOG, ("V2__waits.sql", &step), LAST]);
        let process = boot::start(folder.path(), &url);
        until("the step waits", async || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            value_at::<i64>(&url, sql).await == 1
        })
        .await;
        server = stop(server, StopMode::Immediate).await;
        let ended = boot::end(process).await;
        assert!(!ended.success && ended.stderr.contains("V2__waits.sql failed"), "{ended:?}");
        server = restart(server).await;
        execute_at(&url, "DELETE FROM gate").await;
        boot::boot(folder.path(), &url).await;
        assert_eq!(value_at::<String>(&url, LOGGED).await, "1,2,3,20");
        let history = "SELECT string_agg(version::text, ',' ORDER BY version) FROM refinery_schema_history";
        assert_eq!(value_at::<String>(&url, history).await, "1,2,3");
    }
}

#[tokio::test]
async fn a_session_terminated_during_a_step_is_recovered_from() {
    for transaction in [true, false] {
        let db = TestDb::empty().await.unwrap();
        gate::close(&db).await;
        let step = waiting_step(transaction);
        let files = [LOG, ("V2__waits.sql", step.as_str()), LAST];
        let (first, url) = (migrator(&files), db.url().to_owned());
        let run = tokio::spawn(async move { first.run(&url).await });
        let pid = gate::waiting(&db).await;
        execute(&db, &format!("SELECT pg_terminate_backend({pid})")).await;
        let error = run.await.unwrap().unwrap_err().message();
        assert!(
            error.starts_with("V2__waits.sql failed") && error.contains("the connection was lost"),
            "{error}"
        );
        assert!(error.contains("57P01") && !error.contains("fix"), "{error}");
        gate::open(&db).await;
        migrator(&files).run(db.url()).await.unwrap();
        assert_eq!(value::<String>(&db, LOGGED).await, "1,2,3,20");
        assert_eq!(applied(&db).await, "1,2,3");
    }
}

#[tokio::test]
async fn a_network_failure_during_a_step_is_recovered_from() {
    let server = server(ServerOptions { listen: Listen::Loopback(0), ..ServerOptions::for_tests() }).await;
    let url = server.url("postgres");
    execute_at(&url, "CREATE TABLE gate (); INSERT INTO gate DEFAULT VALUES").await;
    let proxy = Proxy::to(server.port()).await;
    let through = url.replace(&server.port().to_string(), &proxy.port().to_string());
    let step = waiting_step(true);
    let files = [LOG, ("V2__waits.sql", step.as_str()), LAST];
    let first = Migrator::new(set(&files));
    let run = tokio::spawn(async move { first.run(&through).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    until("the step waits", async || value_at::<i64>(&url, waiting).await == 1).await;
    proxy.cut().await;
    let error = run.await.unwrap().unwrap_err().message();
    assert!(
        error.starts_with("V2__waits.sql failed") && error.contains("the connection was lost"),
        "{error}"
    );
    // The server has not noticed: the step still runs, the one after it has been sent, and the next boot waits.
    let (second, again) = (Migrator::new(set(&files)), url.clone());
    let run = tokio::spawn(async move { second.run(&again).await });
    let asking = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'refit' AND query LIKE '%pg_try_advisory_lock%'";
    until("the second boot tries to take the lock", async || value_at::<i64>(&url, asking).await == 1).await;
    execute_at(&url, "DELETE FROM gate").await;
    let report = run.await.unwrap().unwrap();
    assert_eq!(report.steps.len(), 0, "the first run's steps were committed: {report}");
    assert_eq!(value_at::<String>(&url, LOGGED).await, "1,2,3,20");
}

/// How a build is interrupted.
enum Interruption {
    Terminate,
    Kill,
    KillAndTerminate,
}

#[tokio::test]
async fn an_interrupted_index_build_is_repeated_by_the_next_boot() {
    for how in [Interruption::Terminate, Interruption::Kill, Interruption::KillAndTerminate] {
        let db = TestDb::empty().await.unwrap();
        migrator(&[LOG]).run(db.url()).await.unwrap();
        let folder = folder(&[LOG, index_step(), LAST]);
        // The build waits for sessions with older transactions.
        let old = db.connect().await.unwrap();
        old.batch_execute("BEGIN; INSERT INTO t VALUES (0)").await.unwrap();
        let mut process = boot::start(folder.path(), db.url());
        let building = "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                        AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND datname = current_database()";
        until("the build waits", async || value::<i32>(&db, building).await > 0).await;
        let pid: i32 = value(&db, building).await;
        if !matches!(how, Interruption::Terminate) {
            process.start_kill().unwrap();
        }
        if !matches!(how, Interruption::Kill) {
            execute(&db, &format!("SELECT pg_terminate_backend({pid})")).await;
        }
        let ended = boot::end(process).await;
        assert!(!ended.success);
        assert_eq!(applied(&db).await, "1");
        let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass";
        assert!(!value::<bool>(&db, valid).await, "an invalid index remains");
        let again = boot::start(folder.path(), db.url());
        old.batch_execute("ROLLBACK").await.unwrap();
        let ended = boot::end(again).await;
        assert!(ended.success, "{ended:?}");
        assert!(value::<bool>(&db, valid).await);
        assert_eq!(value::<String>(&db, LOGGED).await, "1,2,3,20");
        assert_eq!(
            value::<i64>(&db, "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass").await,
            1
        );
        assert_eq!(applied(&db).await, "1,2,3");
    }
}
