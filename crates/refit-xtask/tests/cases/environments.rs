//! Environments on the command line: gates, overrides, and the record of what an environment has applied.

use refit_devdb::TestDb;
use serde_json::Value;

use crate::support::{Workspace, value};

const FILES: [(&str, &str); 4] = [
    ("V0001__sites.sql", "CREATE TABLE sites (id bigint PRIMARY KEY);\n"),
    ("V0001__sites.down.sql", "DROP TABLE sites;\n"),
    ("V0002__pages.sql", "CREATE TABLE pages (id bigint PRIMARY KEY);\n"),
    ("R__names.sql", "CREATE OR REPLACE VIEW names AS SELECT id FROM sites;\n"),
];
const REQUIRES: &str = "[environment.production]\nrequires = \"staging\"\nboot = \"check\"\n";

#[tokio::test]
async fn a_migration_reaches_production_after_staging() {
    let (staging, production) = (TestDb::empty().await.unwrap(), TestDb::empty().await.unwrap());
    let workspace = Workspace::new(&FILES).on(&production);
    workspace.write("refit.toml", REQUIRES);
    let refused = workspace.run(&["migrate"]).expect(2).stderr;
    assert!(refused.contains("not applied in staging: V0001__sites, V0002__pages, R__names;"), "{refused}");
    let plan: Value =
        serde_json::from_str(&workspace.run(&["plan", "--format", "json"]).expect(1).stdout).unwrap();
    assert_eq!(plan["gates"][0]["kind"], "requires");
    assert_eq!(plan["gates"][0]["missing"][0]["stem"], "V0001__sites");
    let status = workspace.run(&["status"]).expect(1).stdout;
    assert!(status.contains("gated    not applied in staging"), "{status}");

    // Other environments write no record.
    let other = TestDb::empty().await.unwrap();
    workspace.run(&["migrate", "--environment", "test", "--database-url", other.url()]).expect(0);
    assert!(!workspace.files().contains(&"promotions.toml".to_owned()));

    let on_staging = ["migrate", "--environment", "staging", "--database-url", staging.url()];
    let said = workspace.run(&[&on_staging[..], &["--to", "V0001"]].concat()).expect(0).stderr;
    assert!(said.contains("recorded 1 migration in") && said.contains("commit it"), "{said}");
    let refused = workspace.run(&["migrate"]).expect(2).stderr;
    assert!(refused.contains("not applied in staging: V0002__pages, R__names;"), "{refused}");
    workspace.run(&on_staging).expect(0);
    let first = workspace.read("promotions.toml");
    assert_eq!(first.matches("digest = ").count(), 3, "{first}");
    workspace.run(&on_staging).expect(0);
    assert_eq!(workspace.read("promotions.toml"), first, "nothing new was applied");
    // `boot` is for services.
    workspace.run(&["migrate"]).expect(0);
    assert_eq!(value::<i64>(&production, "SELECT count(*) FROM refinery_schema_history").await, 2);
}

#[tokio::test]
async fn what_a_service_applied_is_recorded_unless_it_was_edited() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.run(&["migrate", "--environment", "staging"]).expect(0);
    workspace.write("refit.toml", REQUIRES);
    workspace.run(&["migrate", "--environment", "staging"]).expect(0);
    let recorded = workspace.read("promotions.toml");
    assert_eq!(recorded.matches("digest = ").count(), 3, "{recorded}");
    workspace.write("V0001__sites.down.sql", "DROP TABLE IF EXISTS sites;\n");
    let said = workspace.run(&["migrate", "--environment", "staging"]).expect(0).stderr;
    assert!(said.contains("companion files were edited after it was applied: V0001__sites"), "{said}");
    assert_eq!(workspace.read("promotions.toml"), recorded);
    workspace.write("promotions.toml", "[staging]\n<<<<<<< ours\n");
    let damaged = workspace.run(&["migrate", "--environment", "staging"]).expect(2).stderr;
    assert!(damaged.contains("promotions.toml:2:") && damaged.contains("resolve a conflict"), "{damaged}");
}

