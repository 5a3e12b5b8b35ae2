//! The pages of the directives and the settings, from the doc comments of the structs that are read.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use refit_model::{BackfillDirective, Directives, Environment, Settings};
use serde_json::{Value, json};

use super::markdown::{anchor, any_of, summary};
use super::source::{Choice, Key, Kind, Source, Table};

/// The page of the directives; `model` is the source folder of `refit-model`.
pub(super) fn directives(model: &Path) -> anyhow::Result<String> {
    let source = Source::read(model, &["directive/keys.rs", "backfill.rs"])?;
    let table = source.table("Directives").context("there is no struct `Directives`")??;
    let names: Vec<&str> = table.keys.iter().map(|key| key.name.as_str()).collect();
    ensure!(names == source.list("KEYS")?, "`KEYS` are not the fields of `Directives`");
    let backfill: BackfillDirective = serde_json::from_value(json!({ "table": "", "key": [] }))?;
    let mut defaults = serde_json::to_value(Directives::default())?;
    defaults["backfill"] = serde_json::to_value(backfill)?;
    let mut page =
        Page { source: &source, repeatable: Some(source.list("REPEATABLE_KEYS")?), ..Page::of(&source) };
    page.keys(&table, "", &defaults)?;
    let accept = source.table("Suppression").context("there is no struct `Suppression`")??.docs;
    Ok(format!(
        "# Directives\n\n<!-- Written by `cargo xtask reference` from the doc comments in crates/refit-model/src/directive/keys.rs \
         and backfill.rs. -->\n\n{}\n\n[The migrations folder](../migrations.md#directives) and [Backfills](../backfills.md) \
         explain their use.\n\n| key | type | default | in `R__*.sql` | meaning |\n|---|---|---|---|---|\n{}\
         | [`allow(rule)`](#allow) | | | yes | Accept a finding of the linter |\n{}\n## allow\n\n{accept}\n",
        table.docs, page.rows, page.sections
    ))
}

/// The page of the settings.
pub(super) fn settings(model: &Path) -> anyhow::Result<String> {
    let source = Source::read(model, &["settings.rs", "environment.rs", "hook.rs"])?;
    let table = source.table("Settings").context("there is no struct `Settings`")??;
    let mut page = Page::of(&source);
    page.keys(&table, "", &serde_json::to_value(Settings::default())?)?;
    Ok(format!(
        "# Settings\n\n<!-- Written by `cargo xtask reference` from the doc comments in crates/refit-model/src/settings.rs, \
         environment.rs and hook.rs. -->\n\n\
         {}\n\n[Configuration](../configuration.md) says what else can be configured, and where.\n\n\
         | key | type | default | meaning |\n|---|---|---|---|\n{}{}",
        table.docs, page.rows, page.sections
    ))
}

/// A page under construction: the rows of the table at the top, and a section for each key.
struct Page<'s> {
    source: &'s Source,
    /// The keys that repeatable migrations take; none for settings.
    repeatable: Option<Vec<String>>,
    rows: String,
    sections: String,
}

/// Shown for a key without a default.
const REQUIRED: &str = "required";

/// What the page says about each key.
struct Facts {
    ty: String,
    /// None for a table: its keys have their own defaults.
    default: Option<String>,
    /// Whether repeatable migrations take it; none for settings.
    repeatable: Option<&'static str>,
}

