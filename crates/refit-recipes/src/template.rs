//! Templates that read as SQL. `{{ name|ident }}` is a name, quoted if SQL needs it; `{{ text|literal }}` is a string.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, UndefinedBehavior, Value};
use refit_model::quoted_name;

use crate::problem::Problem;

/// Renders texts with the same values.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
    values: BTreeMap<&'static str, Value>,
}

impl Templates {
    pub(crate) fn new() -> Templates {
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        syntax.keep_trailing_newline(true);
        if let Ok(syntax) = syntax.build() {
            environment.set_syntax(syntax);
        }
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.add_filter("ident", |name: String| quoted_name(&name));
        environment.add_filter("idents", |names: Vec<String>| {
            names.iter().map(|name| quoted_name(name)).collect::<Vec<_>>().join(", ")
        });
        environment.add_filter("literal", |text: String| literal(&text));
        Templates { environment, values: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.values.insert(name, value.into());
    }

    /// A text with its values. An error is a mistake in the template.
    pub(crate) fn render(&self, template: &str) -> Result<String, Problem> {
        let failed = |error: Error| Problem::new(format!("a template cannot be written: {error:#}"));
        self.environment.render_str(template, Value::from(self.values.clone())).map_err(failed)
    }
}

/// A string as in SQL.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_are_quoted() {
        let mut templates = Templates::new();
        templates.set("name", "Odd \"name\"");
        templates.set("names", vec!["a", "Order", "user"]);
        templates.set("text", "it's");
        let sql = templates.render("{{ name|ident }} ({{ names|idents }}) {{ text|literal }}").unwrap();
        assert_eq!(sql, r#""Odd ""name""" (a, "Order", "user") 'it''s'"#);
        assert!(templates.render("{{ nothing }}").is_err());
        assert_eq!(literal("a\\b"), r"E'a\\b'");
    }
}
