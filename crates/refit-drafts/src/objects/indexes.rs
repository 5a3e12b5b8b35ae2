//! Indexes that serve no constraint.

use refit_catalog::{Index, Table};

use super::constraints::renamed;
use super::{Difference, differences, tail};
use crate::names::{comment, list, options, schema, set_and_reset, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(name: &str, old: Option<&Table>, new: &Table, plan: &mut Plan) {
    let empty = Table::default();
    let old = old.unwrap_or(&empty);
    let renamed = renamed(&old.indexes, &new.indexes);
    for (from, to) in &renamed {
        let text = format!("ALTER INDEX {} RENAME TO {}", place(name, from), sql(to));
        plan.add(Phase::DropForeignKeys, &format!("index {to}"), text);
    }
    for difference in differences(&old.indexes, &new.indexes) {
        match difference {
            Difference::Removed(one, _) if renamed.iter().any(|(from, _)| *from == one) => {}
            Difference::Added(one, _) if renamed.iter().any(|(_, to)| *to == one) => {}
            // Those of partitions come and go with the partitioned table's.
            Difference::Removed(_, before) if !before.partition_of.is_empty() => {}
            Difference::Added(_, after) if !after.partition_of.is_empty() => {}
            Difference::Removed(index, _) => drop(name, index, plan),
            Difference::Added(index, after) => {
                create(name, index, after, new, plan);
                index_properties(name, index, &Index::default(), after, plan);
            }
            Difference::Changed(index, before, after) => {
                let same = |one: &Index| Index {
                    clustered: false,
                    replica_identity: false,
                    comment: String::new(),
                    options: refit_catalog::Options::new(),
                    extensions: Vec::new(),
                    statistics: std::collections::BTreeMap::new(),
                    ..one.clone()
                };
                if same(before) == same(after) {
                    alter(name, index, before, after, plan);
                    index_properties(name, index, before, after, plan);
                } else {
                    drop(name, index, plan);
                    create(name, index, after, new, plan);
                    index_properties(name, index, &Index::default(), after, plan);
                }
            }
        }
    }
}

fn drop(table: &str, index: &str, plan: &mut Plan) {
    plan.add(Phase::DropIndexes, &format!("index {index}"), format!("DROP INDEX {}", place(table, index)));
}

fn create(table: &str, name: &str, index: &Index, of: &Table, plan: &mut Plan) {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let only = if index.invalid && !of.partition_by.is_empty() { "ONLY " } else { "" };
    let using = match index.method.as_str() {
        "btree" => String::new(),
        method => format!(" USING {}", sql(method)),
    };
    let mut text = format!(
        "CREATE {unique}INDEX {} ON {only}{}{using} ({})",
        sql(name),
        sql(table),
        index.columns.join(", ")
    );
    if !index.include.is_empty() {
        text += &format!(" INCLUDE ({})", list(&index.include));
    }
    if index.nulls_not_distinct {
        text += " NULLS NOT DISTINCT";
    }
    if !index.options.is_empty() {
        text += &format!(" WITH ({})", options(&index.options));
    }
    if !index.tablespace.is_empty() {
        text += &format!(" TABLESPACE {}", sql(&index.tablespace));
    }
    if !index.predicate.is_empty() {
        text += &format!(" WHERE {}", index.predicate);
    }
    plan.add(Phase::Indexes, &format!("index {name}"), text);
    statistics(table, name, &Index::default(), index, plan);
}

fn alter(table: &str, name: &str, before: &Index, after: &Index, plan: &mut Plan) {
    let alter = format!("ALTER INDEX {}", place(table, name));
    let object = format!("index {name}");
    for action in set_and_reset(&before.options, &after.options) {
        plan.add(Phase::Properties, &object, format!("{alter} {action}"));
    }
    statistics(table, name, before, after, plan);
    tail::depends(
        &format!("INDEX {}", place(table, name)),
        &object,
        &before.extensions,
        &after.extensions,
        plan,
    );
}

fn statistics(table: &str, name: &str, before: &Index, after: &Index, plan: &mut Plan) {
    for difference in differences(&before.statistics, &after.statistics) {
        let (column, target) = match difference {
            Difference::Removed(column, _) => (column, -1),
            Difference::Added(column, target) | Difference::Changed(column, _, target) => (column, *target),
        };
        let text =
            format!("ALTER INDEX {} ALTER COLUMN {column} SET STATISTICS {target}", place(table, name));
        plan.add(Phase::Properties, &format!("index {name}"), text);
    }
}

/// What an index has, whether it serves a constraint or not.
pub(super) fn index_properties(table: &str, name: &str, before: &Index, after: &Index, plan: &mut Plan) {
    let object = format!("index {name}");
    if before.comment != after.comment {
        let text = format!("COMMENT ON INDEX {} IS {}", place(table, name), comment(&after.comment));
        plan.add(Phase::Comments, &object, text);
    }
    if after.clustered && !before.clustered {
        plan.add(Phase::Properties, &object, format!("ALTER TABLE {} CLUSTER ON {}", sql(table), sql(name)));
    }
    if before.clustered && !after.clustered {
        plan.add(Phase::DropAttached, &object, format!("ALTER TABLE {} SET WITHOUT CLUSTER", sql(table)));
    }
    if after.replica_identity && !before.replica_identity {
        let text = format!("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}", sql(table), sql(name));
        plan.add(Phase::Properties, &object, text);
    }
}

/// An index is in the schema of its table.
fn place(table: &str, index: &str) -> String {
    format!("{}.{}", schema(table), sql(index))
}
