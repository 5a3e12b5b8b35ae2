//! The changes between two catalogs, field by field: one generic diff over the serialized form.

mod diff;
mod text;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Catalog, FORMAT};

/// The changes between two catalogs. Empty exactly if their digests are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The version of the catalogs' JSON format.
    pub format: u32,
    /// Digest of the catalog before.
    pub before: String,
    /// Digest of the catalog after.
    pub after: String,
    /// By kind and name.
    pub changes: Vec<Change>,
}

/// What happened to an object or a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It is new.
    Added,
    /// It was removed.
    Removed,
    /// A field of it has another value.
    Changed,
    /// It is at another position in its list, such as a column that was dropped and added again.
    Moved,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    pub verb: Verb,
    /// `table`, `column`, `constraint`, …
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The table, view, domain or type that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The field, for [`Verb::Changed`]; parts of a field follow after dots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The object or value before; the position, from 1, for [`Verb::Moved`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The object or value after, like `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

impl Delta {
    /// Compares two catalogs.
    pub fn between(before: &Catalog, after: &Catalog) -> Delta {
        let value = |catalog: &Catalog| serde_json::to_value(catalog).unwrap_or_default();
        let changes =
            if before == after { Vec::new() } else { diff::catalogs(&value(before), &value(after)) };
        Delta { format: FORMAT, before: before.digest(), after: after.digest(), changes }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether only the order of columns changed.
    pub fn is_only_moved(&self) -> bool {
        self.changes.iter().all(|change| change.verb == Verb::Moved)
    }

    /// One line per change; long values follow, indented.
    pub fn text(&self) -> String {
        text::changes(&self.changes)
    }

    /// As a JSON document.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Change {
    /// The change as in [`Delta::text`]; details follow the first line, indented.
    pub fn text(&self) -> String {
        text::changes(std::slice::from_ref(self))
    }

    /// The change in one line, the first one of [`Change::text`].
    pub fn line(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    /// Kind and full name: `column app.t.a`, `constraint t_a_ck of app.t`.
    pub fn subject(&self) -> String {
        match &self.of {
            Some(of) if matches!(self.kind.as_str(), "column" | "attribute") => {
                format!("{} {of}.{}", self.kind, self.name)
            }
            Some(of) => format!("{} {} of {of}", self.kind, self.name),
            None if self.name.is_empty() => self.kind.clone(),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}
