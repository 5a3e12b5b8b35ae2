//! `lock-timeout-disabled`: removes the SET, so that Refit's own timeout applies.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sql::StmtKind;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let StmtKind::Set { .. } = &site.stmt().kind else { return Err(site.elsewhere()) };
    let mut parts = site.parts.clone();
    let gone = parts.pieces.remove(site.index);
    match parts.pieces.get_mut(site.index) {
        Some(next) => next.above.insert_str(0, &gone.above),
        None => parts.end.insert_str(0, &gone.above),
    }
    match parts.pieces.is_empty() {
        true => Err("it is the only statement of the file: remove the file".to_owned()),
        false => Ok(Plan::Text(parts.whole())),
    }
}
