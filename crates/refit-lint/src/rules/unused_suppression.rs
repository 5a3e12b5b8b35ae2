//! # A suppression that suppresses nothing
//!
//! The hazard is gone, or the comment is above the wrong statement. If it stays, it will hide the next finding of that
//! rule, with a reason that was given for something else.
//!
//! A suppression covers the one statement that follows it, including its body. A suppression inside a body has no
//! effect.
//!
//! ```sql,unsafe
//! -- refit: allow(unbatched-update): 12 rows, static table
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
    name: "unused-suppression",
    source: include_str!("unused_suppression.rs"),
    severity: Some(Severity::Warning),
    check: Check::Engine,
};

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn suppressions_in_bodies() {
        const ALLOW: &str = "-- refit: allow(unbatched-update): 12 rows, static table\n";
        let body = "UPDATE posts SET status = 'new' WHERE status IS NULL;";
        fires("unused-suppression", &[&format!("DO $$ BEGIN\n{ALLOW}{body} END $$;")]);
        fires("unbatched-update", &[&format!("DO $$ BEGIN\n{ALLOW}{body} END $$;")]);
        fires("unused-suppression", &[&format!("DO $$ BEGIN DO $x$ BEGIN\n{ALLOW}{body} END $x$; END $$;")]);
        for rule in ["unused-suppression", "unbatched-update"] {
            silent(rule, &[&format!("{ALLOW}DO $$ BEGIN\n-- refit is a word\n{body} END $$;")]);
        }
    }
}
