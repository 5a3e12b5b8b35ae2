//! `adopt`: databases of other tools.

use crate::support::{Workspace, execute, history, value};
use refit_devdb::TestDb;

const ONE: (&str, &str) = ("V1__posts.sql", "CREATE TABLE posts (id int);\n");
const TWO: (&str, &str) = ("V2__pages.sql", "CREATE TABLE pages (id int);\n");
const THREE: (&str, &str) = ("V3__tags.sql", "CREATE TABLE tags (id int);\n");

/// Checks that after an adoption the next migration applies and nothing is refused.
async fn next_migration_applies(workspace: &Workspace, db: &TestDb) {
    workspace.write(THREE.0, THREE.1);
    workspace.run(&["migrate"]).expect(0);
    workspace.run(&["plan"]).expect(0);
    assert!(value::<bool>(db, "SELECT to_regclass('tags') IS NOT NULL").await);
}

#[tokio::test]
async fn refinery_with_32_bit_versions() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[ONE, TWO]).on(&db);
    // The table and the checksums of refinery 0.10 without its feature int8-versions.
    execute(
        &db,
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), \
         checksum varchar(255)); CREATE TABLE posts (id int); CREATE TABLE pages (id int); \
         INSERT INTO refinery_schema_history VALUES \
         (1, 'posts', '2024-01-02T03:04:05.678Z', '16494930119493446728'), \
         (2, 'pages', '2024-01-02T03:04:06.789Z', '12483298013492350316')",
    )
    .await;
    // It works without adoption, which only widens it to 64 bits.
    workspace.run(&["plan"]).expect(0);
    let dry = workspace.run(&["adopt", "--dry-run"]).expect(1).stdout;
    assert_eq!(dry.matches("same text").count(), 2, "{dry}");
    workspace.run(&["adopt", "--yes"]).expect(0);
    let kind = "SELECT format_type(atttypid, NULL) FROM pg_attribute \
                WHERE attrelid = 'refinery_schema_history'::regclass AND attname = 'version'";
    assert_eq!(value::<String>(&db, kind).await, "bigint");
    let applied_on = "SELECT applied_on FROM refinery_schema_history WHERE version = 1";
    assert_eq!(value::<String>(&db, applied_on).await, "2024-01-02T03:04:05.678Z");
    next_migration_applies(&workspace, &db).await;
    assert!(workspace.run(&["adopt"]).expect(0).stdout.contains("nothing to adopt"));
}

#[tokio::test]
async fn refinery_with_an_edited_file_is_adopted_only_with_accept_unproven() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[ONE]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let before = history(&db).await;
    workspace.write(ONE.0, "CREATE TABLE posts (id bigint);\n");
    assert!(workspace.run(&["adopt", "--yes"]).expect(2).stderr.contains("--accept-unproven"));
    assert_eq!(history(&db).await, before);
}

#[tokio::test]
async fn sqlx() {
    let db = TestDb::empty().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("1_posts.sql"), ONE.1).unwrap();
    std::fs::write(folder.path().join("2_pages.sql"), TWO.1).unwrap();
    let pool = sqlx::PgPool::connect(db.url()).await.unwrap();
    sqlx::migrate::Migrator::new(folder.path()).await.unwrap().run(&pool).await.unwrap();
    pool.close().await;
    let workspace = Workspace::new(&[ONE, TWO]).on(&db);
    assert_eq!(workspace.run(&["adopt", "--yes"]).expect(0).stdout.matches("same text").count(), 2);
    next_migration_applies(&workspace, &db).await;
}

