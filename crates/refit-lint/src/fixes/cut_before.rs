//! `lock-held`, `enum-value-in-same-transaction`: moves the statement and those after it to a separate migration.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::{Runs, Step};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    if site.index == 0 {
        return Err("both are in one statement".to_owned());
    }
    Ok(Plan::Steps(vec![Step::new(Runs::Apart, "", site.sql())]))
}
