//! # A suppression without a reason
//!
//! Without a reason, readers cannot see whether the hazard was considered. Write the reason after a colon. It says why
//! the statement is harmless here: the number of rows, no readers yet, an agreed maintenance window.
//!
//! The finding is still suppressed; this one is reported in its place.
//!
//! ```sql,unsafe
//! -- refit: allow(unbatched-update)
//! UPDATE posts SET status = 'new' WHERE status IS NULL;
//! ```
//!
//! ```sql,safe
//! -- refit: allow(unbatched-update): 12 rows, static table
//! UPDATE posts SET status = 'new' WHERE status IS NULL;
//! ```

use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "suppression-without-reason",
    source: include_str!("suppression_without_reason.rs"),
    severity: Some(Severity::Warning),
    check: Check::Engine,
};
