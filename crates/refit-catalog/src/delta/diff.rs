//! The diff. It knows which fields hold named things, and nothing else about the kinds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Change, Verb};

/// Fields that hold named things, and the singular of each. All other fields are values.
const COLLECTIONS: [(&str, &str); 44] = [
    ("access_methods", "access method"),
    ("aggregates", "aggregate"),
    ("attributes", "attribute"),
    ("base_types", "base type"),
    ("casts", "cast"),
    ("collations", "collation"),
    ("columns", "column"),
    ("composites", "composite type"),
    ("constraints", "constraint"),
    ("conversions", "conversion"),
    ("default_privileges", "default privileges on"),
    ("domains", "domain"),
    ("elsewhere", "privileges on"),
    ("enums", "enum"),
    ("event_triggers", "event trigger"),
    ("extensions", "extension"),
    ("foreign_data_wrappers", "foreign data wrapper"),
    ("foreign_servers", "foreign server"),
    ("foreign_tables", "foreign table"),
    ("functions", "function"),
    ("indexes", "index"),
    ("languages", "language"),
    ("materialized_views", "materialized view"),
    ("operator_classes", "operator class"),
    ("operator_families", "operator family"),
    ("operators", "operator"),
    ("policies", "policy"),
    ("procedures", "procedure"),
    ("publications", "publication"),
    ("ranges", "range type"),
    ("rules", "rule"),
    ("schemas", "schema"),
    ("sequences", "sequence"),
    ("statistics", "statistics"),
    ("subscriptions", "subscription"),
    ("tables", "table"),
    ("text_search_configurations", "text search configuration"),
    ("text_search_dictionaries", "text search dictionary"),
    ("text_search_parsers", "text search parser"),
    ("text_search_templates", "text search template"),
    ("transforms", "transform"),
    ("triggers", "trigger"),
    ("user_mappings", "user mapping"),
    ("views", "view"),
];

/// The field of the catalog that holds objects of a kind.
pub(super) fn field_of(kind: &str) -> Option<&'static str> {
    COLLECTIONS.iter().find(|(_, noun)| *noun == kind).map(|(field, _)| *field)
}

/// All differences of two serialized catalogs.
pub(super) fn catalogs(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    for field in fields(before, after) {
        let (from, to) = (before.get(&field), after.get(&field));
        let place = Place { kind: &field, name: "", of: None };
        match noun(&field) {
            Some(noun) => members(noun, None, from, to, &mut changes),
            // The database is a single object; the unknown objects are a list of names.
            None if field == "database" => {
                let empty = Value::Object(Map::new());
                object(place, from.unwrap_or(&empty), to.unwrap_or(&empty), &mut changes);
            }
            None => value(place, &field, from, to, &mut changes),
        }
    }
    changes
}

/// The object being compared.
#[derive(Clone, Copy)]
struct Place<'a> {
    kind: &'a str,
    name: &'a str,
    of: Option<&'a str>,
}

impl Place<'_> {
    fn change(self, verb: Verb, field: Option<&str>, from: Option<&Value>, to: Option<&Value>) -> Change {
        Change {
            verb,
            kind: self.kind.to_owned(),
            name: self.name.to_owned(),
            of: self.of.map(str::to_owned),
            field: field.map(str::to_owned),
            from: from.cloned(),
            to: to.cloned(),
        }
    }
}

/// Named things: in a map, or in a list whose order matters.
fn members(
    noun: &str,
    of: Option<&str>,
    from: Option<&Value>,
    to: Option<&Value>,
    changes: &mut Vec<Change>,
) {
    let (before, after) = (named(from), named(to));
    let (old, new) = (by_name(&before), by_name(&after));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let ordered = from.or(to).is_some_and(Value::is_array);
    // New members of a list are reported in the order of the list.
    let mut names: Vec<&str> = names.into_iter().collect();
    if ordered {
        let place = |name: &str| after.iter().chain(&before).position(|(found, _)| *found == name);
        names.sort_by_key(|name| place(name));
    }
    let moved = if ordered { moved(&before, &after) } else { BTreeMap::new() };
    for name in names {
        let place = Place { kind: noun, name, of };
        match (old.get(name), new.get(name)) {
            (Some(from), None) => changes.push(place.change(Verb::Removed, None, Some(from), None)),
            (None, Some(to)) => changes.push(place.change(Verb::Added, None, None, Some(to))),
            (Some(from), Some(to)) => {
                if let Some((from, to)) = moved.get(name) {
                    changes.push(place.change(Verb::Moved, None, Some(&(*from).into()), Some(&(*to).into())));
                }
                object(place, from, to, changes);
            }
            (None, None) => {}
        }
    }
}

/// Two states of one object.
fn object(place: Place<'_>, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    for field in fields(before, after) {
        let (from, to) = (before.get(&field), after.get(&field));
        match noun(&field) {
            Some(noun) if holds_objects(from, to) => members(noun, Some(place.name), from, to, changes),
            _ => value(place, &field, from, to, changes),
        }
    }
}

/// Two values of one field; values with parts are compared part by part.
fn value(place: Place<'_>, field: &str, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<Change>) {
    if from == to {
        return;
    }
    // A missing access list grants only the defaults: each role's part shows what changes.
    let nothing = Value::Object(Map::new());
    let (from, to) = match field == "grants" {
        true => (from.or(Some(&nothing)), to.or(Some(&nothing))),
        false => (from, to),
    };
    if let (Some(Value::Object(_)), Some(Value::Object(_))) = (from, to) {
        let (from, to) = (from.unwrap_or(&Value::Null), to.unwrap_or(&Value::Null));
        for part in fields(from, to) {
            value(place, &format!("{field}.{part}"), from.get(&part), to.get(&part), changes);
        }
    } else {
        changes.push(place.change(Verb::Changed, Some(field), from, to));
    }
}

