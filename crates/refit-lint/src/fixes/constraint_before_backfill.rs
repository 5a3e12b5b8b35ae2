//! `constraint-before-backfill`: adds the backfill to `after`.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::{value_of, with_directive};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let help = &site.finding.help;
    let version =
        help.split_once("[\"V").and_then(|(_, rest)| rest.split_once('"')).map(|(digits, _)| digits);
    let version: i64 = version.and_then(|digits| digits.parse().ok()).ok_or_else(|| site.elsewhere())?;
    let file = site.path.rsplit('/').next().unwrap_or(site.path);
    let width = file.strip_prefix('V').and_then(|rest| rest.find("__")).unwrap_or(0);
    let label = format!("\"V{version:0width$}\"");
    let value = match value_of(&site.parts.front, "after").and_then(|old| old.strip_suffix(']')) {
        Some(old) if old.trim() != "[" => format!("{}, {label}]", old.trim_end()),
        _ => format!("[{label}]"),
    };
    let mut parts = site.parts.clone();
    parts.front = with_directive(&parts.front, "after", &value);
    Ok(Plan::Text(parts.whole()))
}
