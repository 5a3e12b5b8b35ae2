//! The linters that are measured: this program's `lint-migrations`, and the peers that are installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use wait4::Wait4;

/// A linter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Refit,
    Squawk,
    Eugene,
    Pgsafe,
    DieselGuard,
}

/// The cost and the result of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// User and system time of the whole process.
    pub(super) cpu: Duration,
    /// The maximum resident memory.
    pub(super) peak_bytes: u64,
    /// Whether it reported a finding.
    pub(super) complained: bool,
}

impl Tool {
    /// Refit, and the others that are on the PATH.
    pub(super) fn installed() -> Vec<Tool> {
        let peers = [Tool::Squawk, Tool::Eugene, Tool::Pgsafe, Tool::DieselGuard];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there =
            |tool: &Tool| std::env::split_paths(&path).any(|folder| folder.join(tool.name()).is_file());
        [Tool::Refit].into_iter().chain(peers.into_iter().filter(is_there)).collect()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Tool::Refit => "refit",
            Tool::Squawk => "squawk",
            Tool::Eugene => "eugene",
            Tool::Pgsafe => "pgsafe",
            Tool::DieselGuard => "diesel-guard",
        }
    }

    /// Lints files in a process of its own.
    pub(super) fn lint(self, folder: &Path, files: &[PathBuf]) -> anyhow::Result<Cost> {
        let mut command = match self {
            Tool::Refit => Command::new(std::env::current_exe()?),
            _ => Command::new(self.name()),
        };
        match self {
            Tool::Refit => command.args([crate::REFIT, "lint-migrations"]),
            Tool::Eugene => command.arg("lint"),
            Tool::DieselGuard => command.arg("check"),
            Tool::Squawk | Tool::Pgsafe => &mut command,
        };
        command.args(files).current_dir(folder).env_remove("CARGO_MANIFEST_DIR");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot run {}", self.name()))?;
        let used = child.wait4().with_context(|| format!("waiting for {}", self.name()))?;
        let complained = match used.status.code() {
            Some(0) => false,
            Some(1) => true,
            // A file that it cannot parse, or another failure: it has not linted the file.
            _ if self != Tool::Refit => true,
            code => bail!("lint-migrations ended with {code:?}"),
        };
        let cpu = used.rusage.utime + used.rusage.stime;
        Ok(Cost { cpu, peak_bytes: used.rusage.maxrss, complained })
    }
}
