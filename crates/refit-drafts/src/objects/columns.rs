//! Columns of tables, and attributes of composite types.

use refit_catalog::{Column, Grants, Identity, Table};

use super::grants;
use super::sequences::{changed_numbers, numbers};
use crate::names::{comment, default_action, new_server_options, server_options, set_and_reset, sql};
use crate::plan::{Phase, Plan};

/// A column as in CREATE TABLE.
pub(super) fn definition(column: &Column) -> String {
    let mut text = attribute(column);
    text += &new_server_options(&column.server_options);
    if let Some(identity) = &column.identity {
        let when = if identity.always { "ALWAYS" } else { "BY DEFAULT" };
        text += &format!(" GENERATED {when} AS IDENTITY{}", identity_options(identity));
    } else if !column.generated.is_empty() {
        let kind = if column.is_virtual { "VIRTUAL" } else { "STORED" };
        text += &format!(" GENERATED ALWAYS AS ({}) {kind}", column.generated);
    } else if !column.default.is_empty() {
        text += &format!(" DEFAULT {}", column.default);
    }
    if column.not_null {
        text += " NOT NULL";
    }
    text
}

/// Name, type and collation.
pub(super) fn attribute(column: &Column) -> String {
    let mut text = format!("{} {}", sql(&column.name), column.type_name);
    if !column.collation.is_empty() {
        text += &format!(" COLLATE {}", sql(&column.collation));
    }
    text
}

fn identity_options(identity: &Identity) -> String {
    let mut all = numbers(&identity.numbers);
    if !identity.sequence.is_empty() {
        all = format!(" SEQUENCE NAME {}{all}", sql(&identity.sequence));
    }
    match all.trim_start() {
        "" => String::new(),
        all => format!(" ({all})"),
    }
}

/// The columns of a table that exists before and after. `noun` is as in ALTER.
pub(super) fn draft(noun: &str, name: &str, old: &Table, new: &Table, plan: &mut Plan) {
    let alter = format!("ALTER {noun} {}", sql(name));
    // A partition has the columns of its parent, which change with it.
    if !old.partition_of.is_empty() && !new.partition_of.is_empty() {
        return of_partition(noun, name, old, new, plan);
    }
    for gone in old.columns.iter().filter(|one| column_of(new, &one.name).is_none() && !one.inherited) {
        let object = format!("column {name}.{}", gone.name);
        plan.add(Phase::DropTables, &object, format!("{alter} DROP COLUMN {}", sql(&gone.name)));
    }
    for column in &new.columns {
        let object = format!("column {name}.{}", column.name);
        match column_of(old, &column.name) {
            None if column.inherited => {}
            None => plan.add(Phase::Columns, &object, format!("{alter} ADD COLUMN {}", definition(column))),
            Some(before) => changed(&alter, &object, before, column, plan),
        }
        properties(noun, name, column_of(old, &column.name), column, plan);
    }
}

/// What a partition's columns have of their own: defaults, NOT NULL, and properties.
fn of_partition(noun: &str, name: &str, old: &Table, new: &Table, plan: &mut Plan) {
    let alter = format!("ALTER {noun} {}", sql(name));
    for column in &new.columns {
        let Some(before) = column_of(old, &column.name) else { continue };
        if before.type_name == column.type_name {
            changed(&alter, &format!("column {name}.{}", column.name), before, column, plan);
        }
        properties(noun, name, Some(before), column, plan);
    }
}

pub(super) fn column_of<'a>(table: &'a Table, name: &str) -> Option<&'a Column> {
    table.columns.iter().find(|column| column.name == name)
}

