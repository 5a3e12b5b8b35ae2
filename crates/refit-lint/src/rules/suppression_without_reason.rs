//! # A suppression that gives no reason
//!
//! The next reader cannot tell whether the hazard was weighed or waved through. The reason stands behind a colon, and says
//! what makes the statement harmless here: so many rows, no readers yet, a window that was agreed.
//!
//! The finding is suppressed all the same; this one takes its place.
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
