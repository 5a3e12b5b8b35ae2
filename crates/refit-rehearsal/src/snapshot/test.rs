//! A test that a user's crate has with one line.

use std::path::Path;

use refit_catalog::ReadOptions;
use refit_devdb::ServerOptions;
use refit_model::MigrationSet;

use super::files::kept;
use super::{Difference, SNAPSHOTS, Verdict, snapshots};
use crate::server::{Place, server_options};

/// A test that the snapshots in a migrations folder are what its migrations make.
///
/// ```no_run
/// //! tests/snapshots.rs
/// refit_rehearsal::snapshot_test!("../../migrations");
/// # fn main() {}
/// ```
///
/// Without a folder it takes the one that `build.rs` named with `refit_build::embed`. A relative one is looked for from the crate's
/// manifest. The migrations run on a private PostgreSQL, for the environment that the snapshots were made for.
///
/// When it fails, what differs is left beside the snapshots for `cargo insta review`, unless `CI` is set or `INSTA_UPDATE` is
/// `no`; `cargo xtask snapshot` accepts all of it. cargo-insta looks in the folders of packages and of their test files: where
/// the migrations folder lies outside of every package, put the test beside the snapshots:
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

/// What [`snapshot_test!`](crate::snapshot_test) calls: runs the folder's migrations and compares. `pending` says whether what
/// differs is left beside the files, for a review.
///
/// # Errors
/// What differs, or what kept it from being compared, and what to do about it.
pub fn check_snapshots(folder: &Path, pending: bool) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime cannot be started: {error}"))?;
    runtime.block_on(check(folder, pending))
}

async fn check(folder: &Path, pending: bool) -> Result<(), String> {
    let set = MigrationSet::from_dir(folder).map_err(|error| error.to_string())?;
    let kept = kept(&folder.join(SNAPSHOTS));
    let environment = kept.map_or_else(|| "production".to_owned(), |snapshot| snapshot.origin.environment);
    let text = |error: crate::Error| error.to_string();
    let place = Place::start(server_options(ServerOptions::from_env())).await.map_err(text)?;
    let made = snapshots(&place, &set, &environment, &ReadOptions::default()).await.map_err(text)?;
    let differences = made.compare(folder).map_err(text)?;
    if differences.is_empty() {
        return Ok(());
    }
    let mut complaint = told(&differences);
    if pending && !made.write_pending(folder, &differences).map_err(text)?.is_empty() {
        complaint.push_str("look at each with `cargo insta review`, or ");
    }
    complaint.push_str("accept all of it with `cargo xtask snapshot`");
    Err(complaint)
}

fn told(differences: &[Difference]) -> String {
    let mut text = String::from("the snapshots are not what the migrations make (- kept, + made)\n");
    for Difference { file, verdict, diff } in differences {
        let words = match verdict {
            Verdict::Missing => "is missing",
            Verdict::Changed => "differs",
            Verdict::Stale => "is of a migration that is no more",
        };
        text.push_str(&format!("{file} {words}\n{diff}"));
    }
    text
}
