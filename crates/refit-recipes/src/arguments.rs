//! What a recipe is given.

use std::collections::BTreeMap;

use crate::problem::Problem;
use crate::recipe::Recipe;

/// An option of the command line that recipes take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// What stands for its value in the help; empty for a flag.
    pub value: &'static str,
    /// What it means.
    pub help: &'static str,
}

const fn opt(name: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { name, value, help }
}

/// All options, in the order of the help.
pub const OPTIONS: [Opt; 24] = [
    opt("table", "TABLE", "The table: its name, or schema.name; a name with a dot in it in double quotes"),
    opt("column", "COLUMN", "The column; several are separated by commas, or the option is repeated"),
    opt("to", "NAME", "The new name, or the new column"),
    opt("type", "TYPE", "The type of the new column, as in SQL"),
    opt("default", "EXPRESSION", "The default, as in SQL"),
    opt("value", "EXPRESSION", "The value of a row, as in SQL; it may name the row's columns"),
    opt("where", "CONDITION", "Which rows, as in SQL"),
    opt("using", "EXPRESSION", "The new value from the old one, as in SQL [default: a cast]"),
    opt("back", "EXPRESSION", "The old value from the new one, as in SQL [default: a cast]"),
    opt("check", "CONDITION", "The condition, as in SQL"),
    opt("references", "TABLE(COLUMN)", "The table and columns that a foreign key refers to"),
    opt("on-delete", "ACTION", "What a foreign key does on delete: cascade, restrict, set-null or no-action"),
    opt("index", "INDEX", "An existing index: its name, or schema.name"),
    opt(
        "object-name",
        "NAME",
        "The name of the new index or constraint [default: as the server would choose it]",
    ),
    opt("method", "METHOD", "The access method of the index, such as gin"),
    opt("include", "COLUMN", "Columns that the index only stores"),
    opt("key", "COLUMN", "The columns by which batches walk the table [default: its primary key]"),
    opt(
        "field",
        "KEY:TYPE",
        "A key of the document, and the type of its column, such as price:numeric; repeated for several",
    ),
    opt("values", "VALUE", "The values of the enum, in order"),
    opt("drop-after", "DATE", "The day from which on the backup may be dropped, such as 2027-01-31"),
    opt("comment", "TEXT", "The comment of the new column"),
    opt("unique", "", "Make the index unique"),
    opt("nulls-not-distinct", "", "Let NULL equal NULL (PostgreSQL 15)"),
    opt("no-index", "", "Write no index for the foreign key"),
];

/// The options that were given, with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments(BTreeMap<String, Vec<String>>);

impl Arguments {
    /// Sets an option. One without values counts as not given.
    pub fn set<V: Into<String>>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = V>,
    ) -> &mut Arguments {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        if !values.is_empty() {
            self.0.insert(name.to_owned(), values);
        }
        self
    }

    /// Whether it was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All values.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The only value, if it was given.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// Whether these are the options of a recipe.
    pub(crate) fn check(&self, recipe: &Recipe) -> Result<(), Problem> {
        let takes = |name: &String| recipe.required.iter().chain(recipe.optional).any(|known| known == name);
        if let Some(name) = self.0.keys().find(|name| !takes(name)) {
            return Err(Problem::new(format!(
                "recipe {} takes no --{name}; it takes {}",
                recipe.name,
                recipe.usage()
            )));
        }
        let missing: Vec<String> = recipe
            .required
            .iter()
            .filter(|name| !self.0.contains_key(**name))
            .map(|name| format!("--{name}"))
            .collect();
        if !missing.is_empty() {
            return Err(Problem::new(format!(
                "recipe {} needs {}; it takes {}",
                recipe.name,
                missing.join(" and "),
                recipe.usage()
            )));
        }
        for (name, values) in &self.0 {
            if values.iter().any(|value| value.trim().is_empty() || value.contains('\0')) {
                return Err(Problem::new(format!("--{name} is empty")));
            }
            let many = matches!(name.as_str(), "column" | "field" | "include" | "key" | "values");
            if values.len() > 1 && (!many || recipe.one_column && name == "column") {
                return Err(Problem::new(format!("recipe {} takes one --{name}", recipe.name)));
            }
        }
        Ok(())
    }
}
