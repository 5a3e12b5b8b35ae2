//! Views and materialized views. One that cannot be replaced is dropped and created again, with all that depends on it.

use std::collections::{BTreeMap, BTreeSet};

use refit_catalog::{Catalog, Column, Table};

use super::{columns, tables, tail};
use crate::names::{changed_options, default_action, mentions, options, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    let again = made_again(before, after);
    for (noun, old, new) in [
        ("VIEW", &before.views, &after.views),
        ("MATERIALIZED VIEW", &before.materialized_views, &after.materialized_views),
    ] {
        for name in old.keys().filter(|name| !new.contains_key(*name) || again.contains(*name)) {
            let object = format!("{} {name}", noun.to_lowercase());
            plan.add(Phase::DropViews, &object, format!("DROP {noun} {}", sql(name)));
        }
        for (name, view) in new {
            let before = old.get(name).filter(|_| !again.contains(name));
            if before != Some(view) {
                one(noun, name, before, view, plan);
            }
        }
    }
}

/// The views that have to be dropped and created again.
fn made_again(before: &Catalog, after: &Catalog) -> BTreeSet<String> {
    let mut again: BTreeSet<String> = BTreeSet::new();
    for (name, old) in &before.views {
        let replaceable = after.views.get(name).is_none_or(|new| {
            let shape = |view: &Table| -> Vec<(String, String)> {
                view.columns.iter().map(|column| (column.name.clone(), column.type_name.clone())).collect()
            };
            shape(new).starts_with(&shape(old))
        });
        if !replaceable {
            again.insert(name.clone());
        }
    }
    for (name, old) in &before.materialized_views {
        if after.materialized_views.get(name).is_some_and(|new| new.definition != old.definition) {
            again.insert(name.clone());
        }
    }
    // Columns that are dropped or get another type, by table; and all views that are dropped.
    let lost: Vec<(&String, Vec<&String>)> = before
        .tables
        .iter()
        .map(|(name, old)| (name, lost_columns(old, after.tables.get(name))))
        .filter(|(_, columns)| !columns.is_empty())
        .collect();
    let uses_lost = |view: &Table| {
        let query = &view.definition;
        lost.iter().any(|(table, columns)| {
            mentions(query, table) && columns.iter().any(|column| mentions(query, column))
        })
    };
    let views: BTreeMap<&String, &Table> = before.views.iter().chain(&before.materialized_views).collect();
    let mut changed = again;
    changed.extend(views.iter().filter(|(_, view)| uses_lost(view)).map(|(name, _)| (*name).clone()));
    loop {
        let depends = |view: &Table| changed.iter().any(|other| mentions(&view.definition, other));
        let more = views.iter().filter(|(name, view)| !changed.contains(**name) && depends(view));
        let more: Vec<String> = more.map(|(name, _)| (*name).clone()).collect();
        if more.is_empty() {
            break;
        }
        changed.extend(more);
    }
    changed.retain(|name| after.views.contains_key(name) || after.materialized_views.contains_key(name));
    changed
}

fn lost_columns<'a>(old: &'a Table, new: Option<&Table>) -> Vec<&'a String> {
    let is_lost = |column: &&Column| {
        new.and_then(|new| columns::column_of(new, &column.name))
            .is_none_or(|one| (&one.type_name, &one.collation) != (&column.type_name, &column.collation))
    };
    old.columns.iter().filter(is_lost).map(|column| &column.name).collect()
}

fn one(noun: &str, name: &str, old: Option<&Table>, new: &Table, plan: &mut Plan) {
    let object = format!("{} {name}", noun.to_lowercase());
    if old.is_none_or(|old| old.definition != new.definition) {
        let replace = if old.is_some() { "OR REPLACE " } else { "" };
        let names: Vec<String> = new.columns.iter().map(|column| sql(&column.name)).collect();
        let with = match new.options.is_empty() {
            true => String::new(),
            false => format!(" WITH ({})", options(&new.options)),
        };
        let data = if new.not_populated { "\nWITH NO DATA" } else { "" };
        let query = new.definition.trim().trim_end_matches(';');
        let text =
            format!("CREATE {replace}{noun} {} ({}){with} AS\n{query}{data}", sql(name), names.join(", "));
        plan.add(Phase::Views, &object, text);
    }
    if let Some(old) = old {
        let (set, reset) = changed_options(&old.options, &new.options);
        if old.definition == new.definition && !set.is_empty() {
            plan.add(
                Phase::Properties,
                &object,
                format!("ALTER {noun} {} SET ({})", sql(name), options(&set)),
            );
        }
        if !reset.is_empty() {
            plan.add(
                Phase::Properties,
                &object,
                format!("ALTER {noun} {} RESET ({})", sql(name), reset.join(", ")),
            );
        }
        if old.definition == new.definition && old.not_populated != new.not_populated {
            let data = if new.not_populated { " WITH NO DATA" } else { "" };
            plan.add(Phase::Views, &object, format!("REFRESH MATERIALIZED VIEW {}{data}", sql(name)));
        }
    }
    for column in &new.columns {
        let before = old.and_then(|old| columns::column_of(old, &column.name));
        let default = before.map_or("", |before| before.default.as_str());
        if default != column.default {
            let action = default_action(&column.default);
            let text = format!("ALTER VIEW {} ALTER COLUMN {} {action}", sql(name), sql(&column.name));
            plan.add(Phase::Properties, &object, text);
        }
        let own = tables::own_properties(column);
        columns::properties(noun, name, Some(before.unwrap_or(&own)), column, plan);
    }
    let depends = old.map(|old| old.extensions.clone()).unwrap_or_default();
    tail::depends(&format!("{noun} {}", sql(name)), &object, &depends, &new.extensions, plan);
    tables::parts(noun, name, old, new, plan);
}
