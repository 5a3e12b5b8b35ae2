//! `index-not-concurrent`, `reindex-not-concurrent`, `detach-partition`: the same statement with CONCURRENTLY, in its
//! own migration without a transaction.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::schema::index_name;
use crate::sequence::{Runs, Step};
use crate::sql::{AlterAction, StmtKind};
use crate::words::{Words, inserted};

const WORD: &str = " CONCURRENTLY";

pub(super) fn index(site: &Site<'_>) -> Planned {
    let StmtKind::CreateIndex(index) = &site.stmt().kind else { return Err(site.elsewhere()) };
    if site.schema.is_partitioned(&index.table) {
        return Err(format!("{} is partitioned, and only you know its partitions", index.table));
    }
    let words = Words::of(site.sql());
    let at = words.find(0, &["INDEX"]).ok_or_else(|| site.elsewhere())?;
    let end = words.all[at].at.end;
    let (sql, name) = match &index.name {
        Some(name) => (inserted(site.sql(), &[(end, WORD)]), name.name.clone()),
        None => {
            // Refit finds an interrupted build by the index name.
            let name = index_name(site.schema, &index.table, &index.called);
            let words = format!("{WORD} {}", refit_model::quoted_name(&name));
            (inserted(site.sql(), &[(end, &words)]), name)
        }
    };
    Ok(Plan::Steps(vec![Step::new(Runs::Alone, format!("index {name}"), sql)]))
}

pub(super) fn reindex(site: &Site<'_>) -> Planned {
    let StmtKind::Reindex { what, name, .. } = &site.stmt().kind else { return Err(site.elsewhere()) };
    if what == "SYSTEM" {
        return Err("REINDEX SYSTEM has no concurrent form".to_owned());
    }
    let words = Words::of(site.sql());
    let at = words.find(0, &[what]).ok_or_else(|| site.elsewhere())?;
    let sql = inserted(site.sql(), &[(words.all[at].at.end, WORD)]);
    let name = name.as_ref().map_or("database", |name| &name.name);
    Ok(Plan::Steps(vec![Step::new(Runs::Alone, format!("reindex {name}"), sql)]))
}

pub(super) fn detach(site: &Site<'_>) -> Planned {
    let alter = site.action()?;
    let AlterAction::DetachPartition { partition, .. } = alter.action() else { return Err(site.elsewhere()) };
    if site.schema.default_partition(alter.table).is_some() {
        return Err(format!("{} has a DEFAULT partition, which prevents DETACH CONCURRENTLY", alter.table));
    }
    let sql = alter.with(&format!("{}{WORD}", alter.written()));
    Ok(Plan::Steps(vec![Step::new(Runs::Alone, format!("detach {partition}"), sql)]))
}
