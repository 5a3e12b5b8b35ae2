//! Malformed and unusual input, through the whole runtime: it is either rejected with a clear error or applied as written, without
//! effects on anything else.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

use refit::{LOCK_KEY, Migrator};
use refit_devdb::{ServerOptions, TestDb};

use crate::support::{applied, execute, execute_at, exists, folder, migrator, server, set, value, value_at};

const ONE: (&str, &str) = ("V1__a.sql", "CREATE TABLE a (id int);");

/// Boots `folder` in a process to which file permissions apply: if the test runs as root, with the server's account.
fn boot_as_user(db: &TestDb, folder: &std::path::Path) -> std::process::Output {
    let program = tempfile::tempdir().unwrap();
    let (inside, copy) = (program.path(), program.path().join("boot"));
    std::fs::copy(env!("CARGO_BIN_EXE_boot"), &copy).unwrap();
    std::fs::set_permissions(inside, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(copy);
    command.arg(folder).arg(db.url()).current_dir("/");
    if rustix::process::geteuid().is_root() {
        let account = std::fs::metadata(db.server().data_dir()).unwrap();
        command.uid(account.uid()).gid(account.gid());
    }
    command.output().unwrap()
}

#[tokio::test]
async fn unreadable_files_are_named() {
    let db = TestDb::empty().await.unwrap();
    let folder = folder(&[ONE, ("V2__b.sql", "CREATE TABLE b (id int);")]);
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let file = folder.path().join("V2__b.sql");
    for (path, mode, says) in
        [(folder.path(), 0o000, ": cannot be read"), (&file, 0o000, "V2__b.sql: cannot be read")]
    {
        allow(folder.path(), 0o755);
        allow(path, mode);
        let output = boot_as_user(&db, folder.path());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(says) && error.contains("Permission denied"),
            "{error}"
        );
        assert!(!exists(&db, "a").await);
    }
    allow(&file, 0o644);
    assert!(boot_as_user(&db, folder.path()).status.success());
    assert!(exists(&db, "b").await);
}

#[tokio::test]
async fn names_are_quoted() {
    let server = server(ServerOptions::for_tests()).await;
    let (role, database) = ("O'Neil \"the\" 100%", "my \"data\" base; 'x'");
    let admin = server.url("postgres");
    execute_at(&admin, "CREATE ROLE \"O'Neil \"\"the\"\" 100%\" LOGIN").await;
    execute_at(&admin, "CREATE DATABASE \"my \"\"data\"\" base; 'x'\" OWNER \"O'Neil \"\"the\"\" 100%\"")
        .await;
    let url = server.url(database).replace("//postgres@", "//O%27Neil%20%22the%22%20100%25@");
    execute_at(&url, "CREATE SCHEMA \"My \"\"Schema\"\"\"").await;
    let index = (
        "V2__ix.sql",
        "-- refit: transaction = false\nSET search_path = \"My \"\"Schema\"\"\";\nCREATE TABLE \"T t\" (\"A a\" int);\n\
         CREATE INDEX CONCURRENTLY \"I \"\"i\" ON \"My \"\"Schema\"\"\".\"T t\" (\"A a\");",
    );
    for _ in 0..2 {
        let migrator = migrator(&[ONE, index]).history_schema("My \"Schema\"");
        assert_eq!(migrator.run(&url).await.unwrap().version, Some(2));
    }
    let rows = "SELECT count(*) FROM \"My \"\"Schema\"\"\".refinery_schema_history";
    assert_eq!(value_at::<i64>(&url, rows).await, 2);
    assert_eq!(value_at::<String>(&url, "SELECT session_role FROM refit.run").await, role);
    assert!(value_at::<bool>(&url, "SELECT bool_and(indisvalid) FROM pg_index").await);
}

