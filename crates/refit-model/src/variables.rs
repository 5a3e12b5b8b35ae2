//! Variables: the names that placeholders may use, and their values in an environment.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize as _, Deserializer};

use crate::placeholder::{Placeholder, is_variable_name, placeholders};
use crate::problem::Problem;
use crate::settings::Settings;
use crate::text::{Position, nearest};

impl Settings {
    /// Whether `${name}` in a SQL file is a placeholder: `refit.toml` has a table of variables.
    pub fn has_variables(&self) -> bool {
        self.variables.is_some() || self.environment.values().any(|profile| !profile.variables.is_empty())
    }

    /// The names of all variables, also of those that only an environment gives a value.
    pub fn variable_names(&self) -> BTreeSet<&str> {
        let of_environments = self.environment.values().flat_map(|profile| profile.variables.keys());
        self.variables.iter().flat_map(BTreeMap::keys).chain(of_environments).map(String::as_str).collect()
    }

    /// The values in an environment: `overrides`, then those of its profile, then those of `[variables]`. A variable
    /// that has none of them is left out.
    pub fn values_in(
        &self,
        environment: &str,
        overrides: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut values = self.variables.clone().unwrap_or_default();
        if let Some(profile) = self.environment.get(environment) {
            values.extend(profile.variables.clone());
        }
        values.extend(overrides.clone());
        values
    }

    /// The same for texts that are only read: a variable that has no value there has the one of another environment.
    /// `None` if `refit.toml` has no variables.
    pub fn values_to_read(
        &self,
        environment: &str,
        overrides: &BTreeMap<String, String>,
    ) -> Option<BTreeMap<String, String>> {
        self.has_variables().then(|| {
            let elsewhere = self.environment.values().rev().flat_map(|profile| profile.variables.clone());
            let mut values: BTreeMap<String, String> = elsewhere.collect();
            values.extend(self.values_in(environment, overrides));
            values
        })
    }

    /// What is wrong with values that a caller gives, by name: variables that `refit.toml` does not name.
    pub fn unknown_variables<'a>(&self, given: impl IntoIterator<Item = &'a String>) -> Vec<Problem> {
        let names = self.variable_names();
        let given = given.into_iter().filter(|name| !names.contains(name.as_str()));
        let problem = |name: &String| {
            let (message, fix) = unknown(name, &names, self.has_variables());
            Problem::new("refit.toml", message, fix)
        };
        given.map(problem).collect()
    }

    /// The malformed placeholders of a file, and those with an unknown name.
    pub(crate) fn placeholder_problems(&self, path: &str, text: &str) -> Vec<Problem> {
        if !text.contains("${") || !self.has_variables() {
            return Vec::new();
        }
        let names = self.variable_names();
        let problem = |Placeholder { name, range, .. }: Placeholder<'_>| {
            let (message, fix) = unknown(name, &names, true);
            Problem::new(path, message, fix).at(Position::of(text, range.start))
        };
        match placeholders(path, text) {
            Ok(found) => found.into_iter().filter(|one| !names.contains(one.name)).map(problem).collect(),
            Err(problems) => problems,
        }
    }
}

/// Message and fix for a name that is no variable.
fn unknown(name: &str, names: &BTreeSet<&str>, has_variables: bool) -> (String, String) {
    let fix = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if !has_variables => {
            "refit.toml has no table `[variables]`: add one that gives it a value".to_owned()
        }
        None => {
            "give it a value in `[variables]` of refit.toml, or of the environments that use it".to_owned()
        }
    };
    (format!("there is no variable `{name}`"), fix)
}

/// Reads a table of variables.
pub(crate) fn variables<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let variables = BTreeMap::<String, String>::deserialize(deserializer)?;
    match variables.iter().find(|(name, value)| !is_variable_name(name) || value.contains('\0')) {
        None => Ok(variables),
        Some((name, _)) if !is_variable_name(name) => Err(serde::de::Error::custom(format!(
            "`{name}` is not the name of a variable: use letters, digits and `_`, and no digit first"
        ))),
        Some((name, _)) => Err(serde::de::Error::custom(format!(
            "the value of the variable `{name}` contains a NUL byte, which PostgreSQL cannot store"
        ))),
    }
}

/// The same for a table that may be missing.
pub(crate) fn some_variables<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    variables(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Settings {
        Settings::parse("refit.toml", text).unwrap()
    }

    #[test]
    fn the_nearest_value_counts() {
        let settings = read(
            "[variables]\na = \"1\"\nb = \"2\"\n[environment.staging.variables]\nb = \"3\"\nc = \"4\"\n[environment.test.variables]\nc = \"5\"",
        );
        let overrides = [("a".to_owned(), "6".to_owned())].into();
        let values = |environment| {
            let values = settings.values_in(environment, &overrides);
            values.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(values("staging"), "a=6 b=3 c=4");
        assert_eq!(values("production"), "a=6 b=2");
        assert_eq!(settings.values_to_read("production", &overrides).unwrap()["c"], "4");
        assert_eq!(settings.variable_names().into_iter().collect::<String>(), "abc");
    }

    #[test]
    fn without_a_table_there_are_no_placeholders() {
        let off = read("postgres = 15\n[environment.staging]\nchecks = true");
        assert!(!off.has_variables() && off.values_to_read("staging", &BTreeMap::new()).is_none());
        assert_eq!(off.placeholder_problems("V1__a.sql", "SELECT ${x:y"), []);
        assert!(read("[variables]").has_variables());
        assert!(read("[environment.staging.variables]\na = \"1\"").has_variables());
    }

    #[test]
    fn an_unknown_name_has_its_place_and_a_suggestion() {
        let settings = read("[variables]\ntenant = \"a\"\n[environment.staging.variables]\nreader = \"b\"");
        let problems =
            settings.placeholder_problems("V1__a.sql", "SELECT ${tenant},\n ${tennant}, ${reader}");
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        let shown = "V1__a.sql:2:2: there is no variable `tennant`\n    fix: did you mean `tenant`?";
        assert_eq!(problem.to_string(), shown);
        assert_eq!(settings.unknown_variables(&["reder".to_owned()])[0].fix, "did you mean `reader`?");
        let fix = &Settings::default().unknown_variables(&["x".to_owned()])[0].fix;
        assert!(fix.contains("no table `[variables]`"), "{fix}");
    }

    #[test]
    fn names_and_values_are_checked() {
        for (text, message) in [
            ("[variables]\n\"a-b\" = \"1\"", "`a-b` is not the name of a variable"),
            ("[environment.x.variables]\n1a = \"1\"", "`1a` is not the name of a variable"),
            ("[variables]\na = \"\\u0000\"", "the value of the variable `a` contains a NUL byte"),
            ("[variables]\na = 1", "expected a string"),
            ("variables = 1", "expected a map"),
        ] {
            let problem = Settings::parse("refit.toml", text).unwrap_err();
            assert!(problem.message.contains(message) && problem.position.is_some(), "{text}: {problem}");
        }
        let number = Settings::parse("refit.toml", "[variables]\na = 1").unwrap_err();
        assert_eq!(number.fix, "write it in quotes");
    }
}
