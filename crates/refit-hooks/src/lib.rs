//! The hooks of `refit.toml`: programs and web addresses that are notified when a run starts, succeeds, fails, is late, or holds
//! migrations back.
//!
//! `cargo xtask migrate` and `rollback` run them. A service does if it asks for it:
//!
//! ```no_run
//! # async fn example(set: refit::model::MigrationSet, url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let hooks = refit_hooks::ConfiguredHooks::from_env(&set)?;
//! let mut migrator = refit::Migrator::new(set);
//! if let Some(hooks) = hooks {
//!     migrator = migrator.hook(hooks);
//! }
//! migrator.run(url).await?;
//! # Ok(()) }
//! ```
//!
//! This crate reads environment variables only in [`ConfiguredHooks::from_env`], and prints nothing. It never shows a secret, nor
//! the path of an address, which may contain one.

mod call;
mod command;
mod hooks;
mod message;
mod post;

pub use hooks::{ConfiguredHooks, HookConfigError};