#[tokio::test]
async fn long_files_and_many_files_are_applied() {
    let db = TestDb::empty().await.unwrap();
    let row = format!("INSERT INTO a VALUES (1); -- {}\n", "x".repeat(70));
    let long = row.repeat(5_000_000 / row.len());
    let rows = long.lines().count() as i64;
    let mut files = vec![(ONE.0.to_owned(), ONE.1.to_owned()), ("V2__long.sql".to_owned(), long)];
    files.extend(
        (3..=1_000)
            .map(|version| (format!("V{version}__more.sql"), format!("INSERT INTO a VALUES ({version});"))),
    );
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let report = migrator(&files).run(db.url()).await.unwrap();
    assert_eq!((report.steps.len(), report.version), (1_000, Some(1_000)));
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM a WHERE id = 1").await, rows);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM a WHERE id > 1").await, 998);
    assert_eq!(migrator(&files).run(db.url()).await.unwrap().run, None);
}

#[tokio::test]
async fn an_error_at_the_end_of_a_long_file_has_its_position() {
    let db = TestDb::empty().await.unwrap();
    let mut text = "SELECT 1;\n".repeat(100_000);
    text.push_str("  SELECT 1/0;\n");
    let error = migrator(&[("V1__long.sql", &text)]).run(db.url()).await.unwrap_err().message();
    assert!(
        error.contains("statement 100001 of 100001") && error.contains("V1__long.sql:100001:3"),
        "{error}"
    );
    let syntax = text.replace("1/0", "FROM FROM");
    let error = migrator(&[("V1__long.sql", &syntax)]).run(db.url()).await.unwrap_err().message();
    assert!(
        error.contains("statement 100001 of 100001") && error.contains("V1__long.sql:100001:15"),
        "{error}"
    );
}

#[tokio::test]
async fn special_characters_and_syntax_are_applied() {
    let db = TestDb::empty().await.unwrap();
    let text = "CREATE TABLE odd (t text);\n\
                CREATE FUNCTION first(text) RETURNS text LANGUAGE sql AS $f$ SELECT $1 || ';' $f$;\n\
                INSERT INTO odd VALUES ('$1 %s {} \\n \\ ''quoted'' \"x\" -- no comment'), (E'tab\\tand \\'quote\\''), \
                ('😀 ü 漢字'), ($q$it's; $1 \\$q$), (U&'\\00e4'), (first('a'));\n\
                COMMENT ON TABLE odd IS 'ends in a backslash \\';\n-- the end, without a line break 'and with a quote";
    migrator(&[("V1__odd.sql", text)]).run(db.url()).await.unwrap();
    for value_wanted in [
        "$1 %s {} \\n \\ 'quoted' \"x\" -- no comment",
        "tab\tand 'quote'",
        "😀 ü 漢字",
        "it's; $1 \\",
        "ä",
        "a;",
    ] {
        let client = db.connect().await.unwrap();
        let found = client.query("SELECT FROM odd WHERE t = $1", &[&value_wanted]).await.unwrap();
        assert_eq!(found.len(), 1, "{value_wanted}");
    }
}