/// What ALTER COLUMN changes.
fn changed(alter: &str, object: &str, old: &Column, new: &Column, plan: &mut Plan) {
    let column = format!("{alter} ALTER COLUMN {}", sql(&new.name));
    let retyped = (&old.type_name, &old.collation) != (&new.type_name, &new.collation);
    if retyped {
        if !old.default.is_empty() {
            plan.add(Phase::Columns, object, format!("{column} DROP DEFAULT"));
        }
        let collation = match new.collation.as_str() {
            "" => String::new(),
            collation => format!(" COLLATE {}", sql(collation)),
        };
        let retype = format!("{column} TYPE {}{collation}", new.type_name);
        plan.add(Phase::Columns, object, retype.clone());
        // An explicit cast would cut values that are too long; it is only for types that need one.
        if new.generated.is_empty() {
            plan.otherwise(format!("{retype} USING {}::{}", sql(&new.name), new.type_name));
        }
    }
    if old.generated != new.generated {
        match new.generated.as_str() {
            "" => plan.add(Phase::Columns, object, format!("{column} DROP EXPRESSION")),
            expression if plan.version() >= 17 && !old.generated.is_empty() => {
                plan.add(Phase::Columns, object, format!("{column} SET EXPRESSION AS ({expression})"));
            }
            _ => {}
        }
    }
    let default_was = if retyped { "" } else { old.default.as_str() };
    if default_was != new.default && new.generated.is_empty() {
        let action = default_action(&new.default);
        plan.add(Phase::Columns, object, format!("{column} {action}"));
    }
    if old.not_null != new.not_null {
        let word = if new.not_null { "SET" } else { "DROP" };
        plan.add(Phase::Columns, object, format!("{column} {word} NOT NULL"));
    }
    let table = alter.split_once("TABLE ").map_or("", |(_, table)| table);
    identity([table, &sql(&new.name)], object, [old.identity.as_ref(), new.identity.as_ref()], plan);
}

fn identity([table, name]: [&str; 2], object: &str, [old, new]: [Option<&Identity>; 2], plan: &mut Plan) {
    let column = format!("ALTER TABLE {table} ALTER COLUMN {name}");
    let when = |identity: &Identity| if identity.always { "ALWAYS" } else { "BY DEFAULT" };
    match (old, new) {
        (Some(_), None) => plan.add(Phase::Columns, object, format!("{column} DROP IDENTITY")),
        (None, Some(new)) => {
            let sql = format!("{column} ADD GENERATED {} AS IDENTITY{}", when(new), identity_options(new));
            plan.add(Phase::Columns, object, sql);
            plan.begin_after_rows(object, table, name);
        }
        (Some(old), Some(new)) => {
            let mut parts = String::new();
            if old.always != new.always {
                parts += &format!(" SET GENERATED {}", when(new));
            }
            let numbers = changed_numbers(&old.numbers, &new.numbers);
            parts += &each_set(&numbers);
            if !parts.is_empty() {
                plan.add(Phase::Columns, object, format!("{column}{parts}"));
            }
        }
        (None, None) => {}
    }
}

/// `INCREMENT BY 2 CACHE 5` as `SET INCREMENT BY 2 SET CACHE 5`.
fn each_set(numbers: &str) -> String {
    let mut text = String::new();
    let mut after_no = false;
    for word in numbers.split_whitespace() {
        let begins =
            matches!(word, "INCREMENT" | "MINVALUE" | "MAXVALUE" | "START" | "CACHE" | "CYCLE" | "NO");
        if begins && !after_no {
            text += " SET";
        }
        after_no = word == "NO";
        text += &format!(" {word}");
    }
    text
}

/// What is not part of a column's definition.
pub(super) fn properties(noun: &str, name: &str, old: Option<&Column>, new: &Column, plan: &mut Plan) {
    let empty = Column::default();
    let old = old.unwrap_or(&empty);
    let object = format!("column {name}.{}", new.name);
    let column = format!("ALTER {noun} {} ALTER COLUMN {}", sql(name), sql(&new.name));
    let or_default = |value: &str| if value.is_empty() { "DEFAULT".to_owned() } else { value.to_owned() };
    // SET STORAGE DEFAULT is new in 16.
    let storage = plan.version() >= 16 || !new.storage.is_empty();
    let mut set = |differs: bool, action: String| {
        if differs {
            plan.add(Phase::Properties, &object, format!("{column} {action}"));
        }
    };
    set(storage && old.storage != new.storage, format!("SET STORAGE {}", or_default(&new.storage)));
    set(old.compression != new.compression, format!("SET COMPRESSION {}", or_default(&new.compression)));
    set(old.statistics != new.statistics, format!("SET STATISTICS {}", new.statistics.unwrap_or(-1)));
    for action in set_and_reset(&old.options, &new.options) {
        set(true, action);
    }
    if *old != empty
        && let Some(options) = server_options(&old.server_options, &new.server_options)
    {
        set(true, options);
    }
    if old.comment != new.comment {
        let place = format!("{}.{}", sql(name), sql(&new.name));
        plan.add(Phase::Comments, &object, format!("COMMENT ON COLUMN {place} IS {}", comment(&new.comment)));
    }
    let none = Grants::new();
    let granted = if *old == empty { &none } else { &old.grants };
    if *granted != new.grants {
        grants::of_column(&sql(name), &sql(&new.name), granted, &new.grants, plan);
    }
}
