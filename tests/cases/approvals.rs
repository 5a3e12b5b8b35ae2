//! Approvals as a gate of an environment: what lacks them does not run, and leaves the database as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use refit::__private::include_dir::{Dir, DirEntry, File};
use refit::model::{ALLOWED_SIGNERS, APPROVALS, Approval, LintRecord, LintSeverity};
use refit::{Embedded, EnvironmentGate, Error, Migrator};
use refit_devdb::TestDb;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, NoTls};

use crate::support::{applied, exists, migrator, set, value};

const SETTINGS: (&str, &str) =
    ("refit.toml", "[environment.production]\napprovals = { error = 2, warn = 1, clean = 0 }\n");
const ONE: (&str, &str) = ("V1__one.sql", "CREATE TABLE one (id bigint PRIMARY KEY);");
const TWO: (&str, &str) = ("V2__two.sql", "ALTER TABLE one ADD COLUMN n int;");
const VIEW: (&str, &str) = ("R__ones.sql", "CREATE OR REPLACE VIEW ones AS SELECT id FROM one;");

/// The digest of a file without companion files.
fn digest(file: (&str, &str)) -> String {
    set(&[file]).steps().next().unwrap().digest()
}

fn approval(file: (&str, &str), by: &str, lint: LintSeverity) -> Approval {
    let stem = file.0.trim_end_matches(".sql");
    Approval::new(stem, &digest(file), &format!("{by}@example.com"), "2026-11-29T09:30:00Z", lint)
}

fn record(file: (&str, &str), severity: LintSeverity) -> String {
    LintRecord::new(file.0.trim_end_matches(".sql"), &digest(file), severity).to_toml()
}

fn approved(files: &[(&str, &str)], entries: &str) -> Migrator {
    migrator(&[files, &[SETTINGS, (APPROVALS, entries)]].concat())
}

/// The only closed gate: migrations with severity, needed and approved; and the message.
async fn refused(
    migrator: &Migrator,
    db: &TestDb,
) -> (Vec<(String, Option<LintSeverity>, u32, u32)>, String) {
    let error = migrator.run(db.url()).await.unwrap_err();
    let Error::Gated { gates, .. } = &error else { panic!("{error:?}") };
    let [EnvironmentGate::Approvals { missing }] = &gates[..] else { panic!("{gates:?}") };
    let missing = missing.iter().map(|one| (one.stem.clone(), one.lint, one.needed, one.approved)).collect();
    (missing, error.message())
}

/// Tables, schemas and views that are not the server's.
async fn objects(db: &TestDb) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384)";
    value(db, sql).await
}

