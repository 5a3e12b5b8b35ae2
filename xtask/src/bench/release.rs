//! A debug build measures itself by proxy: it builds a release of the same program and becomes it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;

/// Replaces this process by a release build with the same arguments, unless it is one. Returns only if there is nothing
/// to do, or with the error.
///
/// Client code of all three tools is an order of magnitude slower in a debug build, in which nobody runs a service.
pub(crate) fn become_release() -> anyhow::Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let error = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .args(["--bin", env!("CARGO_BIN_NAME"), "--"])
        .args(std::env::args_os().skip(1))
        .exec();
    Err(anyhow!(error).context("cannot run cargo for a release build; --as-built measures this debug build"))
}
