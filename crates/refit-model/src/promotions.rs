//! `promotions.toml`: what has been applied in the environments that others require.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::problem::Problem;
use crate::text::Position;

/// The records of `promotions.toml`: for each environment, the migrations that were applied there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Promotions(BTreeMap<String, BTreeMap<String, Promotion>>);

/// A migration that was applied in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// Its digest: [`SetStep::digest`](crate::SetStep::digest).
    pub digest: String,
    /// When it was recorded, RFC 3339.
    pub at: String,
}

const HEAD: &str = "# What `cargo xtask migrate` applied in environments that others require (`requires` in refit.toml).\n\
                    # Commit it with the migrations.\n";

impl Promotions {
    /// The name of the file in the migrations folder.
    pub const FILE: &str = "promotions.toml";

    /// Reads `promotions.toml`.
    ///
    /// # Errors
    /// A problem with its position if the text has another form.
    pub fn parse(path: &str, text: &str) -> Result<Promotions, Problem> {
        toml::from_str(text).map_err(|error| {
            let fix = "`cargo xtask migrate` writes this file: resolve a conflict by keeping the lines of both sides, or remove the \
                       file and run it again in each environment that others require";
            let problem = Problem::new(path, error.message(), fix);
            match error.span() {
                Some(span) => problem.at(Position::of(text, span.start)),
                None => problem,
            }
        })
    }

    /// The record of a migration in an environment; `stem` is its file name without `.sql`.
    pub fn find(&self, environment: &str, stem: &str) -> Option<&Promotion> {
        self.0.get(environment)?.get(stem)
    }

    /// The environments in which a migration was applied.
    pub fn environments_of<'a>(&'a self, stem: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(_, applied)| applied.contains_key(stem)).map(|(name, _)| name.as_str())
    }

    /// Records a migration in an environment, in place of an earlier record.
    pub fn record(&mut self, environment: &str, stem: &str, promotion: Promotion) {
        self.0.entry(environment.to_owned()).or_default().insert(stem.to_owned(), promotion);
    }

    /// The text of the file: a line for each migration, so that branches can be merged.
    pub fn text(&self) -> String {
        let mut file = HEAD.to_owned();
        for (environment, migrations) in &self.0 {
            file.push_str(&format!("\n[{}]\n", quoted(environment)));
            for (stem, Promotion { digest, at }) in migrations {
                let (stem, digest, at) = (quoted(stem), quoted(digest), quoted(at));
                file.push_str(&format!("{stem} = {{ digest = {digest}, at = {at} }}\n"));
            }
        }
        file
    }
}

/// A TOML string on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_again() {
        let mut promotions = Promotions::default();
        assert_eq!(Promotions::parse("promotions.toml", &promotions.text()).unwrap(), promotions);
        let promotion =
            |digest: &str| Promotion { digest: digest.to_owned(), at: "2026-11-29T00:00:00Z".to_owned() };
        promotions.record("staging", "V2__b", promotion("old"));
        promotions.record("staging", "V2__b", promotion("new"));
        promotions.record("staging", "V10__é", promotion("x"));
        promotions.record("a \"quoted\"\nname", "R__views", promotion("y"));
        assert_eq!(promotions.find("staging", "V2__b").unwrap().digest, "new");
        assert_eq!(promotions.find("production", "V2__b"), None);
        let text = promotions.text();
        assert!(text.contains("\"V2__b\" = { digest = \"new\", at = \"2026-11-29T00:00:00Z\" }\n"), "{text}");
        assert_eq!(Promotions::parse("promotions.toml", &text).unwrap(), promotions);
    }

    #[test]
    fn a_damaged_file_is_a_problem_with_its_place() {
        for (text, line) in [
            ("[staging]\n<<<<<<< HEAD\n", 2),
            ("[staging]\nV1__a = \"x\"\n", 2),
            ("[staging]\nV1__a = { digest = \"x\", at = \"y\", by = \"z\" }\n", 2),
            ("[staging]\nV1__a = { at = \"y\" }\n", 2),
            ("staging = 1\n", 1),
        ] {
            let problem = Promotions::parse("promotions.toml", text).unwrap_err();
            assert_eq!(problem.position.unwrap().line, line, "{problem}");
            assert!(problem.fix.contains("cargo xtask migrate"), "{problem}");
        }
    }
}