#[tokio::test]
async fn sqlx_with_a_different_text_or_without_a_file() {
    let db = TestDb::empty().await.unwrap();
    execute(
        &db,
        "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, \
         installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
         execution_time bigint NOT NULL); INSERT INTO _sqlx_migrations VALUES (1, 'posts', now(), true, '\\x00', 1)",
    )
    .await;
    let workspace = Workspace::new(&[ONE]).on(&db);
    assert!(workspace.run(&["adopt", "--yes"]).expect(2).stderr.contains("differs"));
    workspace.run(&["adopt", "--yes", "--accept-unproven"]).expect(0);
    execute(&db, "DROP TABLE refinery_schema_history; INSERT INTO _sqlx_migrations VALUES (9, 'x', now(), true, '\\x00', 1)").await;
    let ran = workspace.run(&["adopt", "--yes", "--accept-unproven"]).expect(2);
    assert!(ran.stderr.contains("version 9 (x) has no file"), "{}", ran.stderr);
    assert!(!value::<bool>(&db, "SELECT to_regclass('refinery_schema_history') IS NOT NULL").await);
    execute(&db, "UPDATE _sqlx_migrations SET success = false").await;
    assert!(workspace.run(&["adopt", "--yes"]).expect(2).stderr.contains("failed in sqlx"));
}

#[tokio::test]
async fn diesel() {
    let db = TestDb::empty().await.unwrap();
    execute(
        &db,
        "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, \
         run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP); \
         INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000000'), ('20240102030405')",
    )
    .await;
    let workspace = Workspace::new(&[("V20240102030405__posts.sql", ONE.1)]).on(&db);
    assert!(workspace.run(&["adopt", "--yes"]).expect(0).stdout.contains("no checksum"));
    assert!(history(&db).await.starts_with("20240102030405:"));
    workspace.run(&["plan"]).expect(0);
}

#[tokio::test]
async fn flyway() {
    let db = TestDb::empty().await.unwrap();
    // CRC-32 of the lines without their endings, as a signed integer.
    execute(
        &db,
        "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), \
         description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum int, \
         installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), \
         execution_time int NOT NULL, success boolean NOT NULL); \
         INSERT INTO flyway_schema_history VALUES \
         (1, '1', 'posts', 'SQL', 'V1__posts.sql', -1877934394, 'a', now(), 1, true), \
         (2, '2', 'pages', 'SQL', 'V2__pages.sql', -1198995815, 'a', now(), 1, true), \
         (3, NULL, 'some view', 'SQL', 'R__some_view.sql', -1343946466, 'a', now(), 1, true)",
    )
    .await;
    let view = ("R__some_view.sql", "CREATE OR REPLACE VIEW v\nAS SELECT 1 AS a;\n");
    let workspace = Workspace::new(&[ONE, TWO, view]).on(&db);
    let ran = workspace.run(&["adopt", "--yes"]).expect(0);
    assert_eq!(ran.stdout.matches("same text").count(), 3, "{}", ran.stdout);
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refit.repeatable").await, 1);
    workspace.run(&["plan"]).expect(0);
    next_migration_applies(&workspace, &db).await;
}

const FLYWAY: &str = "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), \
     description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum int, \
     installed_by varchar(100) NOT NULL DEFAULT 'a', installed_on timestamp NOT NULL DEFAULT now(), \
     execution_time int NOT NULL DEFAULT 1, success boolean NOT NULL DEFAULT true); \
     INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum) VALUES ";
const POSTS: i32 = -1877934394;
const PAGES: i32 = -1198995815;

