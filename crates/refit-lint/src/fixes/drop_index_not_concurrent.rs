//! `drop-index-not-concurrent`: DROP INDEX CONCURRENTLY, one index at a time, in a migration without a transaction;
//! without CONCURRENTLY for a partitioned table, which does not support it.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::{Runs, Step};
use crate::sql::StmtKind;
use crate::words::Words;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let StmtKind::Drop { names, concurrently, cascade, .. } = &site.stmt().kind else {
        return Err(site.elsewhere());
    };
    let words = Words::of(site.sql());
    if *concurrently {
        let at = words.find(0, &["CONCURRENTLY"]).ok_or_else(|| site.elsewhere())?;
        let word = &words.all[at].at;
        let sql = format!("{}{}", &site.sql()[..word.start], site.sql()[word.end..].trim_start());
        return Ok(Plan::Steps(vec![Step::new(Runs::Apart, "drop index", sql)]));
    }
    if *cascade {
        return Err(
            "DROP INDEX CONCURRENTLY does not support CASCADE: drop the objects that depend on it first"
                .to_owned(),
        );
    }
    let exists = if words.find(0, &["EXISTS"]).is_some() { "IF EXISTS " } else { "" };
    let drop = |name| format!("DROP INDEX CONCURRENTLY {exists}{}", site.name_of(name));
    let title = format!("drop {}", names.first().map_or("index", |name| &name.name));
    Ok(Plan::Steps(vec![Step { runs: Runs::Alone, sql: names.iter().map(drop).collect(), title }]))
}
