//! What all benchmarks take. A debug build measures itself by proxy: it builds a release of the same program and becomes it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;

/// Which build is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Build {
    /// Measure the build at hand, even if it is a debug build.
    #[arg(long)]
    as_built: bool,
}

/// How thoroughly it is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Pace {
    /// Fewer repetitions, and figures that vary more.
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
    /// Replaces this process by a release build with the same arguments, unless it is one or the build at hand is wanted. Returns
    /// only if there is nothing to do, or with the error.
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
