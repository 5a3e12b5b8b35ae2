//! `overtakes-held`: adds the gates of the migration that it needs.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::with_directive;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    // The gates of both, taken from the help.
    let gates = site.finding.help.split_once("after = ").map(|(_, gates)| gates.trim());
    let gates = gates.ok_or_else(|| site.elsewhere())?;
    let mut parts = site.parts.clone();
    parts.front = with_directive(&parts.front, "after", gates);
    Ok(Plan::Text(parts.whole()))
}
