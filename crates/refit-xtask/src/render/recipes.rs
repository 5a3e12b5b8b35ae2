//! Rendering of recipes: as a list, as a page, and as one document.

use refit_recipes::{RECIPES, Recipe};
use serde_json::{Value, json};

use crate::styled::{Style, Text, text};

/// The document of all pages in a workspace.
pub(crate) const DOCUMENT: &str = "docs/recipes.md";

const BOLD: Style = Style::Bold;

/// A recipe as JSON.
pub(crate) fn entry(recipe: &Recipe) -> Value {
    let options: Vec<Value> = recipe
        .options()
        .map(|(opt, required)| json!({ "name": opt.name, "required": required, "help": opt.help }))
        .collect();
    json!({ "name": recipe.name, "title": recipe.summary(), "page": recipe.page(), "options": options })
}

/// All recipes, a line each.
pub(crate) fn list() -> Text {
    let width = RECIPES.iter().map(|recipe| recipe.name.len()).max().unwrap_or(0);
    Text::lines(RECIPES.iter().map(|recipe| text![format!("{:width$}  ", recipe.name), recipe.summary()]))
}

/// A page for a terminal.
pub(crate) fn page(recipe: &Recipe) -> Text {
    let page = recipe.page();
    let body = page.lines().skip(1).map(Text::from);
    let mut lines = vec![text![BOLD.of(recipe.name), format!(": {}", recipe.summary())]];
    lines.extend(body);
    lines.push(Text::from(""));
    lines.push(BOLD.of("Options:"));
    let width = recipe.options().map(|(opt, _)| written(opt).len()).max().unwrap_or(0);
    lines.extend(recipe.options().map(|(opt, required)| {
        let need = if required { "" } else { " (optional)" };
        format!("  {:width$}  {}{need}", written(opt), opt.help).into()
    }));
    Text::lines(lines)
}

/// All pages: a table of contents, then a section for each recipe.
pub(crate) fn document() -> String {
    let mut text = "# Recipes\n\n\
                    <!-- Written by `cargo xtask explain --markdown recipes`; the pages are in crates/refit-recipes/src/recipes. -->\n\n\
                    A recipe writes every file of a safe change in several steps: migrations, down files, checks, and descriptions, which say \
                    which release\nmay be deployed at which step. The files are yours from then on: read and change them like any other.\n\n\
                    ```console\n$ cargo xtask new-migration rename_title --recipe rename-column --table posts --column title --to headline\n```\n\n\
                    Tables and columns are looked up in the [snapshot](snapshots.md) of the folder, if it has one, and `postgres` of\n\
                    [`refit.toml`](configuration.md#refittoml) decides about the form. If an argument is unusable, nothing is written and the exit\n\
                    status is 2.\n\n\
                    | recipe | what it does |\n|---|---|\n"
        .to_owned();
    for recipe in &RECIPES {
        text.push_str(&format!("| [`{0}`](#{0}) | {1} |\n", recipe.name, recipe.summary()));
    }
    for recipe in &RECIPES {
        let page = recipe.page();
        let body: Vec<&str> = page.lines().skip(1).collect();
        text.push_str(&format!("\n## {}\n\n**{}**\n", recipe.name, recipe.summary()));
        text.push_str(&format!("{}\n\n| option | meaning |\n|---|---|\n", body.join("\n").trim_end()));
        for (opt, required) in recipe.options() {
            let need = if required { "" } else { " (optional)" };
            text.push_str(&format!("| `{}` | {}{need} |\n", written(opt), opt.help));
        }
    }
    text
}

fn written(opt: &refit_recipes::Opt) -> String {
    format!("--{} {}", opt.name, opt.value).trim_end().to_owned()
}
