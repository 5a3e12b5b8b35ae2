//! # A directive that says nothing
//!
//! A `-- refit:` line with an unknown key, a value of the wrong kind, or a place behind the first statement does nothing, though
//! whoever wrote it relies on it: `transacton = false` leaves the migration in its transaction. Refit refuses to run or embed
//! a folder with one; the linter says where it is and what was meant.
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
