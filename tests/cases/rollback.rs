//! Rollback by down files: atomic with the history, newest first, or refused.

use refit::{Error, Migrator, Rollback, RollbackReport, UndoRefusal};
use refit_catalog::{Catalog, Delta, ReadOptions};
use refit_devdb::TestDb;
use refit_model::MigrationSet;

use crate::support::scratch::workspace;
use crate::support::{advisory_locks, applied, execute, exists, migrator, until, value};

fn to(version: i64) -> Rollback {
    Rollback { to: version, ..Rollback::default() }
}

async fn back(db: &TestDb, files: &[(&str, &str)], version: i64) -> Result<RollbackReport, Error> {
    migrator(files).rollback(db.url(), &to(version)).await
}

const FILES: [(&str, &str); 9] = [
    ("V1__a.sql", "CREATE TABLE a (id int, n int);"),
    ("V1__a.down.sql", "DROP VIEW IF EXISTS sums; DROP TABLE a;"),
    ("V2__b.sql", "CREATE TABLE b (id int);"),
    ("V2__b.down.sql", "DROP TABLE b;"),
    (
        "V3__i.sql",
        "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY a_n ON a (n);\nCREATE INDEX CONCURRENTLY a_id ON a (id);",
    ),
    (
        "V3__i.down.sql",
        "-- refit: transaction = false\nDROP INDEX CONCURRENTLY a_id;\nDROP INDEX CONCURRENTLY a_n;",
    ),
    ("V4__c.sql", "ALTER TABLE b ADD COLUMN c text;"),
    ("V4__c.down.sql", "ALTER TABLE b DROP COLUMN c;"),
    ("R__sums.sql", "CREATE OR REPLACE VIEW sums AS SELECT sum(n) FROM a;"),
];

#[tokio::test]
async fn newer_versions_are_undone_newest_first_and_can_be_applied_again() {
    let db = TestDb::empty().await.unwrap();
    for round in 1..=2 {
        migrator(&FILES).run(db.url()).await.unwrap();
        assert_eq!(applied(&db).await, "1,2,3,4");
        assert!(exists(&db, "a_n").await && exists(&db, "sums").await);
        let report = back(&db, &FILES, 1).await.unwrap();
        assert_eq!((report.version, report.repeatables.as_slice()), (Some(1), &["R__sums".to_owned()][..]));
        let stems: Vec<&str> = report.steps.iter().map(|step| step.stem.as_str()).collect();
        assert_eq!(stems, ["V4__c", "V3__i", "V2__b"]);
        assert_eq!(applied(&db).await, "1");
        assert!(!exists(&db, "b").await && !exists(&db, "a_n").await && exists(&db, "a").await);
        let recorded = "SELECT string_agg(format('%s %s %s', kind, version, s.outcome), ', ' ORDER BY s.id) || ': ' || min(r.outcome) \
                        FROM refit.run r JOIN refit.step s ON run_id = r.id WHERE undo_to = 1 AND r.id = (SELECT max(id) FROM refit.run)";
        assert_eq!(
            value::<String>(&db, recorded).await,
            "undo 4 succeeded, undo 3 succeeded, undo 2 succeeded: succeeded",
            "round {round}"
        );
        assert_eq!(advisory_locks(&db).await, 0);
    }
    // A down file drops what a repeatable migration has created, and the next run creates it again.
    back(&db, &FILES, 0).await.unwrap();
    assert!(!exists(&db, "sums").await && !exists(&db, "a").await);
    migrator(&FILES).run(db.url()).await.unwrap();
    assert!(exists(&db, "sums").await);
    let nothing = back(&db, &FILES, 4).await.unwrap();
    assert_eq!((nothing.run, nothing.version, nothing.steps.len()), (None, Some(4), 0));
}

