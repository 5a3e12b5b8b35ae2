//! The migrations that the binary contains.

/// The migrations folder of this workspace at build time.
pub static MIGRATIONS: refit::Embedded = refit::embed!();
