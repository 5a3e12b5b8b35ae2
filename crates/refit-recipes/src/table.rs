//! A table as it was given, and what the snapshot knows of it.

use refit_catalog::{Catalog, Column, Constraint, Table as Facts, bare, ident};
use refit_lint::sql::{Name, Span};
use refit_model::{nearest, quoted_name, significant_tokens};

use crate::names::{checked, split};
use crate::problem::Problem;

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table<'s> {
    /// The schema, if one was given.
    pub(crate) schema: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// The table in the snapshot, if there is one.
    pub(crate) facts: Option<&'s Facts>,
}

/// Schema and name of an object, as given.
pub(crate) fn parts(given: &str) -> Result<(Option<String>, String), Problem> {
    let mut parts = split(given);
    let name = parts.pop().unwrap_or_default();
    let schema = parts.pop();
    if !parts.is_empty() {
        return Err(Problem::new(format!("{given} has more than a schema and a name")));
    }
    checked(&name)?;
    Ok((schema, name))
}

impl<'s> Table<'s> {
    /// A table of the snapshot, or any table if there is no snapshot.
    pub(crate) fn of(given: &str, catalog: Option<&'s Catalog>) -> Result<Table<'s>, Problem> {
        let (schema, name) = parts(given)?;
        let Some(catalog) = catalog else { return Ok(Table { schema, name, facts: None }) };
        let key = |schema: &str| format!("{}.{}", ident(schema), ident(&name));
        let found = match &schema {
            Some(schema) => catalog.tables.get(&key(schema)),
            None => catalog.tables.get(&key("public")).or_else(|| only(catalog, &name)),
        };
        if found.is_none() {
            return Err(unknown(given, &name, catalog));
        }
        Ok(Table { schema, name, facts: found })
    }

    /// As in SQL.
    pub(crate) fn written(&self) -> String {
        let schema = self.schema.as_deref().map(|schema| format!("{}.", quoted_name(schema)));
        schema.unwrap_or_default() + &quoted_name(&self.name)
    }

    /// Another object in the same schema, as in SQL.
    pub(crate) fn beside(&self, name: &str) -> String {
        Table { name: name.to_owned(), facts: None, ..self.clone() }.written()
    }

    /// As the linter names it.
    pub(crate) fn lint_name(&self) -> Name {
        Name { schema: self.schema.clone(), name: self.name.clone(), span: Span::default() }
    }

    /// A column of the snapshot, or `None` if there is no snapshot.
    pub(crate) fn column(&self, name: &str) -> Result<Option<&'s Column>, Problem> {
        checked(name)?;
        let Some(facts) = self.facts else { return Ok(None) };
        let written = ident(name);
        if let Some(column) = facts.columns.iter().find(|column| column.name == written) {
            return Ok(Some(column));
        }
        let names: Vec<String> = facts.columns.iter().map(|column| bare(&column.name)).collect();
        let instead = nearest(name, names.iter().map(String::as_str))
            .map_or_else(|| format!("it has {}", names.join(", ")), |near| format!("did you mean {near}?"));
        Err(Problem::new(format!("{} has no column {name} in the snapshot: {instead}", self.name)))
    }

    /// A name that no column has yet.
    pub(crate) fn is_new(&self, name: &str) -> Result<(), Problem> {
        checked(name)?;
        let written = ident(name);
        match self.facts.is_some_and(|facts| facts.columns.iter().any(|column| column.name == written)) {
            true => Err(Problem::new(format!("{} already has a column {name}", self.name))),
            false => Ok(()),
        }
    }

    /// Whether the snapshot shows that it is partitioned.
    pub(crate) fn is_partitioned(&self) -> bool {
        self.facts.is_some_and(|facts| !facts.partition_by.is_empty())
    }

    /// The columns of its primary key.
    pub(crate) fn primary_key(&self) -> Option<Vec<String>> {
        let mut constraints = self.facts?.constraints.values();
        let key = constraints.find(|constraint| constraint.kind == "primary key")?;
        Some(columns_of(key))
    }
}

/// Whether an expression of the catalog names a column.
pub(crate) fn mentions(expression: &str, column: &str) -> bool {
    let (written, in_catalog) = (quoted_name(column), ident(column));
    significant_tokens(expression).into_iter().any(|token| token == written || token == in_catalog)
}

/// The columns of a constraint.
pub(crate) fn columns_of(constraint: &Constraint) -> Vec<String> {
    constraint.columns.iter().map(|column| bare(column)).collect()
}

/// The only table with a name, whatever its schema.
fn only<'s>(catalog: &'s Catalog, name: &str) -> Option<&'s Facts> {
    let mut found =
        catalog.tables.iter().filter(|(key, _)| split(key).last().is_some_and(|last| last == name));
    let first = found.next()?;
    found.next().is_none().then_some(first.1)
}

fn unknown(given: &str, name: &str, catalog: &Catalog) -> Problem {
    let names: Vec<String> = catalog.tables.keys().filter_map(|key| split(key).pop()).collect();
    let instead = nearest(name, names.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!(" did you mean {near}?"));
    Problem::new(format!(
        "the snapshot has no table {given}:{instead} If a migration adds it, run `cargo xtask snapshot` first"
    ))
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_column_is_named_by_a_whole_word_outside_of_strings() {
        assert!(mentions("(code <> ''::text)", "code") && mentions("RANGE (\"At\")", "At"));
        assert!(!mentions("((kind = 'code'::text) AND code2)", "code"));
    }
}
