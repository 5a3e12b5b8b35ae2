//! Foreign keys as relations between tables, with the number of rows at each end.

use crate::{Catalog, Constraint, Table};

/// How many rows of one table belong to a row of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    ZeroOrOne,
    One,
    Any,
    OneOrMore,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub(crate) struct Relation<'a> {
    /// The referencing table.
    pub(crate) child: &'a str,
    /// The referenced table.
    pub(crate) parent: &'a str,
    pub(crate) columns: &'a [String],
    /// How many rows of the parent a row of the child has.
    pub(crate) parents: Count,
    /// How many rows of the child a row of the parent has.
    pub(crate) children: Count,
    /// The key of the child contains that of the parent.
    pub(crate) identifying: bool,
}

impl Count {
    /// For readers: `exactly one`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Count::ZeroOrOne => "at most one",
            Count::One => "exactly one",
            Count::Any => "any number",
            Count::OneOrMore => "one or more",
        }
    }
}

/// The role of a column in its table's keys.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) primary: bool,
    pub(crate) foreign: bool,
    /// Unique by itself.
    pub(crate) unique: bool,
}

impl Marks {
    pub(crate) fn of(table: &Table, column: &str) -> Marks {
        let mut marks = Marks::default();
        for constraint in table.constraints.values() {
            let is_in = constraint.columns.iter().any(|found| found == column);
            marks.primary |= is_in && constraint.kind == "primary key";
            marks.foreign |= is_in && constraint.kind == "foreign key";
        }
        marks.unique = !marks.primary && unique_keys(table).iter().any(|key| key[..] == [column]);
        marks
    }

    /// `PK`, `FK` and `UK`, as they apply.
    pub(crate) fn words(self) -> Vec<&'static str> {
        let all = [(self.primary, "PK"), (self.foreign, "FK"), (self.unique, "UK")];
        all.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect()
    }
}

/// All foreign keys, by table and name.
pub(crate) fn relations(catalog: &Catalog) -> Vec<Relation<'_>> {
    let tables = catalog.tables.iter().chain(&catalog.foreign_tables);
    let mut found = Vec::new();
    for (child, table) in tables {
        for constraint in table.constraints.values() {
            found.extend(relation(child, table, constraint));
        }
    }
    found
}

fn relation<'a>(child: &'a str, table: &'a Table, constraint: &'a Constraint) -> Option<Relation<'a>> {
    let references = constraint.references.as_ref()?;
    let columns = &constraint.columns;
    let is_null = |column: &String| !is_not_null(table, column);
    // A single null makes the whole key reference nothing; under MATCH FULL all of its columns are null or none.
    let optional =
        if references.match_full { columns.iter().all(is_null) } else { columns.iter().any(is_null) };
    // A key that is not enforced guarantees nothing.
    let optional = optional || constraint.not_enforced;
    let parents = match (constraint.period, optional) {
        (true, true) => Count::Any,
        (true, false) => Count::OneOrMore,
        (false, true) => Count::ZeroOrOne,
        (false, false) => Count::One,
    };
    let is_unique =
        unique_keys(table).iter().any(|key| key.iter().all(|part| columns.iter().any(|c| c == part)));
    let primary = table.constraints.values().find(|constraint| constraint.kind == "primary key");
    Some(Relation {
        child,
        parent: &references.table,
        columns,
        parents,
        children: if is_unique { Count::ZeroOrOne } else { Count::Any },
        identifying: primary.is_some_and(|key| columns.iter().all(|column| key.columns.contains(column))),
    })
}

fn is_not_null(table: &Table, name: &str) -> bool {
    let column = table.columns.iter().find(|column| column.name == name);
    let is_primary = |constraint: &Constraint| {
        constraint.kind == "primary key" && constraint.columns.iter().any(|column| column == name)
    };
    column.is_some_and(|column| column.not_null) || table.constraints.values().any(is_primary)
}

/// Sets of columns in which no two rows have the same values.
fn unique_keys(table: &Table) -> Vec<Vec<&str>> {
    let constraints = table.constraints.values().filter(|constraint| {
        matches!(constraint.kind.as_str(), "primary key" | "unique") && !constraint.period
    });
    let mut keys: Vec<Vec<&str>> =
        constraints.map(|constraint| constraint.columns.iter().map(String::as_str).collect()).collect();
    let indexes =
        table.indexes.values().filter(|index| index.unique && index.predicate.is_empty() && !index.invalid);
    // An expression is not a column; a column may be followed by its operator class and order.
    let column = |element: &str| {
        let named = |name: &str| {
            element.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        table.columns.iter().map(|column| column.name.as_str()).find(|name| named(name))
    };
    keys.extend(
        indexes
            .filter_map(|index| index.columns.iter().map(|element| column(element)).collect::<Option<_>>()),
    );
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(child: serde_json::Value) -> Catalog {
        let tables = serde_json::json!({"format": 1, "tables": {"a.child": child, "a.parent": {}}});
        let mut value = tables;
        value.as_object_mut().unwrap().remove("format");
        serde_json::from_value(value).unwrap()
    }

    fn ends(columns: &str, constraint: &str, others: &str) -> (Count, Count, bool) {
        let child = format!(
            r#"{{"columns": {columns}, "constraints": {{
                "fk": {{"kind": "foreign key", "references": {{"table": "a.parent", "columns": ["x", "y"]}}, {constraint}}}
                {others}}}}}"#
        );
        let catalog = catalog(serde_json::from_str(&child).unwrap());
        let relation = &relations(&catalog)[0];
        (relation.parents, relation.children, relation.identifying)
    }

    #[test]
    fn ends_are_counted() {
        let columns = r#"[{"name": "x", "not_null": true}, {"name": "y"}]"#;
        let one = r#""columns": ["x"]"#;
        assert_eq!(ends(columns, one, ""), (Count::One, Count::Any, false));
        assert_eq!(ends(columns, r#""columns": ["y"]"#, "").0, Count::ZeroOrOne);
        let both = r#""columns": ["x", "y"]"#;
        assert_eq!(ends(columns, both, "").0, Count::ZeroOrOne);
        let unique = r#", "u": {"kind": "unique", "columns": ["x"]}"#;
        assert_eq!(ends(columns, both, unique).1, Count::ZeroOrOne);
        let wider = r#", "u": {"kind": "unique", "columns": ["x", "y"]}"#;
        assert_eq!(ends(columns, one, wider).1, Count::Any);
        let primary = r#", "p": {"kind": "primary key", "columns": ["y", "x"]}"#;
        assert_eq!(ends(columns, both, primary), (Count::One, Count::ZeroOrOne, true));
        assert_eq!(ends(columns, r#""columns": ["x"], "period": true"#, "").0, Count::OneOrMore);
        assert_eq!(ends(columns, r#""columns": ["x"], "not_enforced": true"#, "").0, Count::ZeroOrOne);
    }
}
