//! Another workspace has every command with an xtask of two lines.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::scratch::{target, workspace};

#[test]
fn a_two_line_xtask_has_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"xtask\"]\n[profile.dev]\ndebug = false\n",
    );
    write(".cargo/config.toml", "[alias]\nxtask = \"run --quiet --package scratch-xtask --\"\n");
    write(
        "xtask/Cargo.toml",
        &format!(
            "[package]\nname = \"scratch-xtask\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n\
             refit-xtask = {{ path = {:?} }}\n",
            workspace().join("crates/refit-xtask")
        ),
    );
    write("xtask/src/main.rs", "fn main() -> std::process::ExitCode {\n    refit_xtask::main()\n}\n");
    std::fs::copy(workspace().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();

    let help = xtask(folder.path(), &["--help"]);
    for command in
        ["new-migration", "plan", "migrate", "status", "repair", "adopt", "devdb", "ci", "completions"]
    {
        assert!(help.contains(command), "{command}: {help}");
    }
    let written = xtask(folder.path(), &["new-migration", "create_notes"]);
    assert!(written.contains("migrations/V0001__create_notes.sql"), "{written}");
    write("migrations/V0001__create_notes.sql", "CREATE TABLE notes (id bigint PRIMARY KEY);\n");
    for companion in ["down", "check"] {
        std::fs::remove_file(folder.path().join(format!("migrations/V0001__create_notes.{companion}.sql")))
            .unwrap();
    }
    let migrated = xtask(folder.path(), &["migrate", "--private"]);
    assert!(migrated.starts_with("applied 1 migration"), "{migrated}");
}

/// Runs `cargo xtask` as its alias does; returns standard output.
fn xtask(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["--offline", "xtask"])
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target());
    for name in ["RUSTFLAGS", "CARGO_MANIFEST_DIR", "DATABASE_URL", "REFIT_ENVIRONMENT"] {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
