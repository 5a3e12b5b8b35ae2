//! How backfills come to their end: sweeps, gates, control, and what stands in the way.

use std::time::{Duration, Instant};

use refit::backfill::{JobStatus, Request, request};
use refit::{Backfills, ConnectOptions, Error, Migrator};
use refit_devdb::TestDb;

use crate::support::{execute, exists, migrator, until, value};

const GATED: (&str, &str) = ("V3__after.sql", "-- refit: after = [\"V2\"]\nCREATE TABLE after_it (id int);");
const TABLE: (&str, &str) = (
    "V1__t.sql",
    "CREATE TABLE t (id bigserial PRIMARY KEY, n int NOT NULL DEFAULT 0, x int); INSERT INTO t (n) SELECT 0 FROM generate_series(1, 1000)",
);
const FILL: (&str, &str) = (
    "V2__fill.sql",
    "-- refit: backfill = { table = \"t\", key = [\"id\"] }\nUPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2;",
);

fn inline(files: &[(&str, &str)]) -> Migrator {
    migrator(files).backfills(Backfills::Inline)
}

async fn hold(db: &TestDb, files: &[(&str, &str)]) {
    migrator(files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
}

/// How often each value of `n` occurs.
async fn counts(db: &TestDb) -> String {
    value(db, "SELECT string_agg(format('%s: %s', n, rows), ', ' ORDER BY n) FROM (SELECT n, count(*) AS rows FROM t GROUP BY n) c").await
}

async fn status(db: &TestDb) -> JobStatus {
    let client = refit::connect(db.url(), &ConnectOptions::default()).await.unwrap();
    let status = JobStatus::of(&client, 2).await.unwrap().unwrap();
    client.close().await;
    status
}

async fn ask(db: &TestDb, what: Request) -> Result<(), Error> {
    let client = refit::connect(db.url(), &ConnectOptions::default()).await.unwrap();
    let outcome = request(&client, 2, what).await;
    client.close().await;
    outcome
}

#[tokio::test]
async fn what_waits_is_applied_whoever_completes_the_backfill() {
    let db = TestDb::empty().await.unwrap();
    hold(&db, &[TABLE, FILL, GATED]).await;
    ask(&db, Request::Pause).await.unwrap();
    let url = db.url().to_owned();
    let waiting = tokio::spawn(async move { inline(&[TABLE, FILL, GATED]).run(&url).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Somebody whose program knows nothing of what waits does the work, or did it and its answer was lost.
    execute(&db, "UPDATE refit.backfill SET state = 'complete', wanted = 'run', finished_at = now()").await;
    let report = waiting.await.unwrap().unwrap();
    assert!(exists(&db, "after_it").await, "{report}");
    assert_eq!((report.steps.len(), report.held.len(), report.backfills.len()), (1, 0, 1));
}
