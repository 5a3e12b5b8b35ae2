//! # An invalid directive
//!
//! A `-- refit:` line with an unknown key, a value of the wrong type, or a position after the first statement has no
//! effect, although its author relies on it: `transacton = false` leaves the migration in its transaction. Refit
//! refuses to run or embed a folder with such a line; the linter reports where it is and suggests the correct form.
//!
//! Directives are TOML, one on a line, in the comment block above the first statement: `transaction`, `after`, `depends`,
//! `phase`, `manual`, `package`, `environments`, `category`, `release`, `lock_timeout`, `backfill`.
//!
//! ```sql,unsafe
//! -- refit: lock_timout = "5s"
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! ```
//!
//! ```sql,safe
//! -- refit: lock_timeout = "5s"
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! ```

use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "unknown-directive",
    source: include_str!("unknown_directive.rs"),
    severity: Some(Severity::Error),
    check: Check::Engine,
};
