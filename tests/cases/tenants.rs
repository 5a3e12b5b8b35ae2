//! Several histories in one database: none reads, runs, skips, holds, undoes or locks the work of another.

use refit::{Backfills, Error, Migrator, Rollback};
use refit_devdb::{ServerOptions, TestDb};

use crate::support::{
    boot, execute, execute_at, exists, folder, migrator, server, set, until, value, value_at,
};

/// The URL of a tenant whose schema comes first in the search path.
fn at(url: &str, schema: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}options=-c%20search_path%3D{schema}%2Cpublic")
}

const VISIT: (&str, &str) = (
    "V1__visit.sql",
    "CREATE TABLE visit (id bigint PRIMARY KEY, day date, n int NOT NULL DEFAULT 0);\n\
     INSERT INTO visit (id) SELECT g FROM generate_series(1, 300) g;",
);
const DAY: (&str, &str) = (
    "V2__day.sql",
    "-- refit: backfill = { table = \"visit\", key = [\"id\"], batch = 100, undo = [\"n\"], remaining = \"day IS NULL\" }\n\
     UPDATE visit SET day = '2026-01-01', n = n + 1 WHERE id > $1 AND id <= $2;",
);
const MISSING: (&str, &str) = (
    "V3__missing.sql",
    "-- refit: after = [\"V2\"]\nCREATE TABLE missing AS SELECT count(*) AS n FROM visit WHERE day IS NULL;",
);
const MISSING_DOWN: (&str, &str) = ("V3__missing.down.sql", "DROP TABLE missing;");
const PAGES: (&str, &str) = ("R__pages.sql", "CREATE OR REPLACE VIEW pages AS SELECT id FROM visit;");
const FILES: [(&str, &str); 5] = [VISIT, DAY, MISSING, MISSING_DOWN, PAGES];

async fn schemas(db: &TestDb, names: &[&str]) {
    for name in names {
        execute(db, &format!("CREATE SCHEMA {name}")).await;
    }
}

#[tokio::test]
async fn a_gate_waits_for_the_backfill_of_its_own_history() {
    let db = TestDb::empty().await.unwrap();
    schemas(&db, &["acme", "globex"]).await;
    let hold = migrator(&FILES).backfills(Backfills::Hold);
    hold.run(&at(db.url(), "acme")).await.unwrap();
    migrator(&FILES).backfills(Backfills::Inline).run(&at(db.url(), "globex")).await.unwrap();
    let report = hold.run(&at(db.url(), "acme")).await.unwrap();
    assert_eq!((report.steps.len(), report.held.len()), (0, 1), "{report}");
    assert!(!exists(&db, "acme.missing").await);
    assert_eq!(value::<i64>(&db, "SELECT n FROM globex.missing").await, 0);
    let filled = "SELECT (SELECT count(day) FROM acme.visit) || ' ' || (SELECT count(day) FROM globex.visit)";
    assert_eq!(value::<String>(&db, filled).await, "0 300");
}

#[tokio::test]
async fn a_rollback_restores_the_rows_of_its_own_history() {
    let db = TestDb::empty().await.unwrap();
    schemas(&db, &["acme", "globex"]).await;
    let migrator = migrator(&FILES).backfills(Backfills::Inline);
    for schema in ["acme", "globex"] {
        migrator.run(&at(db.url(), schema)).await.unwrap();
    }
    let rollback = Rollback { to: 1, ..Default::default() };
    migrator.rollback(&at(db.url(), "globex"), &rollback).await.unwrap();
    let rows = "SELECT (SELECT sum(n) FROM acme.visit) || ' ' || (SELECT sum(n) FROM globex.visit)";
    assert_eq!(value::<String>(&db, rows).await, "300 0");
    assert!(exists(&db, "acme.missing").await && !exists(&db, "globex.missing").await);
    let journal = "SELECT (SELECT count(*) FROM refit.backfill_undo_1) || ' ' || count(*) FROM refit.backfill WHERE kind = 'undo'";
    assert_eq!(value::<String>(&db, journal).await, "300 1");
    migrator.rollback(&at(db.url(), "acme"), &rollback).await.unwrap();
    assert_eq!(value::<String>(&db, rows).await, "0 0");
}