impl<'s> Page<'s> {
    fn of(source: &'s Source) -> Page<'s> {
        Page { source, repeatable: None, rows: String::new(), sections: String::new() }
    }

    /// Adds the keys of a struct, and below a key that is a struct, the keys of that one.
    fn keys(&mut self, table: &Table, prefix: &str, defaults: &Value) -> anyhow::Result<()> {
        let common = self.common(table);
        for key in &table.keys {
            let name = format!("{prefix}{}", key.name);
            let below = self.source.table(key.kind.name()).transpose()?;
            let facts = self.facts(key, prefix, below.is_some(), &defaults[&key.name])?;
            self.row(&name, key, &facts);
            // Values that several keys share are listed once, in the section of their table.
            let listed = match &below {
                Some(below) => self.common(below),
                None => Some(key.kind.name().to_owned()).filter(|name| common.as_ref() != Some(name)),
            };
            let docs = below.as_ref().map_or(&key.docs, |below| &below.docs);
            let values = listed.and_then(|name| self.source.choices(&name)).transpose()?;
            self.section(&name, docs, &facts, values.as_deref().unwrap_or_default());
            match (below, &key.kind) {
                // Each entry of a map of tables has the defaults of the table.
                (Some(below), Kind::Map(_)) => {
                    let defaults = serde_json::to_value(Environment::default())?;
                    self.keys(&below, &format!("{name}.NAME."), &defaults)?;
                }
                (Some(below), _) => self.keys(&below, &format!("{name}."), &defaults[&key.name])?,
                (None, _) => {}
            }
        }
        Ok(())
    }

    fn facts(&self, key: &Key, prefix: &str, is_table: bool, default: &Value) -> anyhow::Result<Facts> {
        let of_repeatable = |keys: &Vec<String>| if keys.contains(&key.name) { "yes" } else { "no" };
        Ok(Facts {
            ty: self.type_of(&key.kind)?,
            default: match (key.is_required, is_table) {
                (true, _) => Some(REQUIRED.to_owned()),
                (false, true) => None,
                // A default that is not serialised is that of the type.
                (false, false) if key.kind.name() == "bool" && default.is_null() => {
                    Some("`false`".to_owned())
                }
                (false, false) => Some(shown(default)),
            },
            repeatable: self.repeatable.as_ref().filter(|_| prefix.is_empty()).map(of_repeatable),
        })
    }

    fn row(&mut self, name: &str, key: &Key, facts: &Facts) {
        let default = facts.default.as_deref().unwrap_or_default();
        let repeatable = match (&self.repeatable, facts.repeatable) {
            (Some(_), answer) => format!(" {} |", answer.unwrap_or_default()),
            (None, _) => String::new(),
        };
        let (anchor, meaning) = (anchor(name), summary(&key.docs).replace('\n', " "));
        let ty = &facts.ty;
        self.rows
            .push_str(&format!("| [`{name}`](#{anchor}) | {ty} | {default} |{repeatable} {meaning} |\n"));
    }

    fn section(&mut self, name: &str, docs: &str, facts: &Facts, values: &[Choice]) {
        let mut text = format!("\n## {name}\n\n- Type: {}\n", facts.ty);
        match facts.default.as_deref() {
            Some(REQUIRED) => text.push_str("- Required\n"),
            Some(default) => text.push_str(&format!("- Default: {default}\n")),
            None => {}
        }
        if let Some(answer) = facts.repeatable {
            text.push_str(&format!("- In repeatable migrations: {answer}\n"));
        }
        text.push_str(&format!("\n{docs}\n"));
        if !values.is_empty() {
            text.push('\n');
        }
        for Choice { value, docs } in values {
            text.push_str(&format!("- `{value}`: {}\n", docs.replace('\n', "\n  ")));
        }
        self.sections.push_str(&text);
    }

    /// The enum that several keys of a struct take.
    fn common(&self, table: &Table) -> Option<String> {
        let enums = || {
            let named = table.keys.iter().filter(|key| matches!(key.kind, Kind::Named(_)));
            named.map(|key| key.kind.name()).filter(|name| self.source.choices(name).is_some())
        };
        enums().find(|name| enums().filter(|other| other == name).count() > 1).map(str::to_owned)
    }

    /// A type in words.
    fn type_of(&self, kind: &Kind) -> anyhow::Result<String> {
        let values = self.source.choices(kind.name()).transpose()?.map(|choices| {
            any_of(&choices.iter().map(|choice| format!("`{}`", choice.value)).collect::<Vec<_>>())
        });
        Ok(match (kind, kind.name(), values) {
            (Kind::Named(_), _, Some(values)) => values,
            (Kind::List(_), _, Some(values)) => format!("array of {values}"),
            (Kind::Map(_), _, Some(values)) => format!("table of names with {values}"),
            (Kind::Named(_), "bool", _) => "`true` or `false`".to_owned(),
            (Kind::Named(_), "u32" | "usize" | "Version", _) => "integer".to_owned(),
            (Kind::Named(_), "String", _) => "string".to_owned(),
            (Kind::Named(_), "Duration", _) => "duration".to_owned(),
            (Kind::Named(_), "Undo", _) => "array of strings, or a table".to_owned(),
            (Kind::List(_), "String", _) => "array of strings".to_owned(),
            (Kind::Map(_), "String", _) => "table of strings, by name".to_owned(),
            (Kind::List(_), "RunWindow" | "FreezePeriod", _) => "array of strings".to_owned(),
            (Kind::List(_), "Version", _) => "array of versions, such as `[\"V0004\"]`".to_owned(),
            (Kind::Named(_), name, _) if self.source.table(name).is_some() => "table".to_owned(),
            (Kind::List(_), name, _) if self.source.table(name).is_some() => "array of tables".to_owned(),
            (Kind::Map(_), name, _) if self.source.table(name).is_some() => {
                "table of tables, by name".to_owned()
            }
            (_, name, _) => bail!("the type `{name}` has no description"),
        })
    }
}

/// A default as TOML.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Object(items) if items.is_empty() => "none".to_owned(),
        Value::String(text) => format!("`\"{}\"`", duration(text).unwrap_or_else(|| text.clone())),
        other => format!("`{other}`"),
    }
}

/// Milliseconds in the largest unit in which they are a whole number.
fn duration(text: &str) -> Option<String> {
    let milliseconds: u64 = text.strip_suffix("ms")?.parse().ok()?;
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let (unit, name) = units.into_iter().find(|(unit, _)| milliseconds.is_multiple_of(*unit))?;
    Some(format!("{}{name}", milliseconds / unit))
}

impl Kind {
    /// The name of the type; for a list or a map, that of its elements.
    fn name(&self) -> &str {
        match self {
            Kind::Named(name) | Kind::List(name) | Kind::Map(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_written_as_in_a_file() {
        assert_eq!(shown(&json!("2000ms")), "`\"2s\"`");
        assert_eq!(shown(&json!("2592000000ms")), "`\"30d\"`");
        assert_eq!(shown(&json!("100ms")), "`\"100ms\"`");
        assert_eq!(shown(&json!(true)), "`true`");
        assert_eq!([json!(null), json!([]), json!({})].map(|value| shown(&value)), ["none"; 3]);
    }
}