#[tokio::test]
async fn flyway_migrations_that_were_undone_or_deleted_are_pending() {
    let db = TestDb::empty().await.unwrap();
    // V1 was undone and applied again, under another spelling of its number; V2 was undone; V3 was deleted by `flyway repair`;
    // V4 is a migration whose failure was repaired.
    let rows = format!(
        "(0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', '\"public\"', NULL), \
         (1, '1', 'posts', 'SQL', 'V1__posts.sql', {POSTS}), (2, '2', 'pages', 'SQL', 'V2__pages.sql', {PAGES}), \
         (3, '3', 'tags', 'SQL', 'V3__tags.sql', 1), (4, '2', 'pages', 'UNDO_SQL', 'U2__pages.sql', 5), \
         (5, '1.0', 'posts', 'UNDO_SQL', 'U1.0__posts.sql', 5), (6, '001', 'posts', 'SQL', 'V001__posts.sql', {POSTS}), \
         (7, '3', 'tags', 'DELETE', 'V3__tags.sql', 1), \
         (8, NULL, 'some view', 'SQL', 'R__some_view.sql', -1343946466), \
         (9, NULL, 'some view', 'DELETE', 'R__some_view.sql', -1343946466)"
    );
    execute(&db, &format!("{FLYWAY}{rows}; CREATE TABLE posts (id int)")).await;
    let view = ("R__some_view.sql", "CREATE OR REPLACE VIEW v\nAS SELECT 1 AS a;\n");
    let workspace = Workspace::new(&[ONE, TWO, THREE, view]).on(&db);
    let ran = workspace.run(&["adopt", "--yes"]).expect(0);
    assert_eq!(ran.stdout.matches("same text").count(), 1, "{}", ran.stdout);
    assert!(history(&db).await.starts_with("1:") && !history(&db).await.contains(','));
    assert!(!value::<bool>(&db, "SELECT to_regclass('pages') IS NOT NULL").await);
    workspace.run(&["migrate"]).expect(0);
    for table in ["pages", "tags", "v"] {
        assert!(value::<bool>(&db, &format!("SELECT to_regclass('{table}') IS NOT NULL")).await, "{table}");
    }
}

#[tokio::test]
async fn a_flyway_baseline_represents_the_versions_below_it() {
    for kind in ["BASELINE", "SQL_BASELINE"] {
        let db = TestDb::empty().await.unwrap();
        let mut rows = format!("(1, '2', '<< Flyway Baseline >>', '{kind}', 'B2__all.sql', NULL)");
        if kind == "SQL_BASELINE" {
            // Its own row is compared, and the baseline still represents the versions below it.
            rows.push_str(&format!(", (2, '2', 'pages', 'SQL', 'V2__pages.sql', {PAGES})"));
        }
        execute(&db, &format!("{FLYWAY}{rows}; CREATE TABLE posts (id int); CREATE TABLE pages (id int)"))
            .await;
        let workspace = Workspace::new(&[ONE, TWO]).on(&db);
        workspace.run(&["adopt", "--yes"]).expect(0);
        assert!(history(&db).await.contains(",2:"), "{kind}");
        next_migration_applies(&workspace, &db).await;
    }
    let db = TestDb::empty().await.unwrap();
    let rows = "(1, '2', 'all', 'BASELINE', 'x', NULL), (2, '2', 'all', 'DELETE', 'x', NULL)";
    execute(&db, &format!("{FLYWAY}{rows}")).await;
    let workspace = Workspace::new(&[ONE, TWO]).on(&db);
    assert!(workspace.run(&["adopt", "--yes"]).expect(0).stdout.contains("nothing to adopt"));
}

#[tokio::test]
async fn migrations_that_failed_in_flyway_are_not_adopted() {
    for row in [
        "(2, '2', 'pages', 'SQL', 'V2__pages.sql', 1)",
        "(2, '1', 'posts', 'UNDO_SQL', 'U1__posts.sql', 1)",
        "(2, NULL, 'some view', 'SQL', 'R__some_view.sql', 1)",
    ] {
        let db = TestDb::empty().await.unwrap();
        execute(&db, &format!("{FLYWAY}(1, '1', 'posts', 'SQL', 'V1__posts.sql', {POSTS}), {row}")).await;
        execute(&db, "UPDATE flyway_schema_history SET success = false WHERE installed_rank = 2").await;
        let workspace = Workspace::new(&[ONE, TWO]).on(&db);
        let ran = workspace.run(&["adopt", "--yes"]).expect(2);
        assert!(ran.stderr.contains("failed in Flyway"), "{}", ran.stderr);
        assert!(!value::<bool>(&db, "SELECT to_regclass('refinery_schema_history') IS NOT NULL").await);
        // `flyway repair` removes the failed row.
        execute(&db, "DELETE FROM flyway_schema_history WHERE installed_rank = 2").await;
        workspace.run(&["adopt", "--yes"]).expect(0);
        assert!(history(&db).await.starts_with("1:"));
    }
}

