//! Every `cargo xtask` command of Refit, as a library: another workspace's `xtask/src/main.rs` is two lines.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     refit_xtask::main()
//! }
//! ```
//!
//! One file a command. This is the only crate that prints, asks questions, reads the environment and chooses exit
//! statuses: 0 fine, 1 findings, drift, pending or a failed check, 2 wrong usage or could not run.

mod cargo;
mod cli;
mod commands;
mod context;
mod database;
mod interrupt;
mod output;
mod terminal;

pub use cargo::set_by_cargo_run;
pub use cli::{Application, Cli, main, main_of};
pub use commands::Command;
pub use context::{Context, Global};
pub use interrupt::interrupted;
pub use output::{Format, Output};
