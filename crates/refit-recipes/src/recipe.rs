//! What a recipe is.

use crate::arguments::OPTIONS;
use crate::builder::Builder;
use crate::problem::Problem;
use crate::recipes::RECIPES;

/// A generator for a safe change in several steps.
#[derive(Debug)]
pub struct Recipe {
    /// Its name, such as `add-column`.
    pub name: &'static str,
    /// The text of its file.
    pub(crate) source: &'static str,
    /// The options that it needs.
    pub(crate) required: &'static [&'static str],
    /// The options that it takes.
    pub(crate) optional: &'static [&'static str],
    /// Whether it is about one column only.
    pub(crate) one_column: bool,
    /// Adds its steps.
    pub(crate) build: fn(&mut Builder<'_>) -> Result<(), Problem>,
}

impl Recipe {
    /// Its page, as Markdown.
    pub fn page(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        let page: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        page.join("\n")
    }

    /// The first line of the page: what it does.
    pub fn summary(&self) -> String {
        let page = self.page();
        page.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned()
    }

    /// Its options on one line: `--table TABLE --column COLUMN [--default EXPRESSION]`.
    pub fn usage(&self) -> String {
        let written = |name: &&str| {
            let value = OPTIONS.iter().find(|opt| opt.name == *name).map_or("", |opt| opt.value);
            format!("--{name} {value}").trim_end().to_owned()
        };
        let required = self.required.iter().map(written);
        let optional = self.optional.iter().map(|name| format!("[{}]", written(name)));
        required.chain(optional).collect::<Vec<_>>().join(" ")
    }

    /// The options that it takes, each with whether it needs it and what it means.
    pub fn options(&self) -> impl Iterator<Item = (&'static crate::Opt, bool)> {
        OPTIONS.iter().filter_map(|opt| {
            let required = self.required.contains(&opt.name);
            (required || self.optional.contains(&opt.name)).then_some((opt, required))
        })
    }
}

/// A recipe by its name.
///
/// # Errors
///
/// If there is none.
pub fn find(name: &str) -> Result<&'static Recipe, Problem> {
    RECIPES.iter().find(|recipe| recipe.name == name).ok_or_else(|| {
        let near = refit_model::nearest(name, RECIPES.iter().map(|recipe| recipe.name));
        let instead = near.map_or_else(
            || {
                format!(
                    "there are {}",
                    RECIPES.iter().map(|recipe| recipe.name).collect::<Vec<_>>().join(", ")
                )
            },
            |near| format!("did you mean {near}?"),
        );
        Problem::new(format!("there is no recipe {name}: {instead}"))
    })
}
