//! # A rule that does not exist
//!
//! A suppression, or `[lint]` in `refit.toml`, names a rule that does not exist: a typo, or a rule that has been
//! renamed. It has no effect. The linter suggests the closest name; `cargo xtask explain --list` shows all rules.
//!
//! ```sql,unsafe
//! -- refit: allow(unbatched-updates): 12 rows, static table
//! UPDATE posts SET status = 'new' WHERE id = 1;
//! ```
//!
//! ```sql,safe
//! -- refit: allow(unbatched-update): 12 rows, static table
//! UPDATE posts SET status = 'new' WHERE status IS NULL;
//! ```

use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "unknown-rule",
    source: include_str!("unknown_rule.rs"),
    severity: Some(Severity::Warning),
    check: Check::Engine,
};
