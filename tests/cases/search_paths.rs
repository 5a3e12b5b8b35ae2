//! Names are resolved once, and a history that is not on the search path is not treated as empty.

use refit::{Backfills, Error, Refusal, Rollback};
use refit_devdb::{ServerOptions, TestDb};

use crate::support::{applied, execute, execute_at, exists, migrator, server, value, value_at};

const CART: (&str, &str) = (
    "V1__cart.sql",
    "CREATE TABLE cart (id int PRIMARY KEY, total int);\nINSERT INTO cart SELECT g FROM generate_series(1, 2000) g;",
);
const TOTAL: (&str, &str) = (
    "V2__total.sql",
    "-- refit: backfill = { table = \"cart\", key = [\"id\"], undo = [\"total\"] }\n\
     UPDATE cart SET total = price(id) WHERE id > $1 AND id <= $2 AND total IS NULL;",
);

#[tokio::test]
async fn a_job_uses_the_tables_that_its_migration_resolved() {
    let server = server(ServerOptions::for_tests()).await;
    let admin = server.url("postgres");
    let svc = admin.replace("postgres@", "svc@");
    execute_at(
        &admin,
        "CREATE ROLE svc LOGIN; CREATE SCHEMA shop AUTHORIZATION svc; GRANT CREATE ON DATABASE postgres TO svc; \
         ALTER ROLE svc SET search_path = shop, public; \
         CREATE FUNCTION shop.price(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'; \
         CREATE FUNCTION public.price(int) RETURNS int LANGUAGE sql AS 'SELECT -1'; \
         CREATE TABLE public.cart (id int PRIMARY KEY, total int); INSERT INTO public.cart SELECT generate_series(1, 50)",
    )
    .await;
    migrator(&[CART, TOTAL]).backfills(Backfills::Hold).run(&svc).await.unwrap();
    // An operator has another search path, and names the service's history. A superuser does not
    // read tables of an untrusted owner.
    let other = migrator(&[CART, TOTAL]).history_schema("shop").backfills(Backfills::Inline);
    let error = other.run(&admin).await.unwrap_err();
    assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    execute_at(&admin, "GRANT svc TO postgres").await;
    let operator = migrator(&[CART, TOTAL]).history_schema("shop").backfills(Backfills::Inline);
    operator.run(&admin).await.unwrap();
    let seen = "SELECT (SELECT sum(total) FROM shop.cart) || ' ' || (SELECT count(total) FROM public.cart)";
    assert_eq!(value_at::<String>(&admin, seen).await, "4002000 0");
    operator.rollback(&admin, &Rollback { to: 1, ..Default::default() }).await.unwrap();
    assert_eq!(value_at::<i64>(&admin, "SELECT count(total) FROM shop.cart").await, 0);
}

#[tokio::test]
async fn a_history_outside_the_search_path_is_refused_and_can_be_named() {
    let server = server(ServerOptions::for_tests()).await;
    let url = server.url("postgres");
    let files = [
        ("V1__a.sql", "CREATE TABLE a ();"),
        ("V2__path.sql", "CREATE SCHEMA app; ALTER DATABASE postgres SET search_path = app;"),
        ("V3__c.sql", "CREATE TABLE c ();"),
    ];
    migrator(&files[..2]).run(&url).await.unwrap();
    for files in [&files[..2], &files[..]] {
        let error = migrator(files).run(&url).await.unwrap_err();
        let Error::Refused(refusals) = &error else { panic!("{error}") };
        assert_eq!(refusals[0], Refusal::Elsewhere { schemas: vec!["public".to_owned()] });
    }
    assert!(!value_at::<bool>(&url, "SELECT to_regclass('app.a') IS NOT NULL").await);
    // The solution that the message names, also as a setting of the folder.
    migrator(&files).history_schema("public").run(&url).await.unwrap();
    let settings = [files[0], files[1], files[2], ("refit.toml", "history_schema = \"public\"\n")];
    assert_eq!(migrator(&settings).run(&url).await.unwrap().steps.len(), 0);
    let versions =
        "SELECT string_agg(version::text, ',' ORDER BY version) FROM public.refinery_schema_history";
    assert_eq!(value_at::<String>(&url, versions).await, "1,2,3");
    assert!(value_at::<bool>(&url, "SELECT to_regclass('app.c') IS NOT NULL").await);
}

