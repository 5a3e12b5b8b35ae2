//! Cargo started from a program that cargo started.

use std::ffi::OsString;

/// The variables that `cargo run` sets for its program. Remove them before that program starts cargo: build scripts that watch them,
/// as that of ring does, would run again, and everything that depends on them would be compiled again.
pub fn set_by_cargo_run() -> impl Iterator<Item = OsString> {
    let is_set = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    std::env::vars_os().map(|(name, _)| name).filter(move |name| is_set(name))
}
