//! The snapshots of a folder, as a user's test checks them.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

use std::path::Path;

use refit_catalog::ReadOptions;
use refit_devdb::ServerOptions;
use refit_model::MigrationSet;
use refit_rehearsal::{RehearsalServer, check_snapshots, server_options, snapshots};

refit_rehearsal::snapshot_test!("../../migrations");

async fn keep(folder: &Path, environment: &str) {
    let set = MigrationSet::from_dir(folder).unwrap();
    let server = RehearsalServer::start(server_options(ServerOptions::for_tests())).await.unwrap();
    let made = snapshots(&server, &set, environment, &ReadOptions::default()).await.unwrap();
    made.write(folder, &made.compare(folder).unwrap()).unwrap();
}

#[test]
fn the_test_fails_when_the_snapshots_do_not_match_the_migrations() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("V1__t.sql"), "CREATE TABLE t (id int);").unwrap();
    let missing = check_snapshots(folder, false).unwrap_err();
    assert!(
        missing.contains("schema.snap is missing") && missing.contains("`cargo xtask snapshot`"),
        "{missing}"
    );
    assert!(!folder.join("snapshots").exists());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // The test uses the environment of the snapshots.
    let only = "-- refit: environments = [\"test\"]\nCREATE TABLE only_test (id int);";
    std::fs::write(folder.join("V2__only.sql"), only).unwrap();
    runtime.block_on(keep(folder, "test"));
    check_snapshots(folder, true).unwrap();
    std::fs::write(folder.join("V3__b.sql"), "ALTER TABLE t ADD b int;").unwrap();
    let differs = check_snapshots(folder, true).unwrap_err();
    assert!(differs.contains("+    b   integer") && differs.contains("cargo insta review"), "{differs}");
    let pending = std::fs::read_to_string(folder.join("snapshots/V3.delta.snap.new")).unwrap();
    assert!(pending.ends_with("---\n+ column public.t.b: integer\n"), "{pending}");
    std::fs::write(folder.join("V3__b.sql"), "ALTER TABLE nowhere ADD b int;").unwrap();
    assert!(
        check_snapshots(folder, false).unwrap_err().contains("V3__b.sql:1:"),
        "fails with the migration's place"
    );
    assert!(check_snapshots(&folder.join("nowhere"), false).unwrap_err().contains("cannot be read"));
}
