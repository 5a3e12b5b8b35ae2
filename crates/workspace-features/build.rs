//! Nothing to do: with a build script, `[build-dependencies]` counts, and so build scripts share dependencies too.

fn main() {}
