//! Which strategy is chosen, depending on sessions that keep dead rows from being vacuumed.

use refit::{Backfills, ConnectOptions};
use refit_devdb::ServerOptions;

use crate::support::{execute_at, migrator, server, until, value_at};

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); \
     INSERT INTO t SELECT g FROM generate_series(1, 120000) g; \
     CREATE TABLE u (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO u SELECT id FROM t; \
     CREATE TABLE slow (id int) WITH (autovacuum_enabled = false); INSERT INTO slow SELECT generate_series(1, 200000); DELETE FROM slow";
const FILL: &str = "-- refit: backfill = { table = \"t\", key = [\"id\"] }\n\
     UPDATE t SET n = n + 1 WHERE id > $1 AND id <= $2 AND id % $3 = $4;";
const AGAIN: &str = "-- refit: backfill = { table = \"u\", key = [\"id\"] }\n\
     UPDATE u SET n = n + 1 WHERE id > $1 AND id <= $2 AND id % $3 = $4;";

#[tokio::test(flavor = "multi_thread")]
async fn streaming_standbys_and_vacuum_do_not_prevent_stripes() {
    let primary = server(ServerOptions::for_tests()).await;
    let url = primary.url("postgres");
    let files = [("V1__tables.sql", TABLES), ("V2__fill.sql", FILL), ("V3__fill.sql", AGAIN)];
    migrator(&files[..1]).run(&url).await.unwrap();
    let (_primary, standby) =
        tokio::task::spawn_blocking(move || primary.standby().map(|standby| (primary, standby)).unwrap())
            .await
            .unwrap();
    let replica = standby.url("postgres");
    for setting in ["hot_standby_feedback = on", "wal_receiver_status_interval = '1s'"] {
        execute_at(&replica, &format!("ALTER SYSTEM SET {setting}")).await;
    }
    execute_at(&replica, "SELECT pg_reload_conf()").await;
    let vacuum = refit::connect(&url, &ConnectOptions::default()).await.unwrap();
    vacuum
        .batch_execute(
            "SET application_name = 'slow'; SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 40",
        )
        .await
        .unwrap();
    let cleaning = async { vacuum.batch_execute("VACUUM slow").await.ok() };
    let choosing = async {
        until("both have run for 6 s", async || {
            let long = "clock_timestamp() - interval '6 s' AND backend_xmin IS NOT NULL";
            let sql = format!(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'slow' AND xact_start < {long}) \
                    AND EXISTS (SELECT FROM pg_stat_replication WHERE backend_start < {long})"
            );
            value_at(&url, &sql).await
        })
        .await;
        migrator(&files[..2]).backfills(Backfills::Inline).run(&url).await.unwrap();
        let end = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'slow'";
        execute_at(&url, end).await;
    };
    futures_util::future::join(cleaning, choosing).await;
    let chosen = "SELECT format('%s: %s', strategy, reason) FROM refit.backfill ORDER BY id DESC LIMIT 1";
    let striped: String = value_at(&url, chosen).await;
    assert!(striped.starts_with("striped"), "{striped}");

    let reader = refit::connect(&replica, &ConnectOptions::default()).await.unwrap();
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
    execute_at(
        &url,
        "DO $$ BEGIN FOR i IN 1..1000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$",
    )
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    migrator(&files).backfills(Backfills::Inline).run(&url).await.unwrap();
    let plain: String = value_at(&url, chosen).await;
    assert!(plain.starts_with("keyset: the standby"), "{plain}");
    reader.close().await;
}
