//! Sizes, and counts of rows that failed.

use refit_model::wording::counted;

/// `2.1 MB`
pub(crate) fn size(bytes: i64) -> String {
    format!("{:.1}", indicatif::DecimalBytes(u64::try_from(bytes).unwrap_or(0)))
}

/// `1 row failed`, `20 rows failed`
pub(crate) fn failed(rows: i64) -> String {
    format!("{} failed", counted(rows, "row"))
}