#[tokio::test]
async fn views_and_unfinished_steps_belong_to_one_history() {
    let db = TestDb::empty().await.unwrap();
    schemas(&db, &["acme", "globex"]).await;
    let index = (
        "V2__ix.sql",
        "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY visit_day ON visit (day);\n\
         ALTER TABLE visit ADD CONSTRAINT visit_n CHECK (n >= 0);",
    );
    let wider = ("R__pages.sql", "CREATE OR REPLACE VIEW pages AS SELECT id, day FROM visit;");
    for schema in ["acme", "globex"] {
        migrator(&[VISIT, PAGES]).run(&at(db.url(), schema)).await.unwrap();
    }
    execute(&db, "UPDATE acme.visit SET n = -1 WHERE id = 1").await;
    let files = [VISIT, index, wider];
    migrator(&files).run(&at(db.url(), "acme")).await.unwrap_err();
    assert!(exists(&db, "acme.visit_day").await);
    migrator(&files).run(&at(db.url(), "globex")).await.unwrap();
    execute(&db, "UPDATE acme.visit SET n = 0").await;
    migrator(&files).run(&at(db.url(), "acme")).await.unwrap();
    let made = "SELECT count(*) FROM pg_indexes WHERE indexname = 'visit_day'";
    assert_eq!(value::<i64>(&db, made).await, 2);
    let columns = "SELECT string_agg(table_schema || n, ' ' ORDER BY 1) FROM (SELECT table_schema, count(*) AS n \
                   FROM information_schema.columns WHERE table_name = 'pages' GROUP BY 1) AS views";
    assert_eq!(value::<String>(&db, columns).await.matches('2').count(), 2);
}

#[tokio::test]
async fn a_run_does_not_wait_for_another_history() {
    let db = TestDb::empty().await.unwrap();
    schemas(&db, &["acme", "globex"]).await;
    let holder = db.connect().await.unwrap();
    let lock = migrator(&[]).history_schema("acme").lock(&holder).await.unwrap();
    let impatient =
        migrator(&FILES).wait_for_lock(std::time::Duration::from_millis(200)).backfills(Backfills::Hold);
    let error = impatient.run(&at(db.url(), "acme")).await.unwrap_err();
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    impatient.run(&at(db.url(), "globex")).await.unwrap();
    lock.release(&holder).await;
    impatient.run(&at(db.url(), "acme")).await.unwrap();
}

#[tokio::test]
async fn a_recreated_schema_has_a_new_history() {
    let db = TestDb::empty().await.unwrap();
    schemas(&db, &["acme"]).await;
    let migrator = migrator(&FILES).backfills(Backfills::Inline);
    migrator.run(&at(db.url(), "acme")).await.unwrap();
    execute(&db, "DROP SCHEMA acme CASCADE; CREATE SCHEMA acme").await;
    migrator.run(&at(db.url(), "acme")).await.unwrap();
    assert!(exists(&db, "acme.pages").await);
    assert_eq!(value::<i64>(&db, "SELECT count(day) FROM acme.visit").await, 300);
    // The same for a schema that was renamed.
    execute(&db, "ALTER SCHEMA acme RENAME TO umbrella").await;
    let client = refit::connect(&at(db.url(), "umbrella"), &refit::ConnectOptions::default()).await.unwrap();
    assert!(migrator.plan(&client).await.unwrap().is_up_to_date());
    assert!(!migrator.state(&client).await.unwrap().is_empty());
}

#[tokio::test]
async fn renamed_schemas_keep_their_histories() {
    let db = TestDb::empty().await.unwrap();
    schemas(&db, &["blue", "green"]).await;
    let all = migrator(&FILES).backfills(Backfills::Inline);
    all.run(&at(db.url(), "blue")).await.unwrap();
    all.run(&at(db.url(), "green")).await.unwrap();
    // The name of a schema whose history no longer exists.
    execute(&db, "DROP SCHEMA blue CASCADE; ALTER SCHEMA green RENAME TO blue").await;
    all.run(&at(db.url(), "blue")).await.unwrap();
    // The former name of a schema whose history still exists.
    execute(&db, "ALTER SCHEMA blue RENAME TO old; CREATE SCHEMA blue").await;
    all.run(&at(db.url(), "blue")).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(day) FROM blue.visit").await, 300);
    all.run(&at(db.url(), "old")).await.unwrap();
    let client = refit::connect(&at(db.url(), "old"), &refit::ConnectOptions::default()).await.unwrap();
    let status = all.status(&client).await.unwrap();
    assert!(status.plan.is_up_to_date() && !status.backfills.is_empty());
    let known = "SELECT count(*) FROM refit.history WHERE retired_at IS NULL";
    assert_eq!(value::<i64>(&db, known).await, 2);
}

