//! Backups that fail or are killed: no file looks like a backup, no step runs without one, and the next run works.

use std::path::Path;
use std::process::{Child, Stdio};

use refit_devdb::{Listen, ServerOptions, TestDb};

use crate::support::backups::{has_pg_dump, migrated, script};
use crate::support::{Workspace, execute, until, value};

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, n int);\nINSERT INTO t SELECT n, n FROM generate_series(1, 100) n;\n\
                      CREATE SEQUENCE other;\n";

fn spawn(workspace: &Workspace, arguments: &[&str]) -> Child {
    let mut command = workspace.command();
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Whether a session of `pg_dump` waits for a lock.
async fn dump_waits(db: &str) -> bool {
    let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() \
               AND query LIKE '%other%' AND backend_type = 'client backend' AND pid <> pg_backend_pid())";
    test_support::value_at(db, sql).await
}

#[tokio::test]
async fn a_killed_backup_leaves_no_file_that_looks_like_one() {
    let Some((db, workspace)) = migrated(&[("V1__t.sql", TABLES)]).await else { return };
    // pg_dump reads every sequence, and waits for this session.
    let blocker = db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; DROP SEQUENCE other").await.unwrap();
    let mut process = spawn(&workspace, &["backup", "create", "--tables", "t"]);
    until("pg_dump waits", async || dump_waits(db.url()).await).await;
    let running = workspace.backup(&["list"]);
    assert_eq!((&running[0]["state"], &running[0]["kind"]), (&"running".into(), &"tables".into()));
    process.kill().unwrap();
    process.wait().unwrap();
    until("its session has ended", async || workspace.backup(&["list"])[0]["state"] == "interrupted").await;
    let left = workspace.backup_files();
    assert!(left.iter().all(|name| name.starts_with('.') && name.ends_with(".partial")), "{left:?}");
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let made = workspace.backup(&["create", "--tables", "t"]);
    let id = made["id"].as_str().unwrap();
    assert_eq!(workspace.backup_files(), [format!("{id}.dump"), format!("{id}.json")]);
    let states: String = value(&db, "SELECT string_agg(state, ',' ORDER BY id) FROM refit.backup").await;
    assert_eq!(states, "failed,complete");
}

#[tokio::test]
async fn a_lost_connection_fails_the_backup() {
    let Some((db, workspace)) = migrated(&[("V1__t.sql", TABLES)]).await else { return };
    let blocker = db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; DROP SEQUENCE other").await.unwrap();
    let mut process = spawn(&workspace, &["backup", "create", "--tables", "t"]);
    until("pg_dump waits", async || dump_waits(db.url()).await).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
               AND datname = current_database() AND query LIKE '%other%' AND pid <> pg_backend_pid()";
    assert_eq!(value::<i64>(&db, end).await, 1);
    assert_eq!(process.wait().unwrap().code(), Some(2));
    assert_eq!(workspace.backup_files(), [""; 0]);
    let error: String = value(&db, "SELECT error FROM refit.backup WHERE state = 'failed'").await;
    assert!(error.contains("pg_dump failed"), "{error}");
}

#[tokio::test]
async fn a_full_disk_fails_the_backup() {
    let Some((db, workspace)) = migrated(&[("V1__t.sql", TABLES)]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(_mounted) = SmallDisk::mount(folder.path()) else {
        eprintln!("skipped: this user may not mount a tmpfs");
        return;
    };
    execute(
        &db,
        "CREATE TABLE large AS SELECT sha512(n::text::bytea) AS noise FROM generate_series(1, 40000) n",
    )
    .await;
    let at = folder.path().to_str().unwrap();
    let error =
        workspace.run(&["backup", "create", "--tables", "large", "--backup-dir", at]).expect(2).stderr;
    assert!(error.contains("No space left on device"), "{error}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    let text = workspace.run(&["backup", "doctor", "--tables", "large", "--backup-dir", at]).expect(0).stdout;
    assert!(text.contains("fits only if it is compressed well"), "{text}");
    let states: String = value(&db, "SELECT string_agg(state, ',') FROM refit.backup").await;
    assert_eq!(states, "failed");
}

/// A file system of 1 MB.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount(at: &Path) -> Option<SmallDisk<'_>> {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).stderr(Stdio::null());
        mount.status().ok()?.success().then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        std::process::Command::new("umount").arg("-l").arg(self.0).status().ok();
    }
}

