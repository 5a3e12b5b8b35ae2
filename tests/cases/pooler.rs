//! Connection poolers: PgBouncer in front of a server, and servers that must not be mistaken for a pooler.

use refit::{Backfills, Error};
use refit_devdb::{Listen, ServerOptions, TestDb};

use crate::support::certificates::{Authority, tls_server};
use crate::support::pgbouncer::PgBouncer;
use crate::support::{advisory_locks, applied, exists, migrator, server, value, value_at};

const FILES: [(&str, &str); 2] = [
    ("V1__a.sql", "CREATE TABLE a (id int);"),
    ("V2__index.sql", "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY a_id ON a (id);"),
];

#[tokio::test]
async fn a_transaction_pooler_refuses_runs_and_allows_boots_with_nothing_to_do() {
    let Some(program) = PgBouncer::program() else { return };
    let db = TestDb::empty().await.unwrap();
    let bouncer = PgBouncer::start(program, db.server(), "transaction").await;
    let urls = [bouncer.url(db.name()), bouncer.socket_url(db.name())];
    for url in &urls {
        let error = migrator(&FILES).run(url).await.unwrap_err();
        assert!(matches!(error, Error::Pooler), "{error}");
        assert!(error.message().contains("connect to the server itself"), "{error}");
        let made = "SELECT count(*) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace \
                    WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'";
        assert_eq!(value::<i64>(&db, made).await, 0);
        assert!(!value::<bool>(&db, "SELECT to_regnamespace('refit') IS NOT NULL").await);
        assert_eq!(advisory_locks(&db).await, 0);
    }
    // A pooler is also detected on a session that the caller opened, whatever its driver does about TLS on a Unix socket.
    for url in &urls {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let error = migrator(&FILES).apply(&client).await.unwrap_err();
        assert!(matches!(error, Error::Pooler), "{error}");
    }
    assert!(!exists(&db, "a").await);
    migrator(&FILES).run(db.url()).await.unwrap();
    for url in &urls {
        let report = migrator(&FILES).run(url).await.unwrap();
        assert_eq!((report.run, report.version), (None, Some(2)));
    }
}

#[tokio::test]
async fn no_backfill_runs_through_a_transaction_pooler() {
    let Some(program) = PgBouncer::program() else { return };
    let db = TestDb::empty().await.unwrap();
    let bouncer = PgBouncer::start(program, db.server(), "transaction").await;
    let table = ("V1__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY, n int); INSERT INTO t VALUES (1)");
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = 1 WHERE id > $1 AND id <= $2;",
    );
    migrator(&[table, fill]).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    let url = bouncer.url(db.name());
    let error = migrator(&[table, fill]).run_backfills(&url).await.unwrap_err();
    assert!(matches!(error, Error::Pooler), "{error}");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM t WHERE n = 1").await, 0);
    migrator(&[table, fill]).run_backfills(db.url()).await.unwrap();
    // With nothing to do, the boot succeeds.
    migrator(&[table, fill]).backfills(Backfills::Inline).run(&url).await.unwrap();
}

#[tokio::test]
async fn a_session_pooler_works_with_its_option() {
    let Some(program) = PgBouncer::program() else { return };
    let db = TestDb::empty().await.unwrap();
    let bouncer = PgBouncer::start(program, db.server(), "session").await;
    let url = bouncer.url(db.name());
    let error = migrator(&FILES).run(&url).await.unwrap_err();
    assert!(matches!(error, Error::Pooler) && !exists(&db, "a").await, "{error}");
    migrator(&FILES).session_pooler(true).run(&url).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
    assert_eq!(advisory_locks(&db).await, 0, "the pooled session released the lock");
}

#[tokio::test]
async fn a_server_is_not_mistaken_for_a_pooler() {
    let socket = TestDb::empty().await.unwrap();
    migrator(&FILES).run(socket.url()).await.unwrap();
    let tcp = server(ServerOptions { listen: Listen::Loopback(0), ..ServerOptions::for_tests() }).await;
    let authority = Authority::new("pooler test");
    let tls = tls_server(&authority.sign("localhost", &["localhost"]), None).await;
    for url in [tcp.url("postgres"), tls.url("postgres") + "?sslmode=prefer"] {
        assert_eq!(migrator(&FILES[..1]).run(&url).await.unwrap().steps.len(), 1);
        assert_eq!(value_at::<i64>(&url, "SELECT count(*) FROM refit.run").await, 1);
    }
    let required = tls.url("postgres") + "?sslmode=require";
    assert_eq!(migrator(&FILES).run(&required).await.unwrap().steps.len(), 1);
}
