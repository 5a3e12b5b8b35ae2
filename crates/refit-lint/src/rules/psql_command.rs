//! # A line that only psql understands
//!
//! Lines that begin with a backslash, and rows behind `COPY … FROM stdin`, are read by psql and never reach a server. Refit
//! sends the file to the server as it stands, which answers 42601. They come from `pg_dump`, or from a script that was run by
//! hand before. The lines are left out, and the rest is linted.
//!
//! Newer releases of `pg_dump` begin their output with `\restrict` and end it with `\unrestrict`: remove both lines.
//!
//! Write rows as INSERT, or load them with `cargo xtask import` or a seed; a variable becomes a value, `\i` the text of the
//! other file.
//!
//! ```sql,unsafe
//! \echo adding a subtitle
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! ```
//!
//! ```toml,claim
//! error = "42601"
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! ```

use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "psql-command",
    source: include_str!("psql_command.rs"),
    severity: Some(Severity::Error),
    check: Check::Engine,
};
