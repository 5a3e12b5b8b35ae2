//! # A statement that does not parse
//!
//! The server will refuse it (42601), and with it the whole migration; until then nobody knows what it does, so no other rule
//! says anything about it. The rest of the file is read all the same. A file that is not UTF-8, or holds a NUL byte, is reported
//! by this rule too, and so is one whose parentheses nest deeper than any server reads.
//!
//! The parser knows the grammar of PostgreSQL 18; what only an older version accepts is no error here. Where the parser is
//! wrong about a statement that a server takes, allow the rule above it and say so.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN subtitle text DEFAULT;
//! ```
//!
//! ```toml,claim
//! error = "42601"
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN subtitle text DEFAULT '';
//! ```

use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "syntax-error",
    source: include_str!("syntax_error.rs"),
    severity: Some(Severity::Error),
    check: Check::Engine,
};
