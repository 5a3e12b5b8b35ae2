//! `concurrently-in-transaction`, `non-transactional-statement`: moves the statement to its own migration without a
//! transaction.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::{Runs, Step};
use crate::sql::StmtKind;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    if let StmtKind::Do(_) | StmtKind::Select(_) | StmtKind::Call { .. } = &site.stmt().kind {
        return Err(site.elsewhere());
    }
    let words: Vec<&str> = site.sql().split_whitespace().take(6).collect();
    Ok(Plan::Steps(vec![Step::new(Runs::Alone, words.join(" ").trim_end_matches(';'), site.sql())]))
}