#[tokio::test]
async fn schema_names_are_quoted() {
    let db = TestDb::empty().await.unwrap();
    for schema in ["Tenant-1", "user", "svc-app", "a b\"c"] {
        let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
        execute(&db, &format!("CREATE SCHEMA {quoted}")).await;
        // The server splits `options` at spaces that no backslash precedes.
        let path: String = quoted.replace(' ', "\\ ").bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = format!("{}?options=-c%20search_path%3D{path}%20-c%20quote_all_identifiers%3Don", db.url());
        let url = if db.url().contains('?') { url.replacen("?options", "&options", 1) } else { url };
        let more = (
            "V2__b.sql",
            "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY cart_total ON cart (total);",
        );
        let view = ("R__carts.sql", "CREATE OR REPLACE VIEW carts AS SELECT id FROM cart;");
        migrator(&[CART, view]).run(&url).await.unwrap();
        assert_eq!(migrator(&[CART, view]).run(&url).await.unwrap().steps.len(), 0, "{schema}");
        assert_eq!(migrator(&[CART, more, view]).run(&url).await.unwrap().steps.len(), 1, "{schema}");
        assert!(exists(&db, &format!("{quoted}.cart_total")).await);
    }
}

#[tokio::test]
async fn the_name_of_the_state_schema_is_quoted() {
    let db = TestDb::empty().await.unwrap();
    let fill = (
        "V2__n.sql",
        "-- refit: backfill = { table = \"t\", key = [\"id\"], undo = [\"n\"] }\n\
         UPDATE t SET n = 1 WHERE id > $1 AND id <= $2 AND n IS NULL;",
    );
    let table = (
        "V1__t.sql",
        "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT generate_series(1, 9);",
    );
    let view = ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT id FROM t;");
    for schema in ["o'x", "a \"b\"", "Refit."] {
        let all = migrator(&[table, fill, view]).state_schema(schema).backfills(Backfills::Inline);
        all.run(db.url()).await.unwrap();
        assert_eq!(all.run(db.url()).await.unwrap().steps.len(), 0, "{schema}");
        assert_eq!(value::<i64>(&db, "SELECT count(n) FROM t").await, 9, "{schema}");
        all.rollback(db.url(), &Rollback { to: 1, ..Default::default() }).await.unwrap();
        assert_eq!(value::<i64>(&db, "SELECT count(n) FROM t").await, 0, "{schema}");
        execute(&db, "DROP VIEW v; DROP TABLE t, refinery_schema_history").await;
    }
}

#[tokio::test]
async fn the_first_migration_can_create_the_schema_of_the_history() {
    let db = TestDb::empty().await.unwrap();
    let files =
        [("V1__app.sql", "CREATE SCHEMA app; CREATE TABLE app.a ();"), ("V2__b.sql", "CREATE TABLE b ();")];
    let sign = if db.url().contains('?') { '&' } else { '?' };
    let url = format!("{}{sign}options=-c%20search_path%3Dapp", db.url());
    let error = migrator(&files).run(&url).await.unwrap_err().message();
    assert!(error.contains("--history-schema"), "{error}");
    migrator(&files).history_schema("public").run(&url).await.unwrap();
    assert!(exists(&db, "app.b").await);
    assert_eq!(applied(&db).await, "1,2");
}

/// The state was dropped, or was not part of a dump: steps that wait for the backfill stay held until it is known to be complete.
#[tokio::test]
async fn a_gate_is_closed_if_its_backfill_is_not_recorded() {
    let db = TestDb::empty().await.unwrap();
    let counting = (
        "V2__count.sql",
        "-- refit: backfill = { table = \"cart\", key = [\"id\"] }\n\
         UPDATE cart SET total = coalesce(total, 0) + 1 WHERE id > $1 AND id <= $2;",
    );
    let after = ("V3__after.sql", "-- refit: after = [\"V2\"]\nALTER TABLE cart DROP COLUMN total;");
    let files = [CART, counting, after];
    migrator(&files).backfills(Backfills::Hold).run(db.url()).await.unwrap();
    execute(&db, "DROP SCHEMA refit CASCADE").await;
    let report = migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    let gate = report.held[0].gate.to_string();
    assert!(gate.contains("--backfill-complete V2") && gate.contains("--backfill-again V2"), "{gate}");
    assert_eq!(value::<i64>(&db, "SELECT count(total) FROM cart").await, 0);
    let change = refit::HistoryChange::BackfillAgain { version: 2 };
    let client = db.connect().await.unwrap();
    migrator(&files).change_history(&client, &[change]).await.unwrap();
    migrator(&[CART, counting]).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT sum(total) FROM cart").await, 2_000);
    migrator(&files).backfills(Backfills::Inline).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3");
}