fn noun(field: &str) -> Option<&'static str> {
    COLLECTIONS.iter().find(|(name, _)| *name == field).map(|(_, noun)| *noun)
}

/// A constraint's columns are names, a table's are objects; a column's statistics are a number.
fn holds_objects(from: Option<&Value>, to: Option<&Value>) -> bool {
    let holds = |value: Option<&Value>| match value {
        Some(Value::Array(items)) => items.iter().all(Value::is_object),
        Some(Value::Object(map)) => map.values().all(Value::is_object),
        None => true,
        Some(_) => false,
    };
    holds(from) && holds(to)
}

fn fields(before: &Value, after: &Value) -> BTreeSet<String> {
    let keys = |value: &Value| value.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
    keys(before).into_iter().chain(keys(after)).collect()
}

/// The members of a map or list, in its order.
fn named(value: Option<&Value>) -> Vec<(&str, &Value)> {
    match value {
        Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| Some((item.get("name")?.as_str()?, item))).collect()
        }
        _ => Vec::new(),
    }
}

fn by_name<'a>(members: &[(&'a str, &'a Value)]) -> BTreeMap<&'a str, &'a Value> {
    members.iter().copied().collect()
}

/// Which of the common members changed their relative order, and from which to which position in the whole list: all
/// except the longest sequence that kept its order.
fn moved<'a>(before: &[(&'a str, &Value)], after: &[(&'a str, &Value)]) -> BTreeMap<&'a str, (usize, usize)> {
    let old: BTreeMap<&str, usize> =
        before.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
    let common: Vec<(&str, usize, usize)> = after
        .iter()
        .enumerate()
        .filter_map(|(place, (name, _))| Some((*name, *old.get(name)?, place)))
        .collect();
    // Patience sorting: `tails[n]` is the member that ends the best sequence of n + 1; `previous` links back through
    // it.
    let (mut tails, mut previous): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
    for (index, (_, from, _)) in common.iter().enumerate() {
        let length = tails.partition_point(|tail| common[*tail].1 < *from);
        previous.push(length.checked_sub(1).map(|length| tails[length]));
        if length == tails.len() { tails.push(index) } else { tails[length] = index }
    }
    let mut kept = BTreeSet::new();
    let mut at = tails.last().copied();
    while let Some(index) = at {
        kept.insert(index);
        at = previous[index];
    }
    let moved = common.iter().enumerate().filter(|(index, _)| !kept.contains(index));
    moved.map(|(_, (name, from, to))| (*name, (from + 1, to + 1))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(columns: &[&str]) -> Value {
        let columns: Vec<Value> = columns.iter().map(|name| json!({"name": name})).collect();
        json!({"tables": {"a.t": {"columns": columns}}})
    }

    fn rendered(before: &Value, after: &Value) -> Vec<String> {
        let line = |change: Change| {
            let field = change.field.as_deref().unwrap_or("-").to_owned();
            let value = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
            let values = if matches!(change.verb, Verb::Changed | Verb::Moved) {
                format!(" {} {}", value(&change.from), value(&change.to))
            } else {
                String::new()
            };
            format!("{:?} {} {field}{values}", change.verb, change.subject())
        };
        catalogs(before, after).into_iter().map(line).collect()
    }

    #[test]
    fn columns_move_only_where_they_must() {
        let moved = rendered(&table(&["a", "b", "c", "d"]), &table(&["b", "c", "d", "a"]));
        assert_eq!(moved, ["Moved column a.t.a - 1 4"]);
        let added = rendered(&table(&["a", "b"]), &table(&["x", "a", "b"]));
        assert_eq!(added, ["Added column a.t.x -"]);
        assert_eq!(rendered(&table(&["a", "b"]), &table(&["b"])), ["Removed column a.t.a -"]);
    }

    #[test]
    fn fields_are_listed_one_by_one() {
        let before =
            json!({"tables": {"a.t": {"options": {"x": "1"}, "constraints": {"c": {"columns": ["a"]}}}}});
        let after = json!({"tables": {"a.t": {"options": {"x": "2", "y": "3"}, "constraints": {"c": {"columns": ["b"]}}}}});
        let expected = [
            r#"Changed constraint c of a.t columns ["a"] ["b"]"#,
            r#"Changed table a.t options.x "1" "2""#,
            r#"Changed table a.t options.y - "3""#,
        ];
        assert_eq!(rendered(&before, &after), expected);
        let identity = json!({"tables": {"a.t": {"columns": [{"name": "a", "identity": {}}]}}});
        assert_eq!(rendered(&table(&["a"]), &identity), ["Changed column a.t.a identity - {}"]);
        assert_eq!(
            rendered(&json!({}), &json!({"database": {"comment": "c"}})),
            [r#"Changed database comment - "c""#]
        );
        assert_eq!(rendered(&json!({}), &json!({"unknown": ["x"]})), [r#"Changed unknown unknown - ["x"]"#]);
    }

    #[test]
    fn whole_kinds_come_and_go() {
        assert_eq!(rendered(&json!({}), &table(&["a"])), ["Added table a.t -"]);
        assert_eq!(rendered(&table(&["a"]), &json!({})), ["Removed table a.t -"]);
    }
}
