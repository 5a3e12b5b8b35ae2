//! `lock-held`, `enum-value-in-same-transaction`: the statement, and what follows it, in a migration of their own.

use super::Planned;
use crate::plan::{Plan, Runs, Site, Step};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    if site.index == 0 {
        return Err("it is all in one statement".to_owned());
    }
    Ok(Plan::Steps(vec![Step::new(Runs::Apart, "", site.sql())]))
}