#[tokio::test]
async fn baseline() {
    let db = TestDb::empty().await.unwrap();
    execute(&db, "CREATE TABLE posts (id int); CREATE TABLE pages (id int)").await;
    let workspace = Workspace::new(&[ONE, TWO]).on(&db);
    assert!(workspace.run(&["adopt"]).expect(2).stderr.contains("--from baseline"));
    workspace.run(&["adopt", "--from", "baseline", "--yes"]).expect(2);
    workspace.run(&["adopt", "--from", "baseline", "--version", "7", "--yes"]).expect(2);
    workspace.run(&["adopt", "--from", "baseline", "--version", "2"]).expect(2);
    assert!(!value::<bool>(&db, "SELECT to_regclass('refinery_schema_history') IS NOT NULL").await);
    workspace.run(&["adopt", "--from", "baseline", "--version", "2", "--yes"]).expect(0);
    next_migration_applies(&workspace, &db).await;
    assert!(
        workspace
            .run(&["adopt", "--from", "baseline", "--version", "2", "--yes"])
            .expect(2)
            .stderr
            .contains("has a history")
    );
}

/// Functions and operators of a `public` schema before pg_catalog in the search path, one per expression of the queries.
#[tokio::test]
async fn no_decoy_is_called_while_a_history_is_read() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[ONE]).on(&db);
    execute(
        &db,
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), \
         checksum varchar(255)); INSERT INTO refinery_schema_history VALUES (1, 'posts', '2024-01-02T03:04:05Z', '1'); \
         CREATE TABLE _sqlx_migrations (version bigint, description text, installed_on timestamptz, success boolean, \
         checksum bytea); INSERT INTO _sqlx_migrations VALUES (1, 'posts', now(), true, '\\x00'); \
         CREATE TABLE __diesel_schema_migrations (version varchar(50), run_on timestamp); \
         INSERT INTO __diesel_schema_migrations VALUES ('1', now()); \
         CREATE TABLE flyway_schema_history (installed_rank int, version varchar(50), description varchar(200), \
         type varchar(20), script varchar(1000), checksum int, installed_on timestamp, success boolean); \
         INSERT INTO flyway_schema_history VALUES (1, '1', 'posts', 'SQL', 'V1__posts.sql', 1, now(), true)",
    )
    .await;
    execute(
        &db,
        "DO $fill$ DECLARE f text; o text; pair text[]; n int := 0; BEGIN \
         EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); \
         FOREACH f IN ARRAY ARRAY['to_regclass(text)', 'to_char(timestamp, text)', 'to_char(timestamptz, text)', \
             'timezone(text, timestamptz)', 'timezone(text, timestamp)', 'pg_backend_pid()', 'format(text, name, name)', \
             'current_schema()', 'set_config(text, text, boolean)', 'current_setting(text)'] LOOP \
             EXECUTE format('CREATE FUNCTION public.%s RETURNS text LANGUAGE plpgsql AS $f$ BEGIN \
                 RAISE EXCEPTION ''decoy %s''; END $f$', f, f); END LOOP; \
         FOREACH o IN ARRAY ARRAY['=', '<>'] LOOP FOREACH pair SLICE 1 IN ARRAY ARRAY[['oid', 'regtype'], ['oid', 'regclass'], \
             ['oid', 'oid'], ['name', 'text'], ['name', 'name'], ['text', 'text'], ['varchar', 'text'], ['timestamptz', 'timestamptz']] \
         LOOP n := n + 1; \
             EXECUTE format('CREATE FUNCTION public.decoy_%s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN \
                 RAISE EXCEPTION ''decoy operator''; END $f$', n, pair[1], pair[2]); \
             EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.decoy_%s, LEFTARG = %s, RIGHTARG = %s)', \
                 o, n, pair[1], pair[2]); \
         END LOOP; END LOOP; END $fill$",
    )
    .await;
    for (tool, proof) in
        [("refinery", "differs"), ("sqlx", "differs"), ("diesel", "no checksum"), ("flyway", "differs")]
    {
        let dry = workspace.run(&["adopt", "--from", tool, "--dry-run"]).expect(1).stdout;
        assert!(dry.contains(proof), "{tool}: {dry}");
    }
}
