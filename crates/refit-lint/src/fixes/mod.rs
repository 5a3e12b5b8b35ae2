//! The fixes, one file each, named after the rules whose findings they fix.
//!
//! A fix gets the site of a finding and returns what replaces the statement, or why nothing can. The linter, not the
//! fix, decides whether the result is better.

mod alone;
mod check_or_key_validated;
mod concurrently;
mod constraint_before_backfill;
mod cut_before;
mod domain_constraint;
mod drop_index_not_concurrent;
mod inline_constraint;
mod key_constraint;
mod lock_timeout_disabled;
mod numbered_column;
mod overtakes_held;
mod proof;
mod refresh_materialized_view;
mod set_not_null_scan;
mod transaction_control;
mod unbatched;
mod unused_suppression;
mod validate_in_same_transaction;
mod volatile_default;

use crate::plan::{Plan, Site};

/// The replacement of a statement, or the reason why there is none.
type Planned = Result<Plan, String>;

/// A fix: turns the site of a finding into its replacement.
pub(crate) type Planner = fn(&Site<'_>) -> Planned;

/// Each rule with its fix; rules whose findings cause others come first.
const FIXES: [(&str, Planner); 26] = [
    ("transaction-control", transaction_control::plan),
    ("lock-timeout-disabled", lock_timeout_disabled::plan),
    ("inline-constraint", inline_constraint::plan),
    ("volatile-default", volatile_default::plan),
    ("serial-column", numbered_column::plan),
    ("identity-column", numbered_column::plan),
    ("index-not-concurrent", concurrently::index),
    ("drop-index-not-concurrent", drop_index_not_concurrent::plan),
    ("reindex-not-concurrent", concurrently::reindex),
    ("detach-partition", concurrently::detach),
    ("refresh-materialized-view", refresh_materialized_view::plan),
    ("concurrently-in-transaction", alone::plan),
    ("non-transactional-statement", alone::plan),
    ("unique-constraint", key_constraint::plan),
    ("primary-key-constraint", key_constraint::plan),
    ("foreign-key-validated", check_or_key_validated::plan),
    ("check-validated", check_or_key_validated::plan),
    ("domain-constraint", domain_constraint::plan),
    ("set-not-null-scan", set_not_null_scan::plan),
    ("unbatched-update", unbatched::plan),
    ("unbatched-delete", unbatched::plan),
    ("constraint-before-backfill", constraint_before_backfill::plan),
    ("overtakes-held", overtakes_held::plan),
    ("validate-in-same-transaction", validate_in_same_transaction::plan),
    ("enum-value-in-same-transaction", cut_before::plan),
    ("lock-held", cut_before::plan),
];

/// Runs last, because other fixes may leave suppressions unused.
const LAST: (&str, Planner) = ("unused-suppression", unused_suppression::plan);

/// The fix of a rule, if it has one.
pub(crate) fn of(rule: &str) -> Option<Planner> {
    FIXES.iter().chain([&LAST]).find(|(name, _)| *name == rule).map(|(_, plan)| *plan)
}

/// Whether the fix of a rule rewrites the whole file instead of replacing a statement.
pub(crate) fn changes_file(rule: &str) -> bool {
    is_first(rule) || matches!(rule, "constraint-before-backfill" | "overtakes-held" | "unused-suppression")
}

/// The order in which findings of a file are fixed, by rule.
pub(crate) fn rank(rule: &str) -> usize {
    FIXES.iter().position(|(name, _)| *name == rule).unwrap_or(FIXES.len())
}

/// Whether other findings of a file may result from findings of a rule.
pub(crate) fn is_first(rule: &str) -> bool {
    matches!(rule, "transaction-control" | "lock-timeout-disabled")
}

/// Why findings of a rule have to be fixed by hand, if there is a more specific reason than that they have no
/// mechanical form.
pub(crate) fn reason(rule: &str) -> &'static str {
    match rule {
        "not-null-without-backfill" => "only you know the value for existing rows",
        "exclusion-constraint" => "PostgreSQL has no other way to add it to an existing table",
        "domain-check-column" | "column-type-change" | "stored-generated-column" => {
            "its safe form is another column, which the application must use"
        }
        "syntax-error" | "psql-command" | "misnamed-file" | "unknown-directive" | "unknown-rule" => {
            "only you know what was intended"
        }
        "suppression-without-reason" => "only you know the reason",
        _ => "it has no mechanical form",
    }
}
