//! `refresh-materialized-view`: adds CONCURRENTLY if a unique index is known.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::Step;
use crate::sql::StmtKind;
use crate::words::{Words, inserted};

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let StmtKind::Refresh { view, concurrently: false, no_data: false } = &site.stmt().kind else {
        return Err("only you know whether the view may be empty, or which columns are unique".to_owned());
    };
    let key = view.key();
    let unique = site.schema.indexes.values().any(|index| {
        index.table == key && index.unique && !index.partial && index.columns.iter().all(Option::is_some)
    });
    if !unique {
        return Err(format!("CONCURRENTLY needs a unique index, and none of {view} is known"));
    }
    let words = Words::of(site.sql());
    let at = words.find(0, &["VIEW"]).ok_or_else(|| site.elsewhere())?;
    Ok(Plan::Steps(vec![Step::here(inserted(site.sql(), &[(words.all[at].at.end, " CONCURRENTLY")]))]))
}