#[tokio::test]
async fn a_run_that_is_killed_after_its_backup_is_repeated() {
    let Some((db, workspace)) = migrated(&[("V1__t.sql", TABLES)]).await else { return };
    workspace.write("V2__t.sql", "UPDATE t SET n = 0;\n");
    // The first step waits for this session, after the backup.
    let blocker = db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; LOCK TABLE t IN SHARE MODE").await.unwrap();
    let mut process = spawn(&workspace, &["migrate", "--backup", "tables"]);
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE t%' \
                 AND pid <> pg_backend_pid() AND datname = current_database())";
    until("the first step waits", async || value::<bool>(&db, waits).await).await;
    process.kill().unwrap();
    process.wait().unwrap();
    // Otherwise the server would still run the step that it has received.
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
               AND query LIKE '%UPDATE t%' AND pid <> pg_backend_pid() AND datname = current_database()";
    assert_eq!(value::<i64>(&db, end).await, 1);
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let listed = workspace.backup(&["list"]);
    assert_eq!(listed[0]["state"], "complete");
    workspace.run(&["backup", "verify", listed[0]["id"].as_str().unwrap()]).expect(0);
    workspace.run(&["migrate", "--backup", "tables"]).expect(0);
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM t").await, 0);
    // With nothing to do, no backup is made.
    workspace.run(&["migrate", "--backup", "tables"]).expect(0);
    let runs: Vec<_> =
        workspace.backup(&["list"]).as_array().unwrap().iter().map(|backup| backup["run"].clone()).collect();
    assert_eq!(runs, [2, 3]);
}

#[tokio::test]
async fn without_its_backup_a_run_changes_nothing() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[("V1__t.sql", TABLES)]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    workspace.write("V2__t.sql", "UPDATE t SET n = 0;\n");
    let refused = |arguments: &[&str], expected: &str| {
        let error = workspace.run(&[&["migrate", "--backup"], arguments].concat()).expect(2).stderr;
        assert!(error.contains(expected), "{error}");
    };
    refused(&["restore-point"], "archive_mode is off");
    refused(&["command"], "needs a program");
    let failing = script("program", "echo 'the array is offline' >&2; exit 1");
    let program = failing.path().join("program").display().to_string();
    refused(&["command", "--backup-command", &program], "the array is offline");
    workspace.write(
        "V3__t.sql",
        "DO $$ BEGIN EXECUTE 'UPDATE ' || 't SET n = ' || length(current_user); END $$;\n",
    );
    refused(&["tables"], "it is not known which tables V3__t.sql changes");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refinery_schema_history").await, 1);
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM t").await, 5050);
    let saved = script("program", "echo snapshot-7");
    let program = saved.path().join("program").display().to_string();
    workspace.run(&["migrate", "--backup", "command", "--backup-command", &program]).expect(0);
    let listed = workspace.backup(&["list"]);
    let newest = listed.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&newest["id"], &newest["kind"], &newest["state"]),
        (&"snapshot-7".into(), &"command".into(), &"complete".into())
    );
}

#[tokio::test]
async fn an_environment_requires_a_backup() {
    let Some((db, workspace)) = migrated(&[("V1__t.sql", TABLES)]).await else { return };
    workspace.write("refit.toml", "[environment.production]\nbackup = \"tables\"\n");
    workspace.write("V2__t.sql", "UPDATE t SET n = 0;\n");
    workspace.write("V2__t.down.sql", "UPDATE t SET n = id;\n");
    let error = workspace.run(&["migrate", "--backup", "restore-point"]).expect(2).stderr;
    assert!(error.contains("production requires a backup of kind tables"), "{error}");
    // The plan says whether the backup can be made.
    let text = workspace.run(&["plan"]).expect(1).stdout;
    assert!(text.contains("backup   tables first: 1 table, "), "{text}");
    let text = workspace.run(&["plan", "--pg-bin", "/nonexistent"]).expect(1).stdout;
    assert!(text.contains("tables first, but it cannot be made: ") && text.contains("pg_dump"), "{text}");
    assert!(!workspace.run(&["plan", "--environment", "test"]).expect(1).stdout.contains("backup"));
    workspace.run(&["migrate"]).expect(0);
    assert!(!workspace.run(&["plan"]).expect(0).stdout.contains("backup"), "nothing is pending");
    workspace.run(&["rollback", "--to", "1", "--yes"]).expect(0);
    let backups = workspace.backup(&["list"]);
    let made: Vec<_> = backups
        .as_array()
        .unwrap()
        .iter()
        .map(|backup| (backup["run"].clone(), backup["tables"].clone()))
        .collect();
    assert_eq!(
        made,
        [(2.into(), serde_json::json!(["public.t"])), (3.into(), serde_json::json!(["public.t"]))]
    );
    // Before the rollback, all rows were 0.
    workspace.run(&["backup", "restore", backups[1]["id"].as_str().unwrap(), "--yes"]).expect(0);
    assert_eq!(value::<i64>(&db, "SELECT sum(n) FROM t").await, 0);
    workspace.run(&["migrate", "--environment", "test"]).expect(0);
    assert_eq!(workspace.backup(&["list"]).as_array().unwrap().len(), 2, "that environment requires none");
}

