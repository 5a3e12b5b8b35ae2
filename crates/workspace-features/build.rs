//! Does nothing. Cargo ignores `[build-dependencies]` without a build script, and they unify the features of build scripts.

fn main() {}