#[tokio::test]
async fn a_flood_of_rows_and_notices_needs_little_memory() {
    let db = TestDb::empty().await.unwrap();
    // Half a gigabyte of rows, in a process whose memory is limited to less.
    let rows = "SELECT repeat('x', 500) FROM generate_series(1, 1000000);";
    let notices = "DO $$ BEGIN FOR i IN 1..50000 LOOP RAISE NOTICE 'number %', i; END LOOP; END $$;";
    let folder = folder(&[("V1__rows.sql", rows), ("V2__notices.sql", notices)]);
    let limited = "ulimit -v 400000 && exec \"$0\" \"$@\"";
    let output = tokio::process::Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_boot")])
        .arg(folder.path())
        .arg(db.url())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn string_lock_and_user_changes_of_a_step_end_with_it() {
    let db = TestDb::empty().await.unwrap();
    let held = |version: u32| {
        // True if the session holds the run's lock: releasing it succeeds.
        format!("CREATE TABLE held{version} AS SELECT pg_advisory_unlock({LOCK_KEY}) AS held;")
    };
    let (after_unlock, after_discard, in_discard) = (held(2), held(4), held(3));
    let discard = format!("-- refit: transaction = false\nDISCARD ALL;\nVACUUM a;\n{in_discard}");
    let role = format!("user_of_{}", db.name());
    let becomes = format!(
        "CREATE ROLE {role};\nGRANT CREATE ON SCHEMA public TO {role};\nSET SESSION AUTHORIZATION {role};\nCREATE TABLE theirs (id int);"
    );
    let files = [
        ("V1__a.sql", "CREATE TABLE a (id int);\nSELECT pg_advisory_unlock_all();"),
        ("V2__held.sql", &after_unlock),
        ("V3__discard.sql", &discard),
        ("V4__held.sql", &after_discard),
        (
            "V5__strings.sql",
            "SET backslash_quote = on;\nDO $do$ BEGIN EXECUTE 'SET standard_conforming_strings = off'; END $do$;",
        ),
        ("V6__text.sql", "CREATE TABLE texts AS SELECT 'a\\b' AS t;"),
        ("V7__becomes.sql", &becomes),
        ("V8__back.sql", "CREATE TABLE back AS SELECT current_user::text AS u, session_user::text AS s;"),
    ];
    migrator(&files).run(db.url()).await.unwrap();
    for table in ["held2", "held3", "held4"] {
        assert!(value::<bool>(&db, &format!("SELECT held FROM {table}")).await, "{table}");
    }
    assert_eq!(value::<String>(&db, "SELECT t FROM texts").await, "a\\b");
    let owner = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'theirs'";
    assert_eq!(value::<String>(&db, owner).await, role);
    assert_eq!(value::<String>(&db, "SELECT u || ' ' || s FROM back").await, "postgres postgres");
    assert_eq!(crate::support::advisory_locks(&db).await, 0);
    assert_eq!(applied(&db).await, "1,2,3,4,5,6,7,8");
}

#[tokio::test]
async fn a_table_named_like_the_history_in_another_schema_is_ignored() {
    let db = TestDb::empty().await.unwrap();
    let other =
        "CREATE SCHEMA other;\nSET search_path = other;\nCREATE TABLE refinery_schema_history (x int);";
    let files = [ONE, ("V2__other.sql", other), ("V3__c.sql", "CREATE TABLE c (id int);")];
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM other.refinery_schema_history").await, 0);
    assert_eq!(migrator(&files).run(db.url()).await.unwrap().run, None);
    // Before the history on the search path it is read instead, and recognised as a different table.
    execute(&db, &format!("ALTER DATABASE {} SET search_path = other, public", db.name())).await;
    let error = migrator(&files).run(db.url()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42703"), "{error}");
    assert_eq!(migrator(&files).history_schema("public").run(db.url()).await.unwrap().run, None);
}

#[tokio::test]
async fn temporary_tables_and_subscriptions_do_not_leak_from_step_to_step() {
    let db = TestDb::empty().await.unwrap();
    let text = "CREATE TEMP TABLE work AS SELECT 1 AS a;\nLISTEN news;\nNOTIFY news;";
    let fills = "INSERT INTO a SELECT 1;\nCREATE TEMP TABLE a (id int);\nINSERT INTO a VALUES (7);";
    let files = [
        ONE,
        ("V2__work.sql", text),
        ("V3__work.sql", text),
        ("V4__hides.sql", fills),
        ("V5__meant.sql", "INSERT INTO a VALUES (2);"),
    ];
    migrator(&files).run(db.url()).await.unwrap();
    assert_eq!(value::<String>(&db, "SELECT string_agg(id::text, ',' ORDER BY id) FROM a").await, "1,2");
    // On a session of the caller, the caller's objects are kept.
    let client = db.connect().await.unwrap();
    client.batch_execute("CREATE TEMP TABLE mine AS SELECT 1 AS a").await.unwrap();
    let more = [files.as_slice(), &[("V6__b.sql", "CREATE TABLE b (id int);")]].concat();
    Migrator::new(set(&more)).apply(&client).await.unwrap();
    assert_eq!(client.query_one("SELECT a FROM mine", &[]).await.unwrap().get::<_, i32>(0), 1);
}
