//! Sessions that cannot write: with nothing to do the boot succeeds, else the error gives the reason.

use refit::Error;
use refit_devdb::{ServerOptions, TestDb};

use crate::support::{applied, execute, execute_at, exists, migrator, server, until, value, value_at};

const ONE: (&str, &str) = ("V1__a.sql", "CREATE TABLE a (id int);");
const TWO: (&str, &str) = ("V2__b.sql", "CREATE TABLE b (id int);");
const THREE: (&str, &str) = ("V3__c.sql", "CREATE TABLE c (id int);");
const VIEW: (&str, &str) = ("R__view.sql", "CREATE OR REPLACE VIEW v AS SELECT * FROM a;");

/// A role for this database, and its URL. Roles belong to the server, so the name contains that of the database.
async fn role(db: &TestDb, rights: &str) -> (String, String) {
    let role = format!("role_of_{}", db.name());
    execute(db, &format!("CREATE ROLE {role} LOGIN; {}", rights.replace("ROLE", &role))).await;
    let url = db.url().replace("//postgres@", &format!("//{role}@"));
    (role, url)
}

#[tokio::test]
async fn a_role_that_may_only_read_the_history_boots_when_there_is_nothing_to_do() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE, VIEW]).run(db.url()).await.unwrap();
    let rights = "REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public, refit TO ROLE; \
                  GRANT SELECT ON refinery_schema_history, refit.repeatable, refit.history TO ROLE";
    let (_, url) = role(&db, rights).await;
    let report = migrator(&[ONE, VIEW]).run(&url).await.unwrap();
    assert_eq!((report.run, report.version), (None, Some(1)));

    let error = migrator(&[ONE, TWO, VIEW]).run(&url).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42501"), "{error}");
    assert!(
        error
            .to_string()
            .contains("GRANT SELECT, INSERT, UPDATE, DELETE ON public.refinery_schema_history TO"),
        "{error}"
    );
    assert!(!exists(&db, "b").await);
    assert_eq!(applied(&db).await, "1");
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refit.run").await, 1);
    assert_eq!(crate::support::advisory_locks(&db).await, 0);
}

#[tokio::test]
async fn following_the_error_is_sufficient() {
    let db = TestDb::empty().await.unwrap();
    let (role, url) =
        role(&db, "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO ROLE").await;
    let error = migrator(&[ONE]).run(&url).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42501"), "{error}");
    // The owner creates the schema, and grants the role privileges on the schema of the tables.
    execute(
        &db,
        &format!("CREATE SCHEMA refit AUTHORIZATION {role}; GRANT CREATE ON SCHEMA public TO {role}"),
    )
    .await;
    migrator(&[ONE]).run(&url).await.unwrap();
    // An existing history requires no CREATE privilege on its schema.
    let more = ("V2__own.sql", "CREATE TABLE own.b (id int);");
    let own = format!("REVOKE CREATE ON SCHEMA public FROM {role}; CREATE SCHEMA own AUTHORIZATION {role}");
    execute(&db, &own).await;
    migrator(&[ONE, more]).run(&url).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn a_read_only_default_is_reported() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE]).run(db.url()).await.unwrap();
    execute(&db, &format!("ALTER DATABASE {} SET default_transaction_read_only = on", db.name())).await;
    assert_eq!(migrator(&[ONE]).run(db.url()).await.unwrap().run, None);
    let error = migrator(&[ONE, TWO, THREE]).run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    let text = error.message();
    assert!(text.contains("the session is read-only, and 2 migrations are pending: V2__b"), "{text}");
    assert_eq!(applied(&db).await, "1");
    let down = ("V1__a.down.sql", "SELECT 1;");
    let back = migrator(&[ONE, down]).rollback(db.url(), &refit::Rollback::default()).await.unwrap_err();
    let text = back.to_string();
    assert!(text.contains("the session is read-only, and 1 migration is to be undone: V1__"), "{text}");
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn a_hot_standby_boots_when_there_is_nothing_to_do() {
    let primary = server(ServerOptions::for_tests()).await;
    let url = primary.url("postgres");
    migrator(&[ONE, VIEW]).run(&url).await.unwrap();
    let (primary, standby) =
        tokio::task::spawn_blocking(move || primary.standby().map(|standby| (primary, standby)).unwrap())
            .await
            .unwrap();
    let (url, replica) = (primary.url("postgres"), standby.url("postgres"));
    execute_at(&url, "CREATE TABLE marker ()").await;
    let followed = "SELECT to_regclass('marker') IS NOT NULL AND pg_is_in_recovery()";
    until("the standby follows", async || value_at::<bool>(&replica, followed).await).await;
    let report = migrator(&[ONE, VIEW]).run(&replica).await.unwrap();
    assert_eq!((report.run, report.version), (None, Some(1)));
    let error = migrator(&[ONE, TWO, THREE, VIEW]).run(&replica).await.unwrap_err();
    let text = error.message();
    assert!(matches!(error, Error::ReadOnly { .. }), "{text}");
    assert!(text.contains("hot standby, and 2 migrations are pending: V2__b"), "{text}");
    assert!(text.contains("connect to the primary"), "{text}");
    assert!(!value_at::<bool>(&url, "SELECT to_regclass('b') IS NOT NULL").await);
}
