//! `out_of_order = "commuting"`: late migrations are applied if they touch nothing that an applied newer one touches.

use refit_devdb::TestDb;

use crate::support::{Workspace, history, value};

const SETTINGS: (&str, &str) = ("refit.toml", "[policy]\nout_of_order = \"commuting\"\n");
const BASE: (&str, &str) = (
    "V0001__base.sql",
    "CREATE TABLE posts (id bigint PRIMARY KEY);\nCREATE TABLE app_tags (id bigint PRIMARY KEY, post bigint REFERENCES posts);\n",
);
const APPLIED: (&str, &str) = ("V0003__title.sql", "ALTER TABLE posts ADD COLUMN title text;\n");

#[tokio::test]
async fn what_commutes_is_applied() {
    let db = TestDb::empty().await.unwrap();
    let workspace =
        Workspace::new(&[SETTINGS, BASE, APPLIED, ("V0004__more.sql", "CREATE TABLE more ();\n")]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    let before = history(&db).await;
    workspace.write("V0002__notes.sql", "CREATE TABLE notes (tag bigint REFERENCES app_tags);\n");
    // Nothing is known of it yet.
    let unknown = workspace.run(&["migrate"]).expect(2);
    assert!(
        unknown.stderr.contains("V0002__notes.sql is late")
            && unknown.stderr.contains("cargo xtask snapshot"),
        "{}",
        unknown.stderr
    );
    workspace.run(&["snapshot"]).expect(0);
    let footprints = workspace.read("footprints.toml");
    assert!(
        footprints.contains("\"V0002__notes\" = { changes = [\"notes\"], names = [\"app_tags\"] }"),
        "{footprints}"
    );
    workspace.run(&["snapshot", "--check"]).expect(0);
    let plan = workspace.run(&["plan"]).expect(1);
    assert!(
        plan.stdout.contains("V0002__notes.sql is late; it commutes with what is applied"),
        "{}",
        plan.stdout
    );
    workspace.run(&["migrate"]).expect(0);
    let both: String =
        value(&db, "SELECT string_agg(version::text, ',' ORDER BY version) FROM refinery_schema_history")
            .await;
    assert_eq!(both, "1,2,3,4");
    assert_ne!(history(&db).await, before);
}

#[tokio::test]
async fn what_does_not_commute_is_refused() {
    for (text, says) in [
        ("ALTER TABLE posts ADD COLUMN body text;\n", "version 3 is already applied, and both touch posts"),
        (
            "CREATE TABLE notes (post bigint REFERENCES posts);\n",
            "version 3 is already applied, and both touch posts",
        ),
        (
            "DO $$ BEGIN EXECUTE coalesce(current_setting('a', true), 'SELECT 1'); END $$;\n",
            "may touch anything",
        ),
    ] {
        let db = TestDb::empty().await.unwrap();
        let workspace = Workspace::new(&[SETTINGS, BASE, APPLIED]).on(&db);
        workspace.run(&["migrate"]).expect(0);
        let before = history(&db).await;
        workspace.write("V0002__late.sql", text);
        workspace.run(&["snapshot"]).expect(0);
        let refused = workspace.run(&["migrate"]).expect(2);
        assert!(refused.stderr.contains(says), "{says}: {}", refused.stderr);
        assert_eq!(history(&db).await, before);
    }
}

#[tokio::test]
async fn records_of_other_migrations_do_not_count() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&[SETTINGS, BASE, APPLIED]).on(&db);
    workspace.run(&["migrate"]).expect(0);
    workspace.write("V0002__late.sql", "CREATE TABLE notes ();\n");
    workspace.run(&["snapshot"]).expect(0);
    workspace.write("V0002__late.sql", "ALTER TABLE posts ADD COLUMN body text;\n");
    let refused = workspace.run(&["migrate"]).expect(2);
    assert!(refused.stderr.contains("footprints.toml is not of these migrations"), "{}", refused.stderr);
    let checked = workspace.run(&["snapshot", "--check"]).expect(1);
    assert!(checked.stdout.contains("differs  footprints.toml"), "{}", checked.stdout);
    // Other policies need no records.
    workspace.write("refit.toml", "[policy]\nout_of_order = \"warn\"\n");
    workspace.run(&["migrate"]).expect(0);
}