#[tokio::test]
async fn a_rollback_takes_from_a_backup_what_nothing_else_undoes() {
    let Some((db, workspace)) = migrated(&[("V1__t.sql", TABLES)]).await else { return };
    let before: String = value(&db, "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    workspace.write("V2__zero.sql", "UPDATE t SET n = 0;\nDELETE FROM t WHERE id > 50;\n");
    workspace.write("V3__wide.sql", "ALTER TABLE t ADD COLUMN wide int;\n");
    workspace.write("V3__wide.down.sql", "ALTER TABLE t DROP COLUMN wide;\n");
    workspace.run(&["migrate", "--backup", "tables"]).expect(0);
    let id = workspace.backup(&["list"])[0]["id"].as_str().unwrap().to_owned();
    let error = workspace.run(&["rollback", "--to", "1", "--yes"]).expect(2).stderr;
    assert!(
        error.contains("V2__zero.sql has no V2__zero.down.sql") && error.contains("--from-backup"),
        "{error}"
    );
    let from = ["rollback", "--to", "1", "--yes", "--from-backup"];
    assert!(
        workspace.run(&[&from[..], &["unknown"]].concat()).expect(2).stderr.contains("no backup unknown")
    );
    let text = workspace.run(&["rollback", "--to", "1", "--dry-run", "--from-backup", &id]).expect(0);
    assert!(text.stdout.contains("V2__zero  (by a hook)"), "{}", text.stdout);
    assert!(text.stderr.contains("50 rows now, 100 in the backup"), "{}", text.stderr);
    workspace.run(&[&from[..], &[&id]].concat()).expect(0);
    assert_eq!(value::<String>(&db, "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM t").await, before);
    assert_eq!(value::<i64>(&db, "SELECT max(version)::int8 FROM refinery_schema_history").await, 1);
    // Forward again; a backup from after the migration has its rows, not those before.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    workspace.run(&["migrate"]).expect(0);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let late = workspace.backup(&["create", "--tables", "t"])["id"].as_str().unwrap().to_owned();
    let error = workspace.run(&[&from[..], &[&late]].concat()).expect(2).stderr;
    assert!(error.contains("was made when version 2 (zero) was applied already"), "{error}");
    assert_eq!(value::<i64>(&db, "SELECT sum(n)::int8 FROM t").await, 0);
    // Rows undo no change of a schema.
    workspace.write("V4__name.sql", "ALTER TABLE t ADD COLUMN name text;\n");
    workspace.run(&["migrate"]).expect(0);
    let error = workspace.run(&[&from[..], &[&late]].concat()).expect(2).stderr;
    assert!(error.contains("V4__name.sql changes more than rows") && error.contains("ADD COLUMN"), "{error}");
    assert_eq!(value::<i64>(&db, "SELECT max(version)::int8 FROM refinery_schema_history").await, 4);
}

#[tokio::test]
async fn a_password_is_in_no_argument_and_no_output() {
    let options = ServerOptions { listen: Listen::Loopback(0), ..ServerOptions::for_tests() };
    let server = test_support::server(options).await;
    let url = server.url("postgres");
    let password = url.split(':').nth(2).unwrap().split('@').next().unwrap().to_owned();
    let workspace = Workspace::new(&[("V1__t.sql", TABLES)]).at(&url);
    if !has_pg_dump(&workspace) {
        return;
    }
    workspace.run(&["migrate"]).expect(0);
    let blocker = refit::connect(&url, &refit::ConnectOptions::default()).await.unwrap();
    blocker.batch_execute("BEGIN; DROP SEQUENCE other").await.unwrap();
    let mut command = workspace.command();
    command
        .args(["backup", "create", "--tables", "t", "--verbose"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let process = command.spawn().unwrap();
    until("pg_dump waits", async || dump_waits(&url).await).await;
    let mut found = 0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.contains(&password), "{line}");
        found += usize::from(line.contains("pg_dump") && line.contains(workspace.root().to_str().unwrap()));
    }
    assert!(found > 0 || !Path::new("/proc/self/cmdline").exists(), "pg_dump was not found");
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!text.contains(&password), "{text}");
    let id = workspace.backup(&["list"])[0]["id"].as_str().unwrap().to_owned();
    workspace.run(&["backup", "restore", &id, "--yes"]).expect(0);
    for name in workspace.backup_files() {
        let bytes = std::fs::read(workspace.root().join("backups").join(name)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(&password));
    }
}
