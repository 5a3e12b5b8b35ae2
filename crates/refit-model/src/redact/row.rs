//! Rows in the server's messages about a failure: their values come from the database, not from the SQL.

use std::ops::Range;

/// The range to hide of a row that a constraint rejected, as in `Failing row contains (17, ann, x).`, in any language.
/// Its first value is shown if it is a number or a UUID, as keys are. Other details of those errors, for example from
/// RAISE, are not changed.
pub(super) fn failing(sqlstate: &str, detail: &str) -> Option<Range<usize>> {
    // 23502 is not_null_violation, 23514 check_violation.
    if !matches!(sqlstate, "23502" | "23514") {
        return None;
    }
    let open = detail.find('(')?;
    // At most a full stop follows the row, in any script.
    let close =
        detail.rfind(')').filter(|close| open < *close && detail[close + 1..].chars().count() <= 1)?;
    // The key of a row that fits no partition: `(day) = (2026-01-01)`.
    let first_close = detail[open..].find(')').map(|length| open + length)?;
    if detail[first_close..].starts_with(") = (") && !detail[open..first_close].contains(['\'', ' ']) {
        return None;
    }
    let row = open + 1..close;
    let first = detail[row.clone()].find(", ").map_or(row.end, |length| row.start + length);
    match is_key(&detail[row.start..first]) {
        true => (first + 2 < row.end).then_some(first + 2..row.end),
        false => Some(row),
    }
}

fn is_key(value: &str) -> bool {
    let is_number = value.len() <= 20 && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_uuid = value.len() == 36 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    !value.is_empty() && (is_number || is_uuid)
}