#[tokio::test]
async fn a_run_without_approvals_leaves_the_database_untouched() {
    let db = TestDb::empty().await.unwrap();
    let before = objects(&db).await;
    let entries = record(ONE, LintSeverity::Clean) + &approval(TWO, "alice", LintSeverity::Error).to_toml();
    let lacking = approved(&[ONE, TWO, VIEW], &entries);
    let (missing, message) = refused(&lacking, &db).await;
    let expected =
        [("V2__two".to_owned(), Some(LintSeverity::Error), 2, 1), ("R__ones".to_owned(), None, 2, 0)];
    assert_eq!(missing, expected);
    for part in [
        "refused by the environment production",
        "V2__two lacks 1 approval of 2 (lint: error)",
        "R__ones lacks 2 approvals of 2 (lint: not recorded)",
        "`cargo xtask approve V2 R__ones --as EMAIL`",
        "`cargo xtask approve --lint`",
        "commit approvals.toml",
        "--override REASON",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(objects(&db).await, before);
    let client = db.connect().await.unwrap();
    let plan = lacking.plan(&client).await.unwrap();
    assert_eq!((plan.gates.len(), plan.pending.len()), (1, 3));
    // Another environment requires nothing.
    assert_eq!(lacking.environment("test").run(db.url()).await.unwrap().steps.len(), 3);
}

#[tokio::test]
async fn an_approved_run_applies() {
    let db = TestDb::empty().await.unwrap();
    let entries = record(ONE, LintSeverity::Clean)
        + &approval(TWO, "alice", LintSeverity::Error).to_toml()
        + &approval(TWO, "bob", LintSeverity::Error).to_toml()
        + &approval(VIEW, "bob", LintSeverity::Warn).to_toml();
    let files = [ONE, TWO, VIEW];
    assert_eq!(approved(&files, &entries).run(db.url()).await.unwrap().steps.len(), 3);
    assert_eq!(applied(&db).await, "1,2");
    // What is applied needs none, also after it was edited; what is new does.
    let three = ("V3__three.sql", "CREATE TABLE three ();");
    let (missing, _) = refused(&approved(&[ONE, TWO, VIEW, three], ""), &db).await;
    assert_eq!(missing, [("V3__three".to_owned(), None, 2, 0)]);
    assert!(!exists(&db, "three").await);
}

#[tokio::test]
async fn approvals_that_do_not_count_are_named() {
    let db = TestDb::empty().await.unwrap();
    let before = objects(&db).await;
    let mut other = approval(ONE, "alice", LintSeverity::Error);
    other.digest = digest(TWO);
    let mut by_carol = approval(ONE, "carol", LintSeverity::Error);
    by_carol.authors = vec!["bob@example.com".to_owned()];
    let entries = [other, by_carol.clone(), approval(ONE, "bob", LintSeverity::Error), by_carol];
    let entries: String = entries.iter().map(Approval::to_toml).collect();
    let (missing, message) = refused(&approved(&[ONE], &entries), &db).await;
    assert_eq!(missing, [("V1__one".to_owned(), Some(LintSeverity::Error), 2, 1)]);
    for part in [
        "alice@example.com: the migration was edited since",
        "bob@example.com: the person wrote the migration",
        "carol@example.com: the person has approved it already",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(objects(&db).await, before);
}

#[tokio::test]
async fn an_override_passes_and_is_recorded() {
    let db = TestDb::empty().await.unwrap();
    let report = approved(&[ONE], "").override_gates("incident 4711").run(db.url()).await.unwrap();
    assert_eq!(report.overridden.unwrap().gates[0].as_str(), "approvals");
    let recorded = "SELECT override_reason || ' ' || array_to_string(overridden, ',') FROM refit.run";
    assert_eq!(value::<String>(&db, recorded).await, "incident 4711 approvals");
    assert!(exists(&db, "one").await);
}

/// A folder in the binary, with what the build determined about its signatures.
fn embedded(files: &[(&'static str, String)], codes: &'static str) -> &'static Embedded {
    let texts = files.iter().map(|(path, text)| (*path, &*Box::leak(text.clone().into_boxed_str())));
    let entries: Vec<DirEntry<'static>> =
        texts.map(|(path, text)| DirEntry::File(File::new(path, text.as_bytes()))).collect();
    let folder = Box::leak(Box::new(Dir::new("", Box::leak(entries.into_boxed_slice()))));
    let digest = set(&[ONE]).history_digest("");
    let versioned = Box::leak(digest.versioned.into_boxed_str());
    Box::leak(Box::new(Embedded::new(folder, versioned, "", "1").with_signatures(codes)))
}

#[tokio::test]
async fn the_binary_knows_which_signatures_were_verified() {
    let db = TestDb::empty().await.unwrap();
    let mut entries = [approval(ONE, "alice", LintSeverity::Warn), approval(ONE, "bob", LintSeverity::Warn)];
    for entry in &mut entries {
        entry.signature = Some("as the build read it".to_owned());
    }
    let files = [
        (ONE.0, ONE.1.to_owned()),
        (SETTINGS.0, SETTINGS.1.to_owned()),
        (APPROVALS, entries.iter().map(Approval::to_toml).collect()),
        (ALLOWED_SIGNERS, String::new()),
    ];
    for (codes, why) in [
        ("", "alice@example.com: its signature was not verified"),
        ("unknown-key,expired", "bob@example.com: its key was no longer valid at that time"),
    ] {
        let (missing, message) = refused(&Migrator::new(embedded(&files, codes)), &db).await;
        assert_eq!(
            (missing[0].2, missing[0].3),
            (2, 0),
            "without one that counts, the severity is not known"
        );
        assert!(message.contains(why), "{message}");
    }
    let verified = Migrator::new(embedded(&files, "unknown-key,verified"));
    assert_eq!(verified.run(db.url()).await.unwrap().steps.len(), 1);
}

/// A session through a pipe that counts round trips: what the client sends after it has received something.
async fn counting(db: &TestDb) -> (Client, Arc<AtomicUsize>) {
    let config: tokio_postgres::Config = db.url().parse().unwrap();
    let port = config.get_ports()[0];
    let (near, far) = tokio::io::duplex(1 << 16);
    let trips = Arc::new(AtomicUsize::new(0));
    match &config.get_hosts()[0] {
        Host::Tcp(host) => {
            let server = tokio::net::TcpStream::connect((host.as_str(), port)).await.unwrap();
            pump(far, server, Arc::clone(&trips));
        }
        Host::Unix(folder) => {
            let path = folder.join(format!(".s.PGSQL.{port}"));
            pump(far, tokio::net::UnixStream::connect(path).await.unwrap(), Arc::clone(&trips));
        }
    }
    let (client, connection) = config.connect_raw(near, NoTls).await.unwrap();
    tokio::spawn(connection);
    (client, trips)
}

fn pump(client: DuplexStream, server: impl AsyncRead + AsyncWrite + Send + 'static, trips: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let answered = Arc::new(AtomicBool::new(false));
    let has_answered = Arc::clone(&answered);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = from_client.read(&mut buffer).await {
            trips.fetch_add(usize::from(answered.swap(false, Ordering::SeqCst)), Ordering::SeqCst);
            to_server.write_all(&buffer[..bytes]).await.unwrap();
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = from_server.read(&mut buffer).await {
            has_answered.store(true, Ordering::SeqCst);
            to_client.write_all(&buffer[..bytes]).await.unwrap();
        }
    });
}

#[tokio::test]
async fn a_boot_with_nothing_to_do_stays_one_round_trip() {
    let db = TestDb::empty().await.unwrap();
    let entries = record(ONE, LintSeverity::Clean);
    let files = [(ONE.0, ONE.1.to_owned()), (SETTINGS.0, SETTINGS.1.to_owned()), (APPROVALS, entries)];
    let service = Migrator::new(embedded(&files, ""));
    let (client, trips) = counting(&db).await;
    assert_eq!(service.apply(&client).await.unwrap().steps.len(), 1);
    assert!(trips.load(Ordering::SeqCst) > 3, "round trips are not counted");
    let before = trips.load(Ordering::SeqCst);
    assert_eq!(service.apply(&client).await.unwrap().run, None);
    assert_eq!(trips.load(Ordering::SeqCst) - before, 1);
}
