//! A test of the snapshots that a user's crate adds with one line.

use std::collections::BTreeMap;
use std::path::Path;

use refit_catalog::ReadOptions;
use refit_devdb::ServerOptions;
use refit_model::MigrationSet;

use super::files::kept;
use super::{Difference, SNAPSHOTS, Verdict, snapshots};
use crate::server::{RehearsalServer, server_options};

/// Defines a test that the snapshots in a migrations folder match its migrations.
///
/// ```no_run
/// //! tests/snapshots.rs
/// refit_rehearsal::snapshot_test!("../../migrations");
/// # fn main() {}
/// ```
///
/// Without an argument it uses the folder that `build.rs` passes to `refit_build::embed`. A relative folder is relative to the
/// crate's manifest. The migrations run on a private PostgreSQL, for the environment of the existing snapshots.
///
/// When the test fails, it writes the differing snapshots as `.new` files for `cargo insta review`, unless `CI` is set or
/// `INSTA_UPDATE` is `no`; `cargo xtask snapshot` accepts all of them. cargo-insta searches the folders of packages and of
/// their test files: if the migrations folder is outside every package, put the test beside the snapshots:
///
/// ```toml
/// [[test]]
/// name = "snapshots"
/// path = "../../migrations/snapshots/test.rs"
/// ```
#[macro_export]
macro_rules! snapshot_test {
    () => {
        $crate::snapshot_test!(::core::env!(
            "REFIT_MIGRATIONS",
            "name the folder, as in snapshot_test!(\"../../migrations\"), or have build.rs call refit_build::embed"
        ));
    };
    ($folder:expr) => {
        #[test]
        fn snapshots_are_what_the_migrations_make() {
            let folder = ::std::path::Path::new(::core::env!("CARGO_MANIFEST_DIR")).join($folder);
            let is_set = |name: &str| ::std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let refused = ::std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "no");
            let pending = !refused && !is_set("CI");
            if let ::core::result::Result::Err(complaint) = $crate::check_snapshots(&folder, pending) {
                ::core::panic!("{complaint}");
            }
        }
    };
}

/// Runs the folder's migrations and compares the snapshots; [`snapshot_test!`](crate::snapshot_test) calls it. `pending`:
/// whether to write differing snapshots as `.new` files for review.
///
/// # Errors
/// The differences, or why the comparison failed, and what to do.
pub fn check_snapshots(folder: &Path, pending: bool) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the async runtime: {error}"))?;
    runtime.block_on(check(folder, pending))
}

async fn check(folder: &Path, pending: bool) -> Result<(), String> {
    let set = MigrationSet::from_dir(folder).map_err(|error| error.to_string())?;
    let kept = kept(&folder.join(SNAPSHOTS));
    let environment = kept.map_or_else(|| "production".to_owned(), |snapshot| snapshot.origin.environment);
    let set = set.with_variables(&environment, &BTreeMap::new()).map_err(|error| error.to_string())?;
    let text = |error: crate::Error| error.message();
    let server = RehearsalServer::start(server_options(ServerOptions::from_env())).await.map_err(text)?;
    let made = snapshots(&server, &set, &environment, &ReadOptions::default()).await.map_err(text)?;
    let differences = made.compare(folder).map_err(text)?;
    if differences.is_empty() {
        return Ok(());
    }
    let mut complaint = render(&differences);
    if pending && !made.write_pending(folder, &differences).map_err(text)?.is_empty() {
        complaint.push_str("review each with `cargo insta review`, or ");
    }
    complaint.push_str("accept all with `cargo xtask snapshot`");
    Err(complaint)
}

fn render(differences: &[Difference]) -> String {
    let mut text = String::from("the snapshots do not match the migrations (- snapshot, + migrations)\n");
    for Difference { file, verdict, diff, .. } in differences {
        let words = match verdict {
            Verdict::Missing => "is missing",
            Verdict::Changed => "differs",
            Verdict::Stale => "belongs to a migration that no longer exists",
        };
        text.push_str(&format!("{file} {words}\n{diff}"));
    }
    text
}