#[tokio::test]
async fn the_last_migration_is_undone_alone() {
    let db = TestDb::empty().await.unwrap();
    let client = db.connect().await.unwrap();
    let set = migrator(&FILES);
    assert_eq!(set.last_rollback(&client).await.unwrap(), to(0), "nothing is applied");
    assert_eq!(set.rollback(db.url(), &to(0)).await.unwrap().run, None);
    set.run(db.url()).await.unwrap();
    for (left, undone) in [("1,2,3", "V4__c"), ("1,2", "V3__i"), ("1", "V2__b"), ("", "V1__a")] {
        let last = set.last_rollback(&client).await.unwrap();
        let report = set.rollback(db.url(), &last).await.unwrap();
        let stems: Vec<&str> = report.steps.iter().map(|step| step.stem.as_str()).collect();
        assert_eq!((stems.as_slice(), applied(&db).await.as_str()), (&[undone][..], left));
    }
    assert!(!exists(&db, "a").await);
}

#[tokio::test]
async fn all_steps_are_checked_before_the_first_runs() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES).run(db.url()).await.unwrap();
    let with = |name: &'static str, text: Option<&'static str>| {
        let mut files: Vec<(&str, &str)> = FILES.to_vec();
        files.retain(|(file, _)| *file != name);
        files.extend(text.map(|text| (name, text)));
        files
    };
    for (files, version, expected) in [
        (with("V3__i.down.sql", None), 0, "V3__i.sql has no V3__i.down.sql: write it"),
        (
            with("V2__b.sql", Some("CREATE TABLE b (id bigint);")),
            0,
            "V2__b.sql was edited after it was applied",
        ),
        (with("V3__i.down.sql", Some("DROP INDEX a_n; COMMIT;")), 0, "V3__i.down.sql:1:17: `COMMIT`"),
        (
            with("V3__i.down.sql", Some("-- refit: transacton = false\nSELECT 1;")),
            0,
            "did you mean `transaction`?",
        ),
        (FILES.to_vec(), 7, "there is no version 7; the newest is 4"),
        (FILES[..6].to_vec(), 1, "version 4 (c) is applied, but this set does not have it"),
    ] {
        let error = back(&db, &files, version).await.unwrap_err().message();
        assert!(error.contains(expected), "{error}");
        assert_eq!(applied(&db).await, "1,2,3,4");
    }
    let mut files = with("V3__i.down.sql", None);
    files.retain(|(file, _)| *file != "V1__a.down.sql");
    let Err(Error::RollbackRefused(refusals)) = back(&db, &files, 0).await else { panic!("no refusal") };
    assert_eq!(refusals.len(), 2, "all of them are reported: {refusals:?}");
    assert!(matches!(refusals[0], UndoRefusal::NoDown { version: 3, .. }));
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refit.run").await, 1, "nothing has run");
    // Older migrations do not matter.
    back(&db, &files, 3).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3");
}

#[tokio::test]
async fn a_failing_down_file_is_rolled_back() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES).run(db.url()).await.unwrap();
    let mut files = FILES.to_vec();
    files[3] = ("V2__b.down.sql", "ALTER TABLE b RENAME TO c;\nDROP TABLE nothing;");
    let error = back(&db, &files, 0).await.unwrap_err().message();
    assert!(
        error.contains("V2__b.down.sql failed in statement 2 of 2")
            && error.contains("--> V2__b.down.sql:2:")
            && error.contains("the down file was rolled back"),
        "{error}"
    );
    assert_eq!(applied(&db).await, "1,2");
    assert!(exists(&db, "b").await);
    let run: String = value(&db, "SELECT outcome || error FROM refit.run ORDER BY id DESC LIMIT 1").await;
    assert!(run.starts_with("failedV2__b.down.sql failed"), "{run}");
    back(&db, &FILES, 0).await.unwrap();
    assert_eq!(applied(&db).await, "");
}

#[tokio::test]
async fn a_down_file_outside_a_transaction_resumes() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES).run(db.url()).await.unwrap();
    execute(&db, "DROP INDEX a_n").await;
    let error = back(&db, &FILES, 2).await.unwrap_err().message();
    assert!(error.contains("V3__i.down.sql failed in statement 2 of 2"), "{error}");
    assert_eq!(applied(&db).await, "1,2,3");
    execute(&db, "CREATE INDEX a_n ON a (n)").await;
    back(&db, &FILES, 2).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
    assert!(!exists(&db, "a_n").await && !exists(&db, "a_id").await);
}

