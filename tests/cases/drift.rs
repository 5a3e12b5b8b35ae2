//! Boots against a schema that differs from that of the migrations.

use refit::{Drift, Error, Migrator};
use refit_catalog::{Catalog, Origin, ReadOptions, Snapshot, differences};
use refit_devdb::TestDb;

use crate::support::{execute, set};

const FILES: [(&str, &str); 2] = [
    ("V1__t.sql", "CREATE TABLE t (id bigint PRIMARY KEY, a text);"),
    ("V2__u.sql", "CREATE TABLE u (id bigint REFERENCES t);"),
];

/// The snapshot of the files, as `cargo xtask snapshot` writes it.
async fn snapshot(files: &[(&str, &str)]) -> String {
    let set = set(files);
    let db = TestDb::new(set.clone()).await.unwrap();
    let catalog = Catalog::read(&db.connect().await.unwrap(), &ReadOptions::default()).await.unwrap();
    let origin =
        Origin { digest: set.digest(), environment: "production".into(), version: Some(2), postgres: 15 };
    Snapshot { origin, catalog }.to_json()
}

fn migrator(files: &[(&str, &str)], drift: Drift, snapshot: &str) -> Migrator {
    Migrator::new(set(files)).drift(drift, differences).snapshot(snapshot)
}

#[tokio::test]
async fn drift_is_ignored_warned_about_or_refused() {
    let kept = snapshot(&FILES).await;
    let db = TestDb::empty().await.unwrap();
    let boot = async |drift| migrator(&FILES, drift, &kept).run(db.url()).await;
    // The schema is compared after a run that applies steps and after one with nothing to do.
    for _ in 0..2 {
        assert_eq!(boot(Drift::Refuse).await.unwrap().warnings, Vec::<String>::new());
    }
    execute(&db, "CREATE INDEX by_hand ON t (a); ALTER TABLE u DROP CONSTRAINT u_id_fkey").await;
    assert_eq!(boot(Drift::Off).await.unwrap().warnings, Vec::<String>::new());
    let warnings = boot(Drift::Warn).await.unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    let Error::Drift { differences } = boot(Drift::Refuse).await.unwrap_err() else {
        panic!("refused for another reason")
    };
    assert_eq!(differences.len(), 2);
    let error = Error::Drift { differences }.to_string();
    for text in [&warnings[0], &error] {
        assert!(text.contains("2 differences") && text.contains("+ index by_hand of public.t"), "{text}");
        assert!(
            text.contains("- constraint u_id_fkey of public.u") && text.contains("`cargo xtask verify`"),
            "{text}"
        );
    }
    execute(&db, "DROP INDEX by_hand; ALTER TABLE u ADD FOREIGN KEY (id) REFERENCES t").await;
    boot(Drift::Refuse).await.unwrap();
}

#[tokio::test]
async fn a_database_at_another_version_is_not_compared() {
    let kept = snapshot(&FILES).await;
    let db = TestDb::empty().await.unwrap();
    let behind = migrator(&FILES, Drift::Refuse, &kept).to(1).run(db.url()).await.unwrap();
    assert_eq!((behind.version, behind.warnings.len()), (Some(1), 0));
    migrator(&FILES, Drift::Refuse, &kept).run(db.url()).await.unwrap();
    // An older binary after a rollback of the service: it warns about the newer versions as usual, and does not compare.
    let older = snapshot(&FILES[..1]).await;
    let ahead = migrator(&FILES[..1], Drift::Refuse, &older).run(db.url()).await.unwrap();
    assert!(ahead.warnings.iter().all(|warning| !warning.contains("difference")), "{:?}", ahead.warnings);
}

#[tokio::test]
async fn unusable_snapshots_are_refused() {
    let kept = snapshot(&FILES[..1]).await;
    let db = TestDb::new(set(&FILES)).await.unwrap();
    let edited = snapshot(&FILES).await.replace("\"text\"", "\"integer\"");
    let none = Migrator::new(set(&FILES)).drift(Drift::Refuse, differences);
    let cases = [
        (none, "there is no snapshot; write it with `cargo xtask snapshot`"),
        (migrator(&FILES, Drift::Refuse, &kept), "was made from other migrations"),
        (migrator(&FILES, Drift::Refuse, "{"), "cannot read the snapshot"),
        (migrator(&FILES, Drift::Refuse, &edited), "edited by hand"),
    ];
    for (migrator, words) in cases {
        let error = migrator.run(db.url()).await.unwrap_err().message();
        assert!(error.contains("cannot be compared") && error.contains(words), "{words}: {error}");
    }
    let warnings = migrator(&FILES, Drift::Warn, &kept).run(db.url()).await.unwrap().warnings;
    assert!(warnings[0].contains("was made from other migrations"), "{warnings:?}");
    // With migrations of one environment, other environments have another schema.
    let files = [FILES[0], ("V2__u.sql", "-- refit: environments = [\"test\"]\nCREATE TABLE u (id int);")];
    let kept = snapshot(&files).await;
    let db = TestDb::empty().await.unwrap();
    let error = migrator(&files, Drift::Refuse, &kept).environment("test").run(db.url()).await.unwrap_err();
    assert!(
        error.message().contains("V2") || error.message().contains("made for the environment"),
        "{error}"
    );
}
