//! Tables, partitioned tables and partitions.

use refit_catalog::{Catalog, Column, Constraint, Table};

use super::tail::{self, tail};
use super::{Difference, columns, constraints, differences, indexes, policies, rules, triggers};
use crate::names::{list, options, set_and_reset, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.tables, &after.tables) {
        let (name, old, new) = match difference {
            Difference::Removed(name, old) => {
                let keys =
                    old.constraints.iter().filter(|(_, one)| one.kind == "foreign key" && !one.inherited);
                for (key, _) in keys {
                    let text = format!("ALTER TABLE {} DROP CONSTRAINT {}", sql(name), sql(key));
                    plan.add(Phase::DropForeignKeys, &format!("table {name}"), text);
                }
                plan.add(Phase::DropTables, &format!("table {name}"), format!("DROP TABLE {}", sql(name)));
                continue;
            }
            Difference::Added(name, new) => {
                plan.add(Phase::Tables, &format!("table {name}"), create(name, new));
                for column in &new.columns {
                    let own = own_properties(column);
                    columns::properties("TABLE", name, Some(&own), column, plan);
                }
                (name, None, new)
            }
            Difference::Changed(name, old, new) => {
                columns::draft("TABLE", name, old, new, plan);
                attached(name, old, new, plan);
                (name, Some(old), new)
            }
        };
        properties(name, old, new, plan);
        parts("TABLE", name, old, new, plan);
    }
}

/// A column whose definition has been written, but not its other properties.
pub(super) fn own_properties(column: &Column) -> Column {
    Column {
        storage: String::new(),
        compression: String::new(),
        statistics: None,
        options: refit_catalog::Options::new(),
        comment: String::new(),
        grants: refit_catalog::Grants::new(),
        ..column.clone()
    }
}

/// What is written alike for tables, foreign tables and views.
pub(super) fn parts(noun: &str, name: &str, old: Option<&Table>, new: &Table, plan: &mut Plan) {
    constraints::draft(noun, name, old, new, plan);
    indexes::draft(name, old, new, plan);
    triggers::draft(name, old, new, plan);
    policies::draft(name, old, new, plan);
    rules::draft(name, old, new, plan);
    tail::draft(noun, &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
}

fn create(name: &str, table: &Table) -> String {
    let unlogged = if table.unlogged { "UNLOGGED " } else { "" };
    let mut text = format!("CREATE {unlogged}TABLE {}", sql(name));
    let inline = |wanted: &dyn Fn(&Constraint) -> bool| -> Vec<String> {
        let found = table.constraints.iter().filter(|(_, one)| constraints::is_inline(one) && wanted(one));
        found.map(|(name, one)| constraints::definition(name, one)).collect()
    };
    let parents: Vec<&String> = table.inherits.iter().collect();
    if table.partition_of.is_empty() {
        let own = table.columns.iter().filter(|column| !column.inherited);
        let lines: Vec<String> = own.map(columns::definition).chain(inline(&|_| true)).collect();
        match table.of_type.as_str() {
            "" if lines.is_empty() => text += " ()",
            "" => text += &format!(" (\n    {}\n)", lines.join(",\n    ")),
            of_type => text += &format!(" OF {}", sql(of_type)),
        }
    } else {
        text += &format!(" PARTITION OF {}", sql(&table.partition_of));
        // A primary or unique key is that of the parent.
        let own = inline(&|one| one.kind == "check");
        if !own.is_empty() {
            text += &format!(" ({})", own.join(", "));
        }
        text += &format!(" {}", table.bounds);
    }
    if !parents.is_empty() {
        text += &format!(" INHERITS ({})", list(parents));
    }
    if !table.partition_by.is_empty() {
        text += &format!(" PARTITION BY {}", table.partition_by);
    }
    if !table.access_method.is_empty() {
        text += &format!(" USING {}", sql(&table.access_method));
    }
    if !table.options.is_empty() {
        text += &format!(" WITH ({})", options(&table.options));
    }
    if !table.tablespace.is_empty() {
        text += &format!(" TABLESPACE {}", sql(&table.tablespace));
    }
    text
}

/// Inheritance and partitions of a table that was there before.
fn attached(name: &str, old: &Table, new: &Table, plan: &mut Plan) {
    let object = format!("table {name}");
    let alter = format!("ALTER TABLE {}", sql(name));
    for parent in old.inherits.iter().filter(|parent| !new.inherits.contains(parent)) {
        plan.add(Phase::DropConstraints, &object, format!("{alter} NO INHERIT {}", sql(parent)));
    }
    for parent in new.inherits.iter().filter(|parent| !old.inherits.contains(parent)) {
        plan.add(Phase::Constraints, &object, format!("{alter} INHERIT {}", sql(parent)));
    }
    if (&old.partition_of, &old.bounds) != (&new.partition_of, &new.bounds) {
        if !old.partition_of.is_empty() {
            let text = format!("ALTER TABLE {} DETACH PARTITION {}", sql(&old.partition_of), sql(name));
            plan.add(Phase::Columns, &object, text);
        }
        if !new.partition_of.is_empty() {
            let partition = format!("ATTACH PARTITION {} {}", sql(name), new.bounds);
            let text = format!("ALTER TABLE {} {partition}", sql(&new.partition_of));
            plan.add(Phase::Constraints, &object, text);
        }
    }
    if old.unlogged != new.unlogged {
        let word = if new.unlogged { "UNLOGGED" } else { "LOGGED" };
        plan.add(Phase::Columns, &object, format!("{alter} SET {word}"));
    }
    for action in set_and_reset(&old.options, &new.options) {
        plan.add(Phase::Properties, &object, format!("{alter} {action}"));
    }
    if old.tablespace != new.tablespace && !new.tablespace.is_empty() {
        plan.add(Phase::Properties, &object, format!("{alter} SET TABLESPACE {}", sql(&new.tablespace)));
    }
}

/// Row security and replica identity.
fn properties(name: &str, old: Option<&Table>, new: &Table, plan: &mut Plan) {
    let object = format!("table {name}");
    let alter = format!("ALTER TABLE {}", sql(name));
    let security = |table: Option<&Table>| {
        let text = table.map_or("", |table| table.row_security.as_str());
        (
            text.contains("enabled") && !text.contains("not enabled") || text == "forced",
            text.contains("forced"),
        )
    };
    let ((enabled, forced), (enables, forces)) = (security(old), security(Some(new)));
    if enabled != enables {
        let word = if enables { "ENABLE" } else { "DISABLE" };
        plan.add(Phase::Properties, &object, format!("{alter} {word} ROW LEVEL SECURITY"));
    }
    if forced != forces {
        let word = if forces { "FORCE" } else { "NO FORCE" };
        plan.add(Phase::Properties, &object, format!("{alter} {word} ROW LEVEL SECURITY"));
    }
    let by_index = |table: &Table| {
        let own = table.indexes.values().any(|index| index.replica_identity);
        own || table.constraints.values().any(|one| one.index.replica_identity)
    };
    let identity = |table: &Table| (table.replica_identity.clone(), by_index(table));
    let before = old.map_or((String::new(), false), identity);
    if before != identity(new) && !by_index(new) {
        let identity = match new.replica_identity.as_str() {
            "" => "DEFAULT".to_owned(),
            other => other.to_uppercase(),
        };
        plan.add(Phase::Properties, &object, format!("{alter} REPLICA IDENTITY {identity}"));
    }
}
