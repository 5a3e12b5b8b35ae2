//! Every hint about privileges is tried: following it leads to success.

use refit::{Backfills, Error, Migrator};
use refit_devdb::{Server, ServerOptions};

use crate::support::{execute_at, migrator, server, value_at};

const SONG: (&str, &str) = ("V1__song.sql", "CREATE TABLE mine.song (id int PRIMARY KEY, n int);");
const FILL: (&str, &str) = (
    "V2__fill.sql",
    "-- refit: backfill = { table = \"mine.song\", key = [\"id\"] }\nUPDATE mine.song SET n = id WHERE id > $1 AND id <= $2 AND n IS NULL;",
);
const VIEW: (&str, &str) = ("R__songs.sql", "CREATE OR REPLACE VIEW mine.songs AS SELECT id FROM mine.song;");
const FILES: [(&str, &str); 3] = [SONG, FILL, VIEW];

/// A role that may connect and owns the schema `mine`; returns the administrator's URL and that of the role.
async fn role() -> (Server, String, String) {
    let server = server(ServerOptions::for_tests()).await;
    let admin = server.url("postgres");
    execute_at(
        &admin,
        "CREATE ROLE \"svc-app\" LOGIN; CREATE SCHEMA mine AUTHORIZATION \"svc-app\"; \
         REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    .await;
    let own = admin.replace("postgres@", "svc-app@");
    (server, admin, own)
}

fn all() -> Migrator {
    migrator(&FILES).backfills(Backfills::Inline)
}

/// Runs until it succeeds, following the hint of each error; returns the number of errors.
async fn follow(admin: &str, own: &str) -> usize {
    for followed in 0..6 {
        match all().run(own).await {
            Ok(_) => return followed,
            Err(Error::Rights { grants, .. }) => execute_at(admin, &grants.join(";")).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the run still fails after six hints");
}

#[tokio::test]
async fn a_role_without_privileges_succeeds_by_following_the_hints() {
    let (_server, admin, own) = role().await;
    assert!(follow(&admin, &own).await > 0);
    assert_eq!(value_at::<i64>(&admin, "SELECT count(*) FROM refinery_schema_history").await, 2);
}

/// An existing index of that name is compared with one on a temporary table.
#[tokio::test]
async fn the_temporary_privilege_is_named() {
    let (_server, admin, own) = role().await;
    follow(&admin, &own).await;
    execute_at(
        &admin,
        "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC; CREATE INDEX song_n ON mine.song (n)",
    )
    .await;
    let index = (
        "V3__index.sql",
        "-- refit: transaction = false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS song_n ON mine.song (n);",
    );
    let all = migrator(&[SONG, FILL, index, VIEW]);
    let Err(Error::Rights { grants, .. }) = all.run(&own).await else { panic!("no privilege is missing") };
    assert_eq!(grants, ["GRANT TEMPORARY ON DATABASE postgres TO \"svc-app\""]);
    execute_at(&admin, &grants.join(";")).await;
    all.run(&own).await.unwrap();
}

#[tokio::test]
async fn a_history_and_a_state_of_another_role_can_be_granted() {
    let (_server, admin, own) = role().await;
    all().to(1).run(&admin).await.unwrap();
    execute_at(&admin, "ALTER TABLE mine.song OWNER TO \"svc-app\"").await;
    assert!(follow(&admin, &own).await > 0);
    assert_eq!(value_at::<i64>(&admin, "SELECT count(*) FROM refinery_schema_history").await, 2);
}

#[tokio::test]
async fn reading_the_history_is_enough_to_plan() {
    let (_server, admin, own) = role().await;
    all().run(&admin).await.unwrap();
    execute_at(&admin, "GRANT SELECT ON refinery_schema_history TO \"svc-app\"").await;
    let client = refit::connect(&own, &refit::ConnectOptions::default()).await.unwrap();
    let plan = all().plan(&client).await.unwrap();
    assert!(plan.current == Some(2) && plan.warnings[0].contains("GRANT USAGE ON SCHEMA refit"), "{plan}");
    all().status(&client).await.unwrap();
    let error = all().run_report(&client, None).await.unwrap_err();
    assert!(error.message().contains("GRANT USAGE ON SCHEMA \"refit\""), "{}", error.message());
    // A set with versioned migrations only needs no more than that.
    assert_eq!(migrator(&[SONG, FILL]).run(&own).await.unwrap().run, None);
    execute_at(
        &admin,
        "GRANT USAGE ON SCHEMA refit TO \"svc-app\"; GRANT SELECT ON ALL TABLES IN SCHEMA refit TO \"svc-app\"",
    )
    .await;
    assert!(all().plan(&client).await.unwrap().is_up_to_date());
    assert_eq!(all().run_report(&client, None).await.unwrap().unwrap().steps.len(), 3);
}

/// A role that may create in `public` could create a history table there, with a trigger.
#[tokio::test]
async fn a_history_created_by_another_role_is_not_written() {
    let (_server, admin, own) = role().await;
    execute_at(&admin, "GRANT CREATE ON SCHEMA public TO \"svc-app\"").await;
    execute_at(
        &own,
        "CREATE TABLE public.refinery_schema_history (version int8 PRIMARY KEY, name text, applied_on text, checksum text); \
         GRANT ALL ON public.refinery_schema_history TO PUBLIC; \
         CREATE FUNCTION public.up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ALTER ROLE \"svc-app\" SUPERUSER; RETURN NEW; END'; \
         CREATE TRIGGER up BEFORE INSERT ON public.refinery_schema_history FOR EACH ROW EXECUTE FUNCTION public.up()",
    )
    .await;
    let error = migrator(&[SONG]).run(&admin).await.unwrap_err();
    assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    assert!(!value_at::<bool>(&admin, "SELECT rolsuper FROM pg_roles WHERE rolname = 'svc-app'").await);
}
