//! Commands through a connection pooler: none leaves a lock, a setting or a prepared statement in a session of the pool.

use refit_devdb::TestDb;

use crate::support::pgbouncer::PgBouncer;
use crate::support::{Workspace, execute, history, value};

const ONE: (&str, &str) = ("V1__posts.sql", "CREATE TABLE posts (id int PRIMARY KEY, n int);\n");
const TWO: (&str, &str) = ("V2__pages.sql", "CREATE TABLE pages (id int);\n");

async fn locks(db: &TestDb) -> i64 {
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    value(db, sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_and_adopt_are_refused_unless_in_session_mode() {
    let Some(program) = PgBouncer::program() else { return };
    let db = TestDb::empty().await.unwrap();
    let bouncer = PgBouncer::start(program.clone(), db.server(), "transaction").await;
    let workspace = Workspace::new(&[ONE, TWO]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    workspace.write(ONE.0, "CREATE TABLE posts (id bigint PRIMARY KEY, n int);\n");
    let before = history(&db).await;
    let workspace = workspace.at(&bouncer.url(db.name()));
    let refused = |arguments: &[&str]| {
        let ran = workspace.run(arguments).expect(2);
        assert!(ran.stderr.contains("connected through a connection pooler"), "{}", ran.stderr);
    };
    refused(&["repair", "--yes"]);
    assert_eq!(history(&db).await, before);
    execute(
        &db,
        "ALTER TABLE refinery_schema_history RENAME TO old; CREATE TABLE _sqlx_migrations (version bigint)",
    )
    .await;
    refused(&["adopt", "--yes"]);
    refused(&["adopt", "--from", "baseline", "--version", "1", "--yes"]);
    assert!(!value::<bool>(&db, "SELECT to_regclass('refinery_schema_history') IS NOT NULL").await);
    execute(&db, "DROP TABLE _sqlx_migrations; ALTER TABLE old RENAME TO refinery_schema_history").await;
    assert_eq!(locks(&db).await, 0);
    // --session-pooler allows a pooler in session mode.
    let sessions = PgBouncer::start(program, db.server(), "session").await;
    let workspace = workspace.at(&sessions.url(db.name()));
    workspace.run(&["repair", "--yes"]).expect(2);
    workspace.run(&["repair", "--yes", "--session-pooler"]).expect(0);
    assert_ne!(history(&db).await, before);
    assert_eq!(locks(&db).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rollbacks_and_backfills_are_refused_but_read_only_commands_work() {
    let Some(program) = PgBouncer::program() else { return };
    let db = TestDb::empty().await.unwrap();
    let bouncer = PgBouncer::start(program, db.server(), "transaction").await;
    let fill = (
        "V2__fill.sql",
        "-- refit: backfill = { table = \"posts\", key = [\"id\"] }\nUPDATE posts SET n = 1 WHERE id > $1 AND id <= $2;\n",
    );
    let down = ("V1__posts.down.sql", "DROP TABLE posts;\n");
    let workspace = Workspace::new(&[ONE, down, fill]).on(&db);
    workspace.run(&["migrate", "--backfills", "hold"]);
    execute(&db, "INSERT INTO posts SELECT g FROM generate_series(1, 10) AS g").await;
    let before = history(&db).await;
    let workspace = workspace.at(&bouncer.url(db.name()));
    for arguments in [
        &["backfill", "run"][..],
        &["backfill", "run", "--dry-run"],
        &["rollback", "--to", "0", "--leave-rows", "2", "--yes"],
    ] {
        let ran = workspace.run(arguments).expect(2);
        assert!(
            ran.stderr.contains("connected through a connection pooler"),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    // Each is a single statement that needs no session state.
    workspace.run(&["backfill", "pause"]).expect(0);
    workspace.run(&["backfill", "resume"]).expect(0);
    for arguments in [&["status"][..], &["plan"], &["backfill", "status"]] {
        let ran = workspace.run(arguments);
        assert!(ran.status < 2, "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(history(&db).await, before);
    assert_eq!(locks(&db).await, 0);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM posts WHERE n IS NOT NULL").await, 0);
    // No session of the pool has changed.
    for _ in 0..4 {
        let client =
            refit::connect(&bouncer.url(db.name()), &refit::ConnectOptions::default()).await.unwrap();
        let sql = "SELECT count(*) FROM pg_prepared_statements WHERE from_sql OR name <> ''";
        let row = client.query_typed_one(sql, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0);
    }
}
