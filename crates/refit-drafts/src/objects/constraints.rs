//! Constraints of tables.

use std::collections::BTreeMap;

use refit_catalog::{Constraint, Index, References, Table};

use super::indexes::index_properties;
use super::{Difference, differences};
use crate::names::{comment, list, options, sql};
use crate::plan::{Phase, Plan};

/// Whether a constraint can be written into CREATE TABLE: it refers to no other table.
pub(super) fn is_inline(constraint: &Constraint) -> bool {
    constraint.kind != "foreign key" && !constraint.inherited && !constraint.not_valid
}

/// The constraints of a table. Those of a new one that are [`is_inline`] are already there.
pub(super) fn draft(noun: &str, name: &str, old: Option<&Table>, new: &Table, plan: &mut Plan) {
    let empty = Table::default();
    let before = &old.unwrap_or(&empty).constraints;
    let renamed = renamed(before, &new.constraints);
    for (from, to) in &renamed {
        let text = format!("ALTER {noun} {} RENAME CONSTRAINT {} TO {}", sql(name), sql(from), sql(to));
        plan.add(Phase::DropForeignKeys, &format!("constraint {to} on {name}"), text);
    }
    for difference in differences(before, &new.constraints) {
        match difference {
            Difference::Removed(one, _) if renamed.iter().any(|(from, _)| *from == one) => {}
            Difference::Added(one, _) if renamed.iter().any(|(_, to)| *to == one) => {}
            Difference::Removed(constraint, before) if !before.inherited => {
                drop(noun, name, constraint, before, plan)
            }
            Difference::Removed(..) => {}
            Difference::Added(_, after) if after.inherited => {}
            Difference::Added(constraint, after) => {
                if old.is_some() || !is_inline(after) {
                    add(noun, name, constraint, after, plan);
                }
                properties(name, constraint, None, after, plan);
            }
            Difference::Changed(constraint, before, after) => {
                changed(noun, name, constraint, before, after, plan);
            }
        }
    }
}

/// Objects of a table that are the same but for their names.
pub(super) fn renamed<'a, T: PartialEq>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (from, old) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        let free = after.iter().filter(|(name, _)| !before.contains_key(*name));
        let mut same = free.filter(|(name, new)| *new == old && pairs.iter().all(|(_, to)| to != name));
        if let Some((to, _)) = same.next() {
            pairs.push((from, to));
        }
    }
    pairs
}

fn changed(
    noun: &str,
    name: &str,
    constraint: &str,
    before: &Constraint,
    after: &Constraint,
    plan: &mut Plan,
) {
    let same = |one: &Constraint| {
        let index =
            Index { clustered: false, replica_identity: false, comment: String::new(), ..one.index.clone() };
        Constraint { comment: String::new(), triggers: Vec::new(), index, ..one.clone() }
    };
    let (old, new) = (same(before), same(after));
    let object = format!("constraint {constraint} on {name}");
    let alter = format!("ALTER {noun} {}", sql(name));
    let validated = Constraint { not_valid: false, ..old.clone() };
    let deferred =
        Constraint { deferrable: new.deferrable, initially_deferred: new.initially_deferred, ..old.clone() };
    if old == new {
        properties(name, constraint, Some(before), after, plan);
    } else if validated == new {
        plan.add(Phase::Constraints, &object, format!("{alter} VALIDATE CONSTRAINT {}", sql(constraint)));
        properties(name, constraint, Some(before), after, plan);
    } else if deferred == new && new.kind == "foreign key" {
        let when = if new.deferrable { deferrable(&new) } else { " NOT DEFERRABLE".to_owned() };
        plan.add(Phase::Constraints, &object, format!("{alter} ALTER CONSTRAINT {}{when}", sql(constraint)));
        properties(name, constraint, Some(before), after, plan);
    } else {
        drop(noun, name, constraint, before, plan);
        add(noun, name, constraint, after, plan);
        properties(name, constraint, None, after, plan);
    }
}

fn drop(noun: &str, name: &str, constraint: &str, before: &Constraint, plan: &mut Plan) {
    let phase = if before.kind == "foreign key" { Phase::DropForeignKeys } else { Phase::DropConstraints };
    let text = format!("ALTER {noun} {} DROP CONSTRAINT {}", sql(name), sql(constraint));
    plan.add(phase, &format!("constraint {constraint} on {name}"), text);
}