/// A fifth of the tenants is in each of a few states that a kill may leave.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_tenants_are_independent() {
    let db = TestDb::empty().await.unwrap();
    let names: Vec<String> = (0..100).map(|number| format!("tenant_{number:02}")).collect();
    let made: Vec<String> = names.iter().map(|name| format!("CREATE SCHEMA {name};")).collect();
    execute(&db, &made.concat()).await;
    let folder = folder(&FILES);
    // One process is killed in the middle of its backfill.
    let slow = format!("{}&", at(db.url(), "tenant_50"));
    let process = boot::work(folder.path(), slow.trim_end_matches('&'), 2.0);
    let begun = "SELECT coalesce((SELECT sum(batches) > 0 FROM refit.backfill_range), false)";
    until("a batch of the first tenant is committed", async || {
        exists(&db, "refit.backfill_range").await && value::<bool>(&db, begun).await
    })
    .await;
    let mut process = process;
    process.start_kill().ok();
    boot::end(process).await;
    let migrator = migrator(&FILES).backfills(Backfills::Inline).lease(std::time::Duration::from_secs(2));
    four_at_a_time(&names, async |name| {
        migrator.run(&at(db.url(), name)).await.unwrap();
    })
    .await;
    let rollback = Rollback { to: 1, ..Default::default() };
    let every_second: Vec<String> = names.iter().step_by(2).cloned().collect();
    four_at_a_time(&every_second, async |name| {
        migrator.rollback(&at(db.url(), name), &rollback).await.unwrap();
    })
    .await;
    for (number, name) in names.iter().enumerate() {
        let rows: String = value(
            &db,
            &format!("SELECT format('%s %s %s', count(day), sum(n), (SELECT count(*) FROM {name}.refinery_schema_history)) FROM {name}.visit"),
        )
        .await;
        // The journal keeps only `n`.
        assert_eq!(rows, if number % 2 == 0 { "300 0 1" } else { "300 300 3" }, "{name}");
        assert_eq!(exists(&db, &format!("{name}.missing")).await, number % 2 == 1, "{name}");
    }
}

async fn four_at_a_time(names: &[String], act: impl AsyncFn(&str)) {
    let lanes = (0..4).map(async |lane| {
        for name in names.iter().skip(lane).step_by(4) {
            act(name).await;
        }
    });
    futures_util::future::join_all(lanes).await;
}

/// Each service owns a schema, and has no privileges on the other's.
#[tokio::test]
async fn two_services_with_different_roles_have_separate_states() {
    let server = server(ServerOptions::for_tests()).await;
    let admin = server.url("postgres");
    execute_at(
        &admin,
        "CREATE ROLE shop LOGIN; CREATE ROLE mail LOGIN; CREATE SCHEMA shop AUTHORIZATION shop; \
         CREATE SCHEMA mail AUTHORIZATION mail; GRANT CREATE ON DATABASE postgres TO shop, mail",
    )
    .await;
    let url = |role: &str| admin.replace("postgres@", &format!("{role}@"));
    let service = |state: Option<&str>| -> Migrator {
        let migrator = Migrator::new(set(&FILES)).backfills(Backfills::Inline);
        match state {
            Some(state) => migrator.state_schema(state),
            None => migrator,
        }
    };
    service(None).run(&url("shop")).await.unwrap();
    let error = service(None).run(&url("mail")).await.unwrap_err().message();
    assert!(error.contains("--state-schema"), "{error}");
    assert!(!value_at::<bool>(&admin, "SELECT to_regclass('mail.visit') IS NOT NULL").await);
    service(Some("mail_refit")).run(&url("mail")).await.unwrap();
    let rows = "SELECT (SELECT count(day) FROM shop.visit) || ' ' || (SELECT count(day) FROM mail.visit)";
    assert_eq!(value_at::<String>(&admin, rows).await, "300 300");
    service(None).rollback(&url("shop"), &Rollback { to: 1, ..Default::default() }).await.unwrap();
    let left = "SELECT (SELECT sum(n) FROM shop.visit) || ' ' || (SELECT sum(n) FROM mail.visit)";
    assert_eq!(value_at::<String>(&admin, left).await, "0 300");
}