#[tokio::test]
async fn overrides_are_asked_for_and_shown() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    let today: String = value(&db, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')").await;
    let tomorrow: String =
        value(&db, "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 day', 'YYYY-MM-DD')").await;
    workspace.write("refit.toml", &format!("[environment.production]\nfreeze = [\"{today}/{tomorrow}\"]\n"));
    let refused = workspace.run(&["migrate"]).expect(2).stderr;
    assert!(
        refused.contains("refused by the environment production") && refused.contains("it may run from"),
        "{refused}"
    );
    let empty = workspace.run(&["migrate", "--override", " "]).expect(2).stderr;
    assert!(empty.contains("say why"), "{empty}");
    let done = workspace.run(&["migrate", "--override", "incident 4711"]).expect(0).stdout;
    assert!(done.contains("gates passed: freeze; reason: incident 4711"), "{done}");
    let status = workspace.run(&["status"]).expect(0).stdout;
    assert!(status.contains("last run had an override") && status.contains("incident 4711"), "{status}");

    workspace.write("V0002__pages.down.sql", "DROP TABLE pages;\n");
    let refused = workspace.run(&["rollback", "--to", "V0001", "--yes"]).expect(2).stderr;
    assert!(refused.contains("frozen ("), "{refused}");
    let plan =
        workspace.run(&["rollback", "--to", "V0001", "--dry-run", "--format", "json"]).expect(0).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["plan"]["gates"][0]["kind"], "freeze", "{plan}");
    let arguments =
        ["rollback", "--to", "V0001", "--yes", "--override", "broken release", "--format", "json"];
    let report: Value = serde_json::from_str(&workspace.run(&arguments).expect(0).stdout).unwrap();
    assert_eq!(report["overridden"]["reason"], "broken release");

    // A private database needs no protection.
    workspace.run(&["migrate", "--private"]).expect(0);
}

#[tokio::test]
async fn a_run_whose_window_closes_exits_with_1() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[
        ("V0001__a.sql", "CREATE TABLE a ();\nSELECT pg_sleep(5);\n"),
        ("V0002__b.sql", "CREATE TABLE b ();\n"),
    ])
    .on(&db);
    let at = async |seconds: i32| {
        let time = "to_char((clock_timestamp() AT TIME ZONE 'UTC') + make_interval(secs => ";
        value::<String>(&db, &format!("SELECT {time}{seconds}), 'HH24:MI:SS')")).await
    };
    let window = format!("{}-{}", at(-60).await, at(4).await);
    workspace.write("refit.toml", &format!("[environment.production]\nwindows = [\"{window}\"]\n"));
    let stopped = workspace.run(&["migrate"]).expect(1).stderr;
    assert!(
        stopped.contains("stopped before V0002__b") && stopped.contains("1 step of this run is complete"),
        "{stopped}"
    );
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM refinery_schema_history").await, 1);
}

#[tokio::test]
async fn a_verbose_profile_prints_log_messages() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    workspace.write("refit.toml", "[environment.test]\nverbose = true\n");
    let quiet = workspace.run(&["migrate", "--to", "V0001"]).expect(0).stderr;
    assert!(!quiet.contains("applying migrations"), "{quiet}");
    let verbose = workspace.run(&["migrate", "--environment", "test"]).expect(0).stderr;
    assert!(verbose.contains("applying migrations"), "{verbose}");
}

#[test]
fn mistakes_in_profiles_are_errors() {
    let workspace = Workspace::new(&FILES);
    for (text, message) in [
        ("windows = [\"01:00-05:00 Europe/Bern\"]", "refit.toml:2:25: `Europe/Bern` is not a time zone"),
        ("windows = [\"01:00\"]", "is not a window"),
        ("frieze = []", "did you mean `freeze`?"),
    ] {
        workspace.write("refit.toml", &format!("[environment.staging]\n{text}\n"));
        let refused =
            workspace.run(&["plan", "--database-url", "postgres://localhost/none"]).expect(2).stderr;
        assert!(refused.contains(message), "{refused}");
    }
}
