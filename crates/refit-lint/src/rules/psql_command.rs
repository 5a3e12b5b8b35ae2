//! # A psql command
//!
//! psql itself processes lines that begin with a backslash and rows after `COPY … FROM stdin`; they are not SQL. Refit
//! sends the file to the server unchanged, and the server reports 42601. Such lines come from `pg_dump`, or from a
//! script that was run with psql before. The linter skips them and checks the rest.
//!
//! Recent releases of `pg_dump` begin their output with `\restrict` and end it with `\unrestrict`: remove both lines.
//!
//! Write rows as INSERT, or load them with `cargo xtask import` or a seed. Replace a variable by its value, and `\i` by
//! the content of the other file.
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
