//! The journals that rollbacks need: they are kept for a limited time, and only for keys that make them reliable.

use refit::{Event, Rollback};
use refit_devdb::TestDb;

use super::rollback_rows::{FILES, TABLE, back, inline, status};
use crate::support::{applied, execute, exists, migrator, value};

#[tokio::test]
async fn a_journal_is_dropped_after_its_retention_time() {
    let db = TestDb::empty().await.unwrap();
    let mut files = FILES.to_vec();
    files.push(("refit.toml", "undo_retention = \"1h\"\n"));
    inline(&files).run(db.url()).await.unwrap();
    let kept = status(&db).await.journal.unwrap();
    assert!(kept.bytes > 100_000 && kept.kept_since.is_some(), "{kept:?}");
    let dropped = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let events = dropped.clone();
    let observed = inline(&files).observe(move |event| {
        if let Event::JournalDropped { stem, journal } = event {
            events.lock().unwrap().push(format!("{stem} {journal}"));
        }
    });
    let older = "UPDATE refit.backfill SET finished_at = finished_at - interval '61 minutes'";
    observed.run(db.url()).await.unwrap();
    execute(&db, older).await;
    // A rollback that is not complete still needs it.
    execute(&db, "INSERT INTO refit.backfill (history_id, version, name, kind, statement, directive, journal) SELECT history_id, version, name, 'undo', '', directive, journal FROM refit.backfill").await;
    observed.run(db.url()).await.unwrap_err();
    assert!(exists(&db, "refit.backfill_undo_1").await);
    execute(&db, "DELETE FROM refit.backfill WHERE kind = 'undo'").await;
    let holder = db.connect().await.unwrap();
    let lock = migrator(&[]).lock(&holder).await.unwrap();
    observed.run(db.url()).await.unwrap();
    assert!(exists(&db, "refit.backfill_undo_1").await, "the journal was dropped without the lock");
    lock.release(&holder).await;
    observed.run(db.url()).await.unwrap();
    assert!(!exists(&db, "refit.backfill_undo_1").await);
    assert_eq!(*dropped.lock().unwrap(), ["V2__fill refit.backfill_undo_1"]);
    let error = back(&db, &files).await.unwrap_err().message();
    assert!(error.contains("the earlier values of V2__fill.sql are gone: they were dropped"), "{error}");
    // After a rollback, the rows that were not restored are listed for the same time.
    migrator(&files)
        .rollback(db.url(), &Rollback { to: 1, leave_rows: vec![2], ..Default::default() })
        .await
        .unwrap();
    inline(&files).run(db.url()).await.unwrap();
    back(&db, &files).await.unwrap();
    let journal: String =
        value(&db, "SELECT journal FROM refit.backfill WHERE kind = 'undo' AND journal IS NOT NULL").await;
    assert!(exists(&db, &journal).await);
    execute(&db, older).await;
    migrator(&[TABLE, ("refit.toml", "undo_retention = \"1h\"\n")]).run_backfills(db.url()).await.unwrap();
    assert!(!exists(&db, &journal).await);
}

#[tokio::test]
async fn a_journal_requires_a_unique_key() {
    for (table, fill, expected) in [
        (
            "CREATE TABLE t (id bigint, p int, n int, PRIMARY KEY (p, id)) PARTITION BY LIST (p); \
             CREATE TABLE t0 PARTITION OF t FOR VALUES IN (0); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE INDEX ON t (id)",
            "UPDATE t SET n = 1 WHERE t.id > $1 AND t.id <= $2",
            "is unique",
        ),
        (
            "CREATE TABLE t (id bigint NOT NULL, n int); CREATE INDEX ON t (id); CREATE UNIQUE INDEX ON t (id) WHERE n > 0",
            "UPDATE t SET n = 1 WHERE id > $1 AND id <= $2",
            "is unique",
        ),
        (
            "CREATE TABLE t (id bigint PRIMARY KEY, n int)",
            "UPDATE t SET n = 1, id = -id WHERE id > $1 AND id <= $2",
            "a column of its own key",
        ),
        ("CREATE TABLE t (id bigint PRIMARY KEY, n int)", "", "keep the values in the function"),
    ] {
        let db = TestDb::empty().await.unwrap();
        let fill =
            format!("-- refit: backfill = {{ table = \"t\", key = [\"id\"], undo = [\"n\"] }}\n{fill}");
        let files = [("V1__t.sql", table), ("V2__fill.sql", fill.as_str())];
        let migrator = inline(&files).backfill_with(2, |_| Box::pin(async { Ok(0) }));
        let error = migrator.run(db.url()).await.unwrap_err().message();
        assert!(error.contains(expected), "{table}: {error}");
        // The backfill has never begun, or was never registered, so it can be rolled back.
        if exists(&db, "t").await {
            back(&db, &files).await.unwrap();
            assert_eq!(applied(&db).await, "1");
        }
    }
}
