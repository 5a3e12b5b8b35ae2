//! `index-not-concurrent`, `reindex-not-concurrent`, `detach-partition`: the same statement with CONCURRENTLY, in a migration
//! of its own that is no transaction.

use super::Planned;
use crate::plan::{Plan, Runs, Site, Step, Words, inserted};
use crate::schema::index_name;
use crate::sql::{AlterAction, StmtKind};

const WORD: &str = " CONCURRENTLY";

pub(super) fn index(site: &Site<'_>) -> Planned {
    let StmtKind::CreateIndex(index) = &site.stmt().kind else { return Err(site.elsewhere()) };
    if site.schema.is_partitioned(&index.table) {
        return Err(format!("{} is partitioned, and which partitions it has is for you to say", index.table));
    }
    let words = Words::of(site.sql());
    let at = words.find(0, &["INDEX"]).ok_or_else(|| site.elsewhere())?;
    let end = words.all[at].at.end;
    let (sql, name) = match &index.name {
        Some(name) => (inserted(site.sql(), &[(end, WORD)]), name.name.clone()),
        None => {
            // By its name, an interrupted build is found again.
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
        return Err(format!(
            "{} has a DEFAULT partition, where nothing is detached concurrently",
            alter.table
        ));
    }
    let sql = alter.with(&format!("{}{WORD}", alter.written()));
    Ok(Plan::Steps(vec![Step::new(Runs::Alone, format!("detach {partition}"), sql)]))
}