fn add(noun: &str, name: &str, constraint: &str, after: &Constraint, plan: &mut Plan) {
    let phase = if after.kind == "foreign key" { Phase::ForeignKeys } else { Phase::Constraints };
    let text = format!("ALTER {noun} {} ADD {}", sql(name), definition(constraint, after));
    plan.add(phase, &format!("constraint {constraint} on {name}"), text);
}

fn properties(
    name: &str,
    constraint: &str,
    before: Option<&Constraint>,
    after: &Constraint,
    plan: &mut Plan,
) {
    if before.map_or("", |before| before.comment.as_str()) != after.comment {
        let place = format!("CONSTRAINT {} ON {}", sql(constraint), sql(name));
        let text = format!("COMMENT ON {place} IS {}", comment(&after.comment));
        plan.add(Phase::Comments, &format!("constraint {constraint} on {name}"), text);
    }
    let empty = Index::default();
    index_properties(name, constraint, before.map_or(&empty, |before| &before.index), &after.index, plan);
}

/// `CONSTRAINT name …`
pub(super) fn definition(name: &str, constraint: &Constraint) -> String {
    let mut columns = list(&constraint.columns);
    if constraint.period {
        let (first, last) = columns.rsplit_once(", ").unwrap_or(("", &columns));
        columns = match constraint.kind.as_str() {
            "foreign key" => format!("{first}, PERIOD {last}"),
            _ => format!("{first}, {last} WITHOUT OVERLAPS"),
        };
    }
    let index = &constraint.index;
    let mut text = format!("CONSTRAINT {} ", sql(name));
    text += &match constraint.kind.as_str() {
        "check" => format!("CHECK ({})", constraint.expression),
        "not null" => format!("NOT NULL {columns}"),
        "primary key" => format!("PRIMARY KEY ({columns}){}", index_clauses(index)),
        "unique" => {
            let nulls = if index.nulls_not_distinct { "NULLS NOT DISTINCT " } else { "" };
            format!("UNIQUE {nulls}({columns}){}", index_clauses(index))
        }
        "exclude" => {
            let method = if index.method.is_empty() { "gist" } else { &index.method };
            let elements = constraint.columns.join(", ");
            let only = match index.predicate.as_str() {
                "" => String::new(),
                predicate => format!(" WHERE ({predicate})"),
            };
            format!("EXCLUDE USING {method} ({elements}){}{only}", index_clauses(index))
        }
        _ => {
            let references = constraint.references.as_ref().map(|one| references(one, constraint.period));
            format!("FOREIGN KEY ({columns}){}", references.unwrap_or_default())
        }
    };
    text += &deferrable(constraint);
    for (is_set, words) in [
        (constraint.no_inherit, " NO INHERIT"),
        (constraint.not_enforced, " NOT ENFORCED"),
        (constraint.not_valid && !constraint.not_enforced, " NOT VALID"),
    ] {
        if is_set {
            text += words;
        }
    }
    text
}

fn deferrable(constraint: &Constraint) -> String {
    match (constraint.deferrable, constraint.initially_deferred) {
        (false, _) => String::new(),
        (true, false) => " DEFERRABLE".to_owned(),
        (true, true) => " DEFERRABLE INITIALLY DEFERRED".to_owned(),
    }
}

fn references(to: &References, period: bool) -> String {
    let mut columns = list(&to.columns);
    if period && let Some((first, last)) = columns.rsplit_once(", ") {
        columns = format!("{first}, PERIOD {last}");
    }
    let mut text = format!(" REFERENCES {} ({columns})", sql(&to.table));
    if to.match_full {
        text += " MATCH FULL";
    }
    if !to.on_update.is_empty() {
        text += &format!(" ON UPDATE {}", to.on_update.to_uppercase());
    }
    if !to.on_delete.is_empty() {
        text += &format!(" ON DELETE {}", to.on_delete.to_uppercase());
        if !to.set_columns.is_empty() {
            text += &format!(" ({})", list(&to.set_columns));
        }
    }
    text
}

fn index_clauses(index: &Index) -> String {
    let mut text = String::new();
    if !index.include.is_empty() {
        text += &format!(" INCLUDE ({})", list(&index.include));
    }
    if !index.options.is_empty() {
        text += &format!(" WITH ({})", options(&index.options));
    }
    if !index.tablespace.is_empty() {
        text += &format!(" USING INDEX TABLESPACE {}", sql(&index.tablespace));
    }
    text
}
