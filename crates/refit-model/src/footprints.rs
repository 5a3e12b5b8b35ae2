//! `footprints.toml`: what each migration touches, for `out_of_order = "commuting"`. The program that embeds the folder cannot
//! read SQL that deeply, so `cargo xtask snapshot` writes it down, for the set as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::text::Position;

/// The records of `footprints.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footprints {
    /// The digest of the set: the records are about no other one.
    digest: String,
    /// By stem.
    #[serde(default)]
    migrations: BTreeMap<String, Touched>,
}

/// What one migration touches. Objects are named as in `app.posts`, without the schema `public`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Touched {
    /// The objects whose definition or rows it changes.
    pub changes: BTreeSet<String>,
    /// Further objects that it names, of those that migrations change.
    pub names: BTreeSet<String>,
    /// Why it may touch any object.
    pub opaque: Option<String>,
}

const HEAD: &str = "# What each migration touches, for `out_of_order = \"commuting\"`. `cargo xtask snapshot` writes this file.\n";

impl Footprints {
    /// The name of the file in the migrations folder.
    pub const FILE: &str = "footprints.toml";

    /// The records of a set, by stem.
    pub fn new(digest: impl Into<String>, migrations: BTreeMap<String, Touched>) -> Footprints {
        Footprints { digest: digest.into(), migrations }
    }

    /// Reads `footprints.toml`.
    ///
    /// # Errors
    /// A problem with its position if the text has another form.
    pub fn parse(path: &str, text: &str) -> Result<Footprints, Problem> {
        toml::from_str(text).map_err(|error| {
            let fix = "run `cargo xtask snapshot`, which writes this file";
            let problem = Problem::new(path, error.message(), fix);
            match error.span() {
                Some(span) => problem.at(Position::of(text, span.start)),
                None => problem,
            }
        })
    }

    /// The text of the file: a line for each migration.
    pub fn text(&self) -> String {
        let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
        let list = |names: &BTreeSet<String>| names.iter().map(quoted).collect::<Vec<_>>().join(", ");
        let mut file = format!("{HEAD}digest = {}\n\n[migrations]\n", quoted(&self.digest));
        for (stem, Touched { changes, names, opaque }) in &self.migrations {
            let opaque =
                opaque.as_ref().map_or(String::new(), |reason| format!(", opaque = {}", quoted(reason)));
            file.push_str(&format!(
                "{} = {{ changes = [{}], names = [{}]{opaque} }}\n",
                quoted(stem),
                list(changes),
                list(names)
            ));
        }
        file
    }

    /// Why the order of two migrations of a set may matter; none if it does not.
    pub(crate) fn order_matters(&self, digest: &str, one: &str, other: &str) -> Option<String> {
        let records = (self.migrations.get(one), self.migrations.get(other));
        let (Some(one), Some(other)) = records else { return Some(unknown()) };
        if self.digest != digest { Some(unknown()) } else { one.order_matters(other) }
    }
}

fn unknown() -> String {
    format!(
        "what both touch is unknown ({} is not of these migrations: run `cargo xtask snapshot`)",
        Footprints::FILE
    )
}

impl Touched {
    /// Why the order of two migrations may matter; none if neither touches what the other changes.
    fn order_matters(&self, other: &Touched) -> Option<String> {
        let mut shared = shared_objects(&self.changes, &other.changes);
        shared.extend(shared_objects(&self.changes, &other.names));
        shared.extend(shared_objects(&other.changes, &self.names));
        if !shared.is_empty() {
            return Some(format!("both touch {}", shared.into_iter().collect::<Vec<_>>().join(", ")));
        }
        let reason = self.opaque.as_ref().or(other.opaque.as_ref())?;
        Some(format!("one of them may touch anything ({reason})"))
    }
}

/// The objects of one set that may be those of another. A name without a schema may be in any.
pub fn shared_objects(some: &BTreeSet<String>, others: &BTreeSet<String>) -> BTreeSet<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let bare: BTreeSet<String> = others.iter().map(|name| last(name)).collect();
    let is_shared = |name: &&String| match name.contains('.') {
        true => others.contains(*name) || others.contains(&last(name)),
        false => bare.contains(*name),
    };
    some.iter().filter(is_shared).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(changes: &[&str], names: &[&str], opaque: Option<&str>) -> Touched {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Touched { changes: set(changes), names: set(names), opaque: opaque.map(str::to_owned) }
    }

    #[test]
    fn records_are_read_as_they_are_written() {
        let migrations = [
            ("V1__größe".to_owned(), touched(&["a", "app.\"x\""], &["b"], None)),
            ("V2__b".to_owned(), touched(&[], &[], Some("it's\nodd"))),
            ("V3__c".to_owned(), touched(&["b"], &["c"], None)),
            ("V4__d".to_owned(), touched(&["app.b"], &[], None)),
            ("V5__e".to_owned(), touched(&["x.b"], &[], None)),
        ];
        let written = Footprints::new("12", migrations.into());
        let read = Footprints::parse(Footprints::FILE, &written.text()).unwrap();
        assert_eq!(read, written);
        let why = |one: &str, other: &str| read.order_matters("12", one, other);
        assert_eq!(why("V1__größe", "V3__c").as_deref(), Some("both touch b"));
        assert_eq!(why("V3__c", "V4__d").as_deref(), Some("both touch b"));
        assert_eq!(why("V4__d", "V5__e"), None);
        assert_eq!(why("V2__b", "V4__d").as_deref(), Some("one of them may touch anything (it's\nodd)"));
        assert!(why("V4__d", "V6__f").unwrap().contains("cargo xtask snapshot"));
        assert!(read.order_matters("13", "V4__d", "V5__e").unwrap().contains("cargo xtask snapshot"));
        assert!(Footprints::parse("footprints.toml", "digest = 1").is_err());
    }
}
