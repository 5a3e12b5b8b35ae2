//! A crate outside the workspace, in a temporary folder, that cargo builds like any other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
pub(crate) use test_support::workspace;

/// A crate that embeds the folder `migrations` and prints the version, name and checksum of each.
pub(crate) struct Scratch {
    folder: TempDir,
    name: &'static str,
}

const MAIN: &str = r#"static MIGRATIONS: refit::Embedded = refit::embed!();

fn main() {
    for migration in MIGRATIONS.set().unwrap().migrations() {
        println!("{} {} {}", migration.version, migration.name, migration.checksum);
    }
}
"#;

impl Scratch {
    /// Names must differ between tests: they share a target folder, so that dependencies are built once.
    pub(crate) fn new(name: &'static str) -> Scratch {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch { folder, name };
        let refit = workspace().join("crates/refit");
        let refit_build = workspace().join("crates/refit-build");
        scratch.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
                 [dependencies]\nrefit = {{ path = {refit:?} }}\n\
                 [build-dependencies]\nrefit-build = {{ path = {refit_build:?} }}\n[profile.dev]\ndebug = false\n",
            ),
        );
        // The workspace's versions, so that nothing is downloaded.
        std::fs::copy(workspace().join("Cargo.lock"), scratch.path("Cargo.lock")).unwrap();
        scratch.write("src/main.rs", MAIN);
        scratch
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
    }

    /// Builds. If that fails, the error is cargo's output.
    pub(crate) fn build(&self) -> Result<(), String> {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--offline", "--quiet", "--color=never"])
            .current_dir(self.folder.path())
            .env("CARGO_TARGET_DIR", target())
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    /// The lines that the program prints.
    pub(crate) fn run(&self) -> Vec<String> {
        let output = Command::new(target().join("debug").join(self.name)).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Beside the workspace's own output, so that it is kept between runs and removed by `cargo clean`.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_boot")).parent().and_then(Path::parent).unwrap().join("scratch")
}
