//! The names of constraints and indexes: as written, or as the server generates them.

use super::{ConstraintType, Schema};
use crate::sql::{Constraint, ConstraintKind, Expr, Name};

/// A name or, if it is taken, the first numbered one that is free, as the server generates it.
pub(super) fn free_name<'a>(name: String, taken: impl Iterator<Item = &'a str>) -> String {
    let taken: Vec<&str> = taken.filter(|known| known.starts_with(&name)).collect();
    let mut numbered = std::iter::once(name.clone()).chain((1..).map(|number| format!("{name}{number}")));
    numbered.find(|name| !taken.contains(&name.as_str())).unwrap_or(name.clone())
}

/// The name of a constraint that is added to a table of the schema.
pub(crate) fn added_name(schema: &Schema, table: &Name, constraint: &Constraint) -> String {
    let name = constraint_name(table, constraint);
    if constraint.name.is_some() {
        return name;
    }
    let known = schema.table(table).map_or(&[][..], |known| &known.constraints);
    free_name(name, known.iter().map(|known| known.name.as_str()))
}

/// The name of a table constraint: its own, or the one that the server generates.
pub(crate) fn constraint_name(table: &Name, constraint: &Constraint) -> String {
    if let Some(name) = &constraint.name {
        return name.clone();
    }
    let (kind, columns) = match &constraint.kind {
        ConstraintKind::NotNull(column) => (ConstraintType::NotNull, column.iter().cloned().collect()),
        ConstraintKind::Null => (ConstraintType::Check, Vec::new()),
        ConstraintKind::Check(check) => (ConstraintType::Check, only_column(check)),
        ConstraintKind::Unique { columns, .. } => (ConstraintType::Unique, columns.clone()),
        ConstraintKind::PrimaryKey { columns, .. } => (ConstraintType::PrimaryKey, columns.clone()),
        ConstraintKind::ForeignKey { columns, .. } => (ConstraintType::ForeignKey, columns.clone()),
        ConstraintKind::Exclude => (ConstraintType::Exclude, Vec::new()),
    };
    made_up_name(&table.name, kind, &columns)
}

/// The single column of a condition, if it has one: the server names a CHECK after it.
pub(super) fn only_column(check: &Expr) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    check.walk(&mut |part| match part {
        Expr::Column { name, .. } if !columns.contains(name) => columns.push(name.clone()),
        _ => {}
    });
    if columns.len() == 1 { columns } else { Vec::new() }
}

/// The name that the server generates for a constraint.
pub(super) fn made_up_name<S: AsRef<str>>(table: &str, kind: ConstraintType, columns: &[S]) -> String {
    let (columns, suffix) = match kind {
        ConstraintType::PrimaryKey => (&[][..], "pkey"),
        ConstraintType::Unique => (columns, "key"),
        ConstraintType::ForeignKey => (columns, "fkey"),
        ConstraintType::Check => (columns, "check"),
        ConstraintType::Exclude => (columns, "excl"),
        ConstraintType::NotNull => (columns, "not_null"),
    };
    let parts = || [table].into_iter().chain(columns.iter().map(AsRef::as_ref));
    let mut name = String::with_capacity(parts().map(|part| part.len() + 1).sum::<usize>() + suffix.len());
    for part in parts() {
        name.push_str(part);
        name.push('_');
    }
    name.push_str(suffix);
    name
}

/// The name that the server generates for an index: from the table and column names, truncated, and numbered if it is
/// taken (`ChooseIndexName`).
pub(crate) fn index_name(schema: &Schema, table: &Name, called: &[String]) -> String {
    let mut columns: Vec<String> = Vec::new();
    for name in called {
        columns.push(free_name(name.clone(), columns.iter().map(String::as_str)));
    }
    let columns = columns.join("_");
    let numbered = (0..).map(|number| if number == 0 { "idx".to_owned() } else { format!("idx{number}") });
    let mut names = numbered.map(|label| object_name(&table.name, &columns, &label));
    let is_taken = |name: &String| {
        let key = Name { name: name.clone(), ..table.clone() }.key();
        schema.indexes.contains_key(&key) || schema.tables.contains_key(&key)
    };
    names.find(|name| !is_taken(name)).unwrap_or_default()
}

/// Maximum length of a name, in bytes.
const LONGEST: usize = 63;

/// Two names and a label, with the longer name truncated first (`makeObjectName`).
fn object_name(first: &str, second: &str, label: &str) -> String {
    let room = LONGEST - label.len() - 2;
    let (mut one, mut two) = (first.len(), second.len());
    while one + two > room {
        if one > two { one -= 1 } else { two -= 1 }
    }
    format!(
        "{}_{}_{label}",
        &first[..first.floor_char_boundary(one)],
        &second[..second.floor_char_boundary(two)]
    )
}

#[cfg(test)]
mod tests {
    use crate::parser::parse;
    use crate::schema::Schema;

    #[test]
    fn indexes_are_named_as_the_server_names_them() {
        let mut schema = Schema::default();
        // Each was seen on PostgreSQL 15.
        let long = "a_rather_long_name_of_a_table_that_some_person_likes_to_use";
        let text = format!(
            "CREATE TABLE t (n int, v text, j jsonb);
             CREATE INDEX ON t (n); CREATE INDEX ON t (n); CREATE INDEX ON t (lower(v)); CREATE INDEX ON t (lower(v), upper(v), n);
             CREATE INDEX ON t ((n + 1), (n + 2)); CREATE INDEX ON t ((j ->> 'a')); CREATE INDEX ON t ((v::varchar));
             CREATE INDEX ON t (n) INCLUDE (v); CREATE INDEX ON t (lower(v), lower(j::text));
             CREATE TABLE {long} (another_long_name_of_a_column int); CREATE INDEX ON {long} (another_long_name_of_a_column);"
        );
        parse(&text).stmts.iter().for_each(|stmt| schema.replay(stmt));
        let mut names: Vec<&str> = schema.indexes.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "a_rather_long_name_of_a_table_another_long_name_of_a_column_idx",
                "t_expr_expr1_idx",
                "t_expr_idx",
                "t_lower_idx",
                "t_lower_lower1_idx",
                "t_lower_upper_n_idx",
                "t_n_idx",
                "t_n_idx1",
                "t_n_v_idx",
                "t_v_idx",
            ]
        );
    }
}
