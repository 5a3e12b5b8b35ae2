//! SQL → findings: what a migration locks, rewrites, scans, breaks or loses, and the safe way.
//!
//! Pure: no connection, no clock, no environment, no printing. The input is a set or plain texts, the output is findings.
//! The files are replayed in order into a schema ([`schema`]), so that "created in this migration", "widened" and "proven
//! not null" are known; locks are followed through a transaction; every change of rows is classified ([`dml`]). A rule is one
//! file of `rules/`, and its page is that file's own heading. Hazards with a mechanical safe form are fixed by `fixes/`, one file
//! each, and the linter judges what comes of it.

mod advice;
mod batches;
mod check;
mod contract;
pub mod dml;
pub mod effects;
mod engine;
mod finding;
mod fix;
mod fixes;
mod held;
mod levels;
mod lint;
mod lock;
mod parser;
mod plan;
mod predict;
mod rule;
mod rules;
pub mod schema;
mod search_path;
pub mod sql;
mod stack;
mod suppressions;
mod unfilled;
mod versions;
mod window;

pub use check::{File, Settings};
pub use finding::{Finding, Severity};
pub use fix::{Change, Fix, Fixed, fix, is_fixable};
pub use lint::{Config, Input, Level, Outcome, Summary, lint};
pub use lock::LockMode;
pub use predict::{Prediction, predict};
pub use rule::{Example, Rule};
pub use rules::RULES;
pub use suppressions::suggestion;
