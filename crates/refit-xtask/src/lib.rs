//! All `cargo xtask` commands of Refit as a library: a workspace's `xtask/src/main.rs` needs only this:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     refit_xtask::main()
//! }
//! ```
//!
//! Each command is a file. Of the libraries, this is the only one that interacts with users: it prints, asks questions and
//! chooses exit statuses: 0 success; 1 findings, drift, pending work or a failed check; 2 usage error or the command could not run.
//! Elsewhere, only `refit-build` prints, for cargo, and only `from_env` of `refit-devdb`, `snapshot_test!` and build scripts
//! read the environment.

mod adopt;
mod approvals;
mod backfills;
mod backups;
mod branch;
mod cargo;
mod cli;
mod commands;
mod context;
mod database;
mod drafts;
mod footprints;
mod from_backup;
mod fs;
mod git;
mod graph;
mod hooks;
mod interrupt;
mod lint;
mod output;
mod progress;
mod promotions;
mod recipes;
mod render;
mod repairs;
mod scaffold;
mod schema;
mod selection;
mod squash;
mod styled;
mod terminal;

pub use cargo::set_by_cargo_run;
pub use cli::{Application, Cli, main, main_of};
pub use commands::Command;
pub use context::{Context, Global};
pub use interrupt::interrupted;
pub use output::{Format, Output};
pub use styled::Text;
