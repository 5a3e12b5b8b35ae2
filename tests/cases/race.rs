//! Any number of replicas boot at once: each migration runs once, and all replicas start.

use std::time::Duration;

use futures_util::future::join_all;
use refit::Error;
use refit_devdb::TestDb;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{advisory_locks, applied, boot, folder, gate, migrator, value};

const LOG: (&str, &str) = (
    "V1__log.sql",
    "CREATE TABLE log (entry int NOT NULL);\nCREATE TABLE t (a int);\n\
     INSERT INTO t SELECT generate_series(1, 2000);\nINSERT INTO log VALUES (1);",
);
const SLOW: (&str, &str) = ("V2__slow.sql", "SELECT pg_sleep(0.1);\nINSERT INTO log VALUES (2);");
const INDEX: (&str, &str) = (
    "V3__index.sql",
    "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY t_a ON t (a);\nINSERT INTO log VALUES (3);",
);
const LAST: (&str, &str) = ("V4__last.sql", "INSERT INTO log VALUES (4);");
const VIEW: (&str, &str) =
    ("R__view.sql", "CREATE OR REPLACE VIEW v AS SELECT * FROM t;\nINSERT INTO log VALUES (0);");

/// Asserts that each entry exists once, that one run had something to do, and that no lock is held.
async fn assert_once(db: &TestDb, entries: &str, runs: i64) {
    assert_eq!(
        value::<String>(db, "SELECT string_agg(entry::text, ',' ORDER BY entry) FROM log").await,
        entries
    );
    assert_eq!(value::<i64>(db, "SELECT count(*) FROM refit.run WHERE outcome = 'succeeded'").await, runs);
    assert_eq!(value::<i64>(db, "SELECT count(*) FROM refit.run").await, runs);
    assert_eq!(advisory_locks(db).await, 0);
}

async fn sixteen_boots(files: &[(&str, &str)], db: &TestDb) {
    let folder = folder(files);
    let boots: Vec<_> = (0..16).map(|_| boot::start(folder.path(), db.url())).collect();
    for ended in join_all(boots.into_iter().map(boot::end)).await {
        assert!(ended.success, "{ended:?}");
    }
}

#[tokio::test]
async fn sixteen_processes_boot_at_once_on_an_empty_database() {
    let db = TestDb::empty().await.unwrap();
    sixteen_boots(&[LOG, SLOW, VIEW], &db).await;
    assert_once(&db, "0,1,2", 1).await;
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn sixteen_processes_boot_at_once_with_an_index_to_build_concurrently() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[LOG, SLOW]).run(db.url()).await.unwrap();
    sixteen_boots(&[LOG, SLOW, INDEX, LAST], &db).await;
    assert_once(&db, "1,2,3,4", 2).await;
    assert!(value::<bool>(&db, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass").await);
}

#[tokio::test]
async fn eight_tasks_of_one_process_boot_at_once() {
    let db = TestDb::empty().await.unwrap();
    let tasks = (0..8).map(|_| {
        let (migrator, url) = (migrator(&[LOG, SLOW, INDEX, LAST, VIEW]), db.url().to_owned());
        tokio::spawn(async move { migrator.run(&url).await })
    });
    let mut steps = 0;
    for task in join_all(tasks).await {
        steps += task.unwrap().unwrap().steps.len();
    }
    assert_eq!(steps, 5);
    assert_once(&db, "0,1,2,3,4", 1).await;
}

#[tokio::test]
async fn a_second_run_waits_and_names_the_holder() {
    let db = TestDb::empty().await.unwrap();
    gate::close(&db).await;
    let wait = ("V2__wait.sql", format!("{}\nINSERT INTO log VALUES (2);", gate::WAIT));
    let files = [LOG, (wait.0, wait.1.as_str())];
    let folder = folder(&files);
    let first = boot::start(folder.path(), db.url());
    let pid = gate::waiting(&db).await;
    let mut second = boot::start(folder.path(), db.url());
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines();
    let status = loop {
        let line = lines.next_line().await.unwrap().expect("it waits");
        if line.contains("waiting for another run") {
            break line;
        }
    };
    assert!(status.contains(&format!("pid {pid}")) && status.contains("refit V2__wait"), "{status}");

    let error = migrator(&files).wait_for_lock(Duration::from_millis(200)).run(db.url()).await.unwrap_err();
    match &error {
        Error::LockTimeout { holder, .. } => assert!(holder.contains(&format!("pid {pid}")), "{error}"),
        other => panic!("{other}"),
    }
    gate::open(&db).await;
    assert!(boot::end(first).await.success && boot::end(second).await.success);
    assert_once(&db, "1,2", 1).await;
}
