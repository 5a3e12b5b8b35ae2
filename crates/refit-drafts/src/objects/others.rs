//! Collations, extended statistics, event triggers, casts, access methods and operators.

use std::collections::BTreeMap;

use refit_catalog::{Catalog, Plain};

use super::tail::{self, tail};
use super::triggers::state_words;
use super::{Difference, differences};
use crate::names::{literal, path, sql};
use crate::plan::{Phase, Plan};

/// How a kind is written.
struct Kind {
    noun: &'static str,
    /// The rest of CREATE, after the name; `None` if it cannot be written.
    create: fn(&Plain) -> Option<String>,
    /// The statements for changes that need no new object, after `ALTER noun name`; `None` if there are others.
    alter: fn(&Plain, &Plain) -> Option<Vec<String>>,
    phases: [Phase; 2],
}

const COLLATION: Kind = Kind {
    noun: "COLLATION",
    create: |new| {
        let options: Vec<String> =
            new.properties.iter().map(|(key, value)| format!("{key} = {}", literal(value))).collect();
        Some(format!(" ({})", options.join(", ")))
    },
    alter: |_, _| None,
    phases: [Phase::DropTypes, Phase::Types],
};

const STATISTICS: Kind = Kind {
    noun: "STATISTICS",
    create: |new| {
        let property = |key: &str| new.properties.get(key);
        let kinds = property("kinds").map(|kinds| format!(" ({kinds})")).unwrap_or_default();
        let parts: Vec<&str> =
            ["columns", "expressions"].iter().filter_map(|key| property(key).map(String::as_str)).collect();
        Some(format!("{kinds} ON {} FROM {}", parts.join(", "), sql(property("table")?)))
    },
    alter: |old, new| {
        let target = |plain: &Plain| plain.properties.get("target").cloned().unwrap_or("-1".to_owned());
        only_differ(old, new, "target").then(|| vec![format!("SET STATISTICS {}", target(new))])
    },
    phases: [Phase::DropIndexes, Phase::Indexes],
};

const EVENT_TRIGGER: Kind = Kind {
    noun: "EVENT TRIGGER",
    create: |new| {
        let property = |key: &str| new.properties.get(key);
        let tags: Vec<String> =
            property("tags").map(|tags| tags.split(", ").map(literal).collect()).unwrap_or_default();
        let when =
            if tags.is_empty() { String::new() } else { format!(" WHEN TAG IN ({})", tags.join(", ")) };
        Some(format!(" ON {}{when} EXECUTE FUNCTION {}()", property("on")?, sql(path(property("execute")?))))
    },
    alter: |old, new| {
        let state = new.properties.get("state").map_or("", String::as_str);
        only_differ(old, new, "state").then(|| vec![state_words(state).to_owned()])
    },
    phases: [Phase::DropAttached, Phase::Attached],
};

const OPERATOR: Kind = Kind {
    noun: "OPERATOR",
    create: |_| None,
    alter: |old, new| {
        let mut all = Vec::new();
        for difference in differences(&old.properties, &new.properties) {
            let (key, value) = match difference {
                Difference::Removed(key, _) => (key, "NONE"),
                Difference::Added(key, value) | Difference::Changed(key, _, value) => (key, value.as_str()),
            };
            if !matches!(key, "restrict" | "join") {
                return None;
            }
            all.push(format!("SET ({} = {value})", key.to_uppercase()));
        }
        Some(all)
    },
    phases: [Phase::DropTypes, Phase::Functions],
};

const CAST: Kind = Kind {
    noun: "CAST",
    create: |new| {
        let property = |key: &str| new.properties.get(key).map(String::as_str);
        let how = match (property("function"), property("method")) {
            (Some(function), _) => format!("WITH FUNCTION {}", sql(function)),
            (None, Some("inout")) => "WITH INOUT".to_owned(),
            (None, _) => "WITHOUT FUNCTION".to_owned(),
        };
        let when = property("context").map(|context| format!(" AS {}", context.to_uppercase()));
        Some(format!(" {how}{}", when.unwrap_or_default()))
    },
    alter: |_, _| None,
    phases: [Phase::DropTypes, Phase::Functions],
};

const ACCESS_METHOD: Kind = Kind {
    noun: "ACCESS METHOD",
    create: |new| {
        let property = |key: &str| new.properties.get(key);
        Some(format!(
            " TYPE {} HANDLER {}",
            property("type")?.to_uppercase(),
            sql(path(property("handler")?))
        ))
    },
    alter: |_, _| None,
    phases: [Phase::DropTypes, Phase::Types],
};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    kind(&COLLATION, &before.collations, &after.collations, plan);
    kind(&STATISTICS, &before.statistics, &after.statistics, plan);
    kind(&EVENT_TRIGGER, &before.event_triggers, &after.event_triggers, plan);
    kind(&CAST, &before.casts, &after.casts, plan);
    kind(&ACCESS_METHOD, &before.access_methods, &after.access_methods, plan);
    kind(&OPERATOR, &before.operators, &after.operators, plan);
}

fn kind(kind: &Kind, before: &BTreeMap<String, Plain>, after: &BTreeMap<String, Plain>, plan: &mut Plan) {
    let Kind { noun, create, alter, phases: [drop_phase, create_phase] } = kind;
    for difference in differences(before, after) {
        let (name, old, new) = match difference {
            Difference::Removed(name, _) => {
                let object = format!("{} {name}", noun.to_lowercase());
                plan.add(*drop_phase, &object, format!("DROP {noun} {}", place(noun, name)));
                continue;
            }
            Difference::Added(name, new) => (name, None, new),
            Difference::Changed(name, old, new) => (name, Some(old), new),
        };
        let object = format!("{} {name}", noun.to_lowercase());
        let mut old = old;
        if let Some(before) = old.filter(|before| before.properties != new.properties) {
            match alter(before, new) {
                Some(actions) => {
                    for action in actions {
                        let text = format!("ALTER {noun} {} {action}", place(noun, name));
                        plan.add(Phase::Properties, &object, text);
                    }
                }
                None => {
                    plan.add(*drop_phase, &object, format!("DROP {noun} {}", place(noun, name)));
                    old = None;
                }
            }
        }
        if old.is_none() {
            if let Some(rest) = create(new) {
                plan.add(*create_phase, &object, format!("CREATE {noun} {}{rest}", place(noun, name)));
            }
            after_creation(kind, name, new, plan);
        }
        tail::draft(noun, &place(noun, name), old.map(|old| tail!(old)), tail!(new), plan);
    }
}

/// What CREATE cannot say.
fn after_creation(kind: &Kind, name: &str, new: &Plain, plan: &mut Plan) {
    let key = match kind.noun {
        "STATISTICS" => "target",
        "EVENT TRIGGER" => "state",
        _ => return,
    };
    let mut created = new.clone();
    if created.properties.remove(key).is_some() {
        for action in (kind.alter)(&created, new).unwrap_or_default() {
            let text = format!("ALTER {} {} {action}", kind.noun, place(kind.noun, name));
            plan.add(Phase::Properties, &format!("{} {name}", kind.noun.to_lowercase()), text);
        }
    }
}

/// Whether two objects have the same properties but for one.
fn only_differ(old: &Plain, new: &Plain, key: &str) -> bool {
    let without = |plain: &Plain| {
        let mut properties = plain.properties.clone();
        properties.remove(key);
        properties
    };
    without(old) == without(new)
}

/// The names of operators and casts are not identifiers.
fn place(noun: &str, name: &str) -> String {
    if matches!(noun, "OPERATOR" | "CAST") { name.to_owned() } else { sql(name) }
}