#[tokio::test]
async fn a_rollback_retries_table_locks_and_waits_for_the_migration_lock() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES).run(db.url()).await.unwrap();
    let reader = db.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT * FROM b").await.unwrap();
    let impatient = migrator(&FILES).lock_timeout(std::time::Duration::from_millis(50));
    let rollback = to(3);
    let going = impatient.rollback(db.url(), &rollback);
    let waiting = async {
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        reader.batch_execute("COMMIT").await.unwrap();
    };
    let (report, ()) = tokio::join!(going, waiting);
    assert!(report.unwrap().steps[0].attempts > 1);
    let lock = migrator(&FILES).lock(&reader).await.unwrap();
    let impatient = migrator(&FILES).wait_for_lock(std::time::Duration::from_millis(300));
    let error = impatient.rollback(db.url(), &to(2)).await.unwrap_err();
    assert!(matches!(error, Error::LockTimeout { .. }), "{error}");
    assert_eq!(applied(&db).await, "1,2,3");
    let rollback = to(2);
    let patient = migrator(&FILES);
    let unlocking = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        lock.release(&reader).await;
    };
    let (report, ()) = tokio::join!(patient.rollback(db.url(), &rollback), unlocking);
    assert!(!report.unwrap().waited.is_zero());
    assert_eq!(applied(&db).await, "1,2");
}

/// Two rollbacks at once: each migration is undone once, and both succeed.
#[tokio::test]
async fn two_concurrent_rollbacks_undo_each_migration_once() {
    let db = TestDb::empty().await.unwrap();
    migrator(&FILES).run(db.url()).await.unwrap();
    let (first, second) = tokio::join!(back(&db, &FILES, 0), back(&db, &FILES, 0));
    assert_eq!(first.unwrap().steps.len() + second.unwrap().steps.len(), 4);
    until("no lock is held", async || advisory_locks(&db).await == 0).await;
    assert_eq!(applied(&db).await, "");
}

async fn schema(db: &TestDb) -> Catalog {
    let client = db.connect().await.unwrap();
    Catalog::read(&client, &ReadOptions::default()).await.unwrap()
}

/// The sample's whole history: after the rollback, schema and rows are those before the run.
#[tokio::test]
async fn the_sample_rolls_back_completely() {
    let set = MigrationSet::from_dir(&workspace().join("migrations")).unwrap();
    let sample = || Migrator::new(set.clone()).backfills(refit::Backfills::Inline);
    let (db, other) = (TestDb::empty().await.unwrap(), TestDb::empty().await.unwrap());
    sample().to(12).run(db.url()).await.unwrap();
    sample().to(12).run(other.url()).await.unwrap();
    execute(
        &db,
        "INSERT INTO sites (domain, name, is_default) SELECT 's' || g || '.example', 'Site', g = 1 FROM generate_series(1, 3) g; \
         INSERT INTO content_versions (content_type, content_id, version_number, title, body, author) \
             SELECT 'post', g, 1, 't', 'b', 'a' FROM generate_series(1, 20000) g",
    )
    .await;
    let digest = "SELECT md5(string_agg(v::text, ',' ORDER BY id)) FROM content_versions v";
    let before: String = value(&db, digest).await;
    sample().run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM content_versions WHERE site_id IS NULL").await, 0);
    let report = sample().rollback(db.url(), &to(14)).await.unwrap();
    assert_eq!((report.steps.len(), report.backfills[0].rows_changed), (7, 20_000), "{report}");
    assert_eq!(
        value::<i64>(&db, "SELECT count(*) FROM content_versions WHERE site_id IS NULL").await,
        20_000
    );
    sample().rollback(db.url(), &to(12)).await.unwrap();
    assert_eq!(value::<String>(&db, digest).await, before);
    execute(&db, "DROP VIEW report_versions_by_day, report_orphaned_versions, report_site_content").await;
    let delta = Delta::between(&schema(&other).await, &schema(&db).await);
    assert!(delta.is_empty(), "{}", delta.text());
    sample().run(db.url()).await.unwrap();
    sample().rollback(db.url(), &to(0)).await.unwrap();
    assert_eq!(applied(&db).await, "");
    sample().run(db.url()).await.unwrap();
    sample().run(other.url()).await.unwrap();
    let delta = Delta::between(&schema(&other).await, &schema(&db).await);
    assert!(delta.is_empty(), "{}", delta.text());
}
