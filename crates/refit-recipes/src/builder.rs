//! What a recipe builds its steps with: arguments, the schema, names and templates.

use refit_catalog::{Catalog, Column, bare};
use refit_lint::Batches;

use crate::arguments::Arguments;
use crate::names::Names;
use crate::problem::Problem;
use crate::step::{Step, Text};
use crate::table::Table;
use crate::template::Templates;

/// A change that is being built.
#[derive(Debug)]
pub(crate) struct Builder<'s> {
    pub(crate) arguments: &'s Arguments,
    pub(crate) catalog: Option<&'s Catalog>,
    /// The oldest PostgreSQL major version in use.
    pub(crate) postgres: u32,
    pub(crate) names: Names,
    pub(crate) templates: Templates,
    /// What the change is for, in a sentence.
    pub(crate) purpose: String,
    /// What a reader of the descriptions has to know besides: what is copied, and what is not.
    pub(crate) notes: Vec<String>,
    pub(crate) steps: Vec<Step>,
}

impl<'s> Builder<'s> {
    pub(crate) fn new(arguments: &'s Arguments, catalog: Option<&'s Catalog>, postgres: u32) -> Builder<'s> {
        Builder {
            arguments,
            catalog,
            postgres,
            names: catalog.map(Names::of).unwrap_or_default(),
            templates: Templates::new(),
            purpose: String::new(),
            notes: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The table, as `{{ table }}`, and its bare name, as `{{ table_name }}`.
    pub(crate) fn table(&mut self) -> Result<Table<'s>, Problem> {
        let given = self.required("table")?;
        let table = Table::of(given, self.catalog)?;
        self.use_table(&table);
        Ok(table)
    }

    pub(crate) fn use_table(&mut self, table: &Table<'_>) {
        self.templates.set("table", table.written());
        self.templates.set("table_name", table.name.clone());
    }

    /// The column that exists, as `{{ column }}`.
    pub(crate) fn column(&mut self, table: &Table<'s>) -> Result<(String, Option<&'s Column>), Problem> {
        let name = self.required("column")?.to_owned();
        let facts = table.column(&name)?;
        self.templates.set("column", name.clone());
        Ok((name, facts))
    }

    /// The columns that exist, as `{{ columns }}`.
    pub(crate) fn columns(&mut self, table: &Table<'s>) -> Result<Vec<String>, Problem> {
        let names = self.arguments.all("column").to_vec();
        for name in &names {
            table.column(name)?;
        }
        self.templates.set("columns", names.clone());
        Ok(names)
    }

    /// The value of an option, which has been checked to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&'s str, Problem> {
        self.arguments.one(name).ok_or_else(|| Problem::new(format!("--{name} is missing")))
    }

    /// The name that was given with `--object-name`, or a free one.
    pub(crate) fn object_name(
        &mut self,
        table: &Table<'_>,
        middle: &str,
        ending: &str,
    ) -> Result<String, Problem> {
        match self.arguments.one("object-name") {
            Some(name) => self.names.given(name),
            None => Ok(self.names.choose(&table.name, middle, ending)),
        }
    }

    /// How a backfill walks the table: by `--key`, or by its primary key.
    pub(crate) fn batches(&mut self, table: &Table<'_>) -> Result<Batches, Problem> {
        let given = self.arguments.all("key").to_vec();
        for name in &given {
            table.column(name)?;
        }
        let key = if given.is_empty() { table.primary_key() } else { Some(given) };
        let Some(key) = key else {
            return Err(Problem::new(match table.facts {
                Some(_) => format!(
                    "{} has no primary key: give --key with columns that are never NULL and begin an index",
                    table.name
                ),
                None => {
                    "there is no snapshot that shows the primary key: give --key, such as --key id, or run \
                         `cargo xtask snapshot`"
                        .to_owned()
                }
            }));
        };
        let batches = Batches::by(key, &table.lint_name(), None);
        self.templates.set("range", batches.range.clone());
        self.templates.set("key", batches.key.clone());
        Ok(batches)
    }

    /// A text with its values.
    pub(crate) fn text(&self, text: &Text) -> Result<String, Problem> {
        match text {
            Text::Template(template) => self.templates.render(template),
            Text::Done(text) => Ok(text.clone()),
        }
    }

    /// Adds a step, with the values that are set now.
    pub(crate) fn add(&mut self, mut step: Step) -> Result<(), Problem> {
        for text in [
            &mut step.why,
            &mut step.up,
            &mut step.down,
            &mut step.check,
            &mut step.releases,
            &mut step.risk,
            &mut step.rollback,
        ] {
            *text = Text::Done(self.text(text)?);
        }
        self.steps.push(step);
        Ok(())
    }

    /// Sets what the change is for.
    pub(crate) fn purpose(&mut self, template: &'static str) -> Result<(), Problem> {
        self.purpose = self.templates.render(template)?;
        Ok(())
    }
}

/// An element of an index as SQL, and the column that it is, if it is one.
pub(crate) fn element(table: &Table<'_>, element: &str) -> (String, Option<String>) {
    let columns = table.facts.map_or(&[][..], |facts| facts.columns.as_slice());
    let named = columns.iter().find_map(|column| {
        let rest = element.strip_prefix(column.name.as_str())?;
        (rest.is_empty() || rest.starts_with(' ')).then(|| (bare(&column.name), rest))
    });
    match named {
        Some((name, rest)) => (format!("{}{rest}", refit_model::quoted_name(&name)), Some(name)),
        None => (element.to_owned(), None),
    }
}
