//! Objects that another role has created where Refit looks: its views, policies, casts and triggers never run with the privileges of
//! the migrating role.

use refit::{ConnectOptions, Error, Rollback};
use refit_devdb::{Server, ServerOptions};

use crate::support::{execute_at, migrator, server, value_at};

const FILES: [(&str, &str); 3] = [
    ("V1__t.sql", "CREATE TABLE t (id int);"),
    ("V1__t.down.sql", "DROP TABLE t;"),
    ("R__v.sql", "CREATE OR REPLACE VIEW v AS SELECT 1 AS one;"),
];

/// A role that may create objects, with a function that makes it a superuser if a superuser calls it.
const EVIL: &str = "CREATE ROLE evil LOGIN; GRANT CREATE ON SCHEMA public TO evil; GRANT CREATE ON DATABASE postgres TO evil";
const BOOM: &str = "CREATE FUNCTION public.boom() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN \
    EXECUTE 'ALTER ROLE evil SUPERUSER'; RETURN '1'; EXCEPTION WHEN OTHERS THEN RETURN '1'; END $$;";
const HISTORY: &str = "(version int8 PRIMARY KEY, name text, applied_on text, checksum text)";

async fn place() -> (Server, String, String) {
    let server = server(ServerOptions::for_tests()).await;
    let url = server.url("postgres");
    execute_at(&url, EVIL).await;
    let evil = url.replace("postgres@", "evil@");
    execute_at(&evil, BOOM).await;
    (server, url, evil)
}

/// Asserts that everything that reads or writes is refused, and that evil has gained no privileges.
async fn all_is_refused(url: &str) {
    let all = migrator(&FILES);
    let client = refit::connect(url, &ConnectOptions::default()).await.unwrap();
    let rollback = Rollback { to: 0, ..Default::default() };
    for error in [
        all.plan(&client).await.unwrap_err(),
        all.status(&client).await.unwrap_err(),
        all.apply(&client).await.unwrap_err(),
        all.plan_rollback(&client, &rollback).await.unwrap_err(),
        all.lock(&client).await.unwrap_err(),
        all.run(url).await.unwrap_err(),
        all.rollback(url, &rollback).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotOurs { .. }), "{error}");
        assert!(error.message().contains("belongs to the role evil"), "{error}");
    }
    assert!(!value_at::<bool>(url, "SELECT rolsuper FROM pg_roles WHERE rolname = 'evil'").await);
}

#[tokio::test]
async fn a_history_of_another_role_is_not_read() {
    for history in [
        "CREATE VIEW public.refinery_schema_history AS SELECT 1::int8 AS version, 'x'::text AS name, ''::text AS applied_on, \
         public.boom() AS checksum"
            .to_owned(),
        format!(
            "CREATE TABLE public.refinery_schema_history {HISTORY}; INSERT INTO public.refinery_schema_history VALUES (1, 't', '', '1'); \
             ALTER TABLE public.refinery_schema_history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; \
             CREATE POLICY p ON public.refinery_schema_history USING (public.boom() = '1')"
        ),
        "CREATE TYPE public.e AS (a text); CREATE FUNCTION public.boom(public.e) RETURNS text LANGUAGE sql AS 'SELECT public.boom()'; \
         CREATE CAST (public.e AS text) WITH FUNCTION public.boom(public.e); \
         CREATE TABLE public.refinery_schema_history (version int8, name text, applied_on text, checksum public.e); \
         INSERT INTO public.refinery_schema_history VALUES (1, 't', '', ROW('1'))"
            .to_owned(),
        format!(
            "CREATE TABLE public.refinery_schema_history {HISTORY}; \
             CREATE INDEX ON public.refinery_schema_history ((public.boom()))"
        ),
    ] {
        let (_server, url, evil) = place().await;
        execute_at(&evil, &history).await;
        all_is_refused(&url).await;
    }
}

#[tokio::test]
async fn a_state_of_another_role_is_neither_read_nor_written() {
    let (_server, url, evil) = place().await;
    execute_at(&url, &format!("CREATE TABLE public.refinery_schema_history {HISTORY}")).await;
    execute_at(
        &evil,
        "CREATE SCHEMA refit; GRANT USAGE ON SCHEMA refit TO PUBLIC; \
         CREATE VIEW refit.history AS SELECT 1::int8 AS id, 'public'::text AS schema_name, 1::oid AS relation, 1::oid AS registry, \
             public.boom()::timestamptz AS retired_at; GRANT SELECT ON refit.history TO PUBLIC",
    )
    .await;
    all_is_refused(&url).await;
    // A state that evil created by running migrations, and has given a trigger.
    let (_server, url, evil) = place().await;
    migrator(&FILES[..2]).run(&evil).await.unwrap();
    execute_at(
        &evil,
        "CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.boom(); RETURN NEW; END $$; \
         CREATE TRIGGER fire BEFORE INSERT ON refit.run FOR EACH ROW EXECUTE FUNCTION public.fire()",
    )
    .await;
    all_is_refused(&url).await;
    // The solution that the message names.
    execute_at(&evil, "DROP TRIGGER fire ON refit.run").await;
    execute_at(&url, "GRANT evil TO postgres").await;
    migrator(&FILES).run(&url).await.unwrap();
}
