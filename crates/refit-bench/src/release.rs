//! Options of all benchmarks. A debug build replaces itself with a release build of the same program.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;

/// Which build is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Build {
    /// Measure the running build, even if it is a debug build.
    #[arg(long)]
    as_built: bool,
}

/// The number of repetitions.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Pace {
    /// Run fewer repetitions; figures vary more.
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Pace {
    /// `full`, or `quick` with `--quick`.
    pub(crate) fn turns(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

impl Build {
    /// Replaces this process with a release build with the same arguments, unless it is one or `--as-built` is given. Returns only
    /// in these cases, or with an error.
    ///
    /// Client code of all three tools is an order of magnitude slower in a debug build, which no service runs in production.
    pub(crate) fn become_release(self) -> anyhow::Result<()> {
        if self.as_built || !cfg!(debug_assertions) {
            return Ok(());
        }
        become_release()
    }
}

fn become_release() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for name in refit_xtask::set_by_cargo_run() {
        command.env_remove(name);
    }
    let error = command
        .args(["run", "--quiet", "--release", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .args(["--bin", env!("CARGO_BIN_NAME"), "--"])
        .args(std::env::args_os().skip(1))
        .exec();
    Err(anyhow!(error).context("cannot run cargo for a release build; --as-built measures this debug build"))
}
