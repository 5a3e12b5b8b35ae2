//! SQL → findings: what a migration locks, rewrites, scans, breaks or loses, and the safe way.
//!
//! It has no connection, clock, environment or output of its own: the input is a set or plain texts, the output is
//! findings. The files are replayed in order into a schema ([`schema`]), which shows what is "created in this
//! migration", "widened" or "proven not null". Locks are tracked through a transaction, and every change of rows is
//! classified ([`dml`]). A rule is one file of `rules/`, and that file's heading is its page. `fixes/`, one file each,
//! fix hazards with a mechanical safe form, and the linter checks the result.

mod advice;
mod batches;
mod check;
mod contract;
pub mod dml;
mod doc_sections;
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
pub mod safe;
pub mod schema;
mod search_path;
pub mod sequence;
pub mod sql;
mod stack;
mod suppressions;
mod unfilled;
mod versions;
mod window;
mod words;

pub use batches::Batches;
pub use check::{File, Settings};
pub use doc_sections::DOC_SECTIONS;
pub use finding::{Finding, Severity};
pub use fix::{Change, Fix, Fixed, fix, is_fixable};
pub use lint::{Config, Input, Level, Outcome, Summary, lint};
pub use lock::LockMode;
pub use predict::{Prediction, predict};
pub use rule::{Example, Rule, example_values, split_files};
pub use rules::RULES;
pub use suppressions::suggestion;
