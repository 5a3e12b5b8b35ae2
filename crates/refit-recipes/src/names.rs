//! Names of the objects that a recipe makes: as the server would choose them, at most 63 bytes, and not taken.

use std::collections::BTreeSet;

use refit_catalog::{Catalog, Table, bare};

use crate::problem::Problem;

/// The most bytes that a name may have.
const LONGEST: usize = 63;

/// The names that are taken, whatever their schema.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// The names of a schema.
    pub(crate) fn of(catalog: &Catalog) -> Names {
        let mut taken = BTreeSet::new();
        let relations = catalog
            .tables
            .iter()
            .chain(&catalog.views)
            .chain(&catalog.materialized_views)
            .chain(&catalog.foreign_tables);
        for (key, table) in relations {
            taken.insert(last(key));
            taken.extend(of_table(table));
        }
        let others = catalog
            .functions
            .keys()
            .chain(catalog.procedures.keys())
            .chain(catalog.aggregates.keys())
            .chain(catalog.sequences.keys())
            .chain(catalog.enums.keys())
            .chain(catalog.domains.keys())
            .chain(catalog.composites.keys());
        taken.extend(others.map(|key| last(key.split('(').next().unwrap_or(key))));
        Names { taken }
    }

    /// A free name of up to two parts and an ending; the longer part is shortened.
    pub(crate) fn choose(&mut self, first: &str, second: &str, ending: &str) -> String {
        let name = (0..)
            .map(|n| match n {
                0 => joined(first, second, ending),
                n => joined(first, second, &format!("{ending}{n}")),
            })
            .find(|name| !self.taken.contains(name))
            .unwrap_or_else(|| joined(first, second, ending));
        self.taken.insert(name.clone());
        name
    }

    /// A name that was given, if it is free.
    pub(crate) fn given(&mut self, name: &str) -> Result<String, Problem> {
        checked(name)?;
        if !self.taken.insert(name.to_owned()) {
            return Err(Problem::new(format!("the name {name} is taken: choose another one")));
        }
        Ok(name.to_owned())
    }
}

/// A name that was given, if the server would not shorten it.
pub(crate) fn checked(name: &str) -> Result<&str, Problem> {
    match name.len() {
        0 => Err(Problem::new("a name is empty")),
        length if length > LONGEST => {
            Err(Problem::new(format!("the name {name} has {length} bytes; the maximum is {LONGEST}")))
        }
        _ => Ok(name),
    }
}

fn of_table(table: &Table) -> impl Iterator<Item = String> {
    let names = table.indexes.keys().chain(table.constraints.keys()).chain(table.triggers.keys());
    names.map(|name| bare(name))
}

/// The name without its schema.
fn last(key: &str) -> String {
    let parts = split(key);
    parts.into_iter().next_back().unwrap_or_default()
}

/// The parts of a name as the catalog writes it.
pub(crate) fn split(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in key.chars() {
        match c {
            '.' if !quoted => parts.push(String::new()),
            c => {
                quoted ^= c == '"';
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    parts.iter().map(|part| bare(part)).collect()
}

/// `first_second_ending`; the longer of the parts loses characters until it fits.
fn joined(first: &str, second: &str, ending: &str) -> String {
    let (mut first, mut second) = (first.to_owned(), second.to_owned());
    loop {
        let parts = [first.as_str(), second.as_str(), ending];
        let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
        if name.len() <= LONGEST {
            return name;
        }
        let longer = if first.len() >= second.len() { &mut first } else { &mut second };
        if longer.pop().is_none() {
            return name;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_are_free() {
        let mut names = Names::default();
        assert_eq!(names.choose("posts", "title", "idx"), "posts_title_idx");
        assert_eq!(names.choose("posts", "title", "idx"), "posts_title_idx1");
        let long = "ü".repeat(40);
        let name = names.choose(&long, "title", "sync");
        assert!(name.len() <= 63 && name.ends_with("ü_title_sync"), "{name}");
        let other = names.choose(&long, "title", "sync");
        assert!(other.len() <= 63 && other.ends_with("_sync1"), "{other}");
        assert!(names.given("posts_title_idx").is_err());
        assert!(names.given(&"x".repeat(64)).is_err());
    }

    #[test]
    fn names_with_quotes_are_split() {
        assert_eq!(split("public.posts"), ["public", "posts"]);
        assert_eq!(split(r#""My.schema"."a ""b"""#), ["My.schema", "a \"b\""]);
    }
}
