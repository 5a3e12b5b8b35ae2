//! Publications with their tables and schemas.

use refit_catalog::{Catalog, Plain};

use super::tail::{self, tail};
use super::{Difference, differences};
use crate::names::{literal, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.publications, &after.publications) {
        let (name, old, new) = match difference {
            Difference::Removed(name, _) => {
                let text = format!("DROP PUBLICATION {}", sql(name));
                plan.add(Phase::DropAttached, &format!("publication {name}"), text);
                continue;
            }
            Difference::Added(name, new) => {
                let text = format!("CREATE PUBLICATION {}{}{}", sql(name), published(new), with(new));
                plan.add(Phase::Attached, &format!("publication {name}"), text);
                (name, None, new)
            }
            Difference::Changed(name, old, new) => {
                changed(name, old, new, plan);
                (name, Some(old), new)
            }
        };
        tail::draft("PUBLICATION", &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
    }
}

fn changed(name: &str, old: &Plain, new: &Plain, plan: &mut Plan) {
    let object = format!("publication {name}");
    if old.properties.get("all") != new.properties.get("all") {
        plan.add(Phase::DropAttached, &object, format!("DROP PUBLICATION {}", sql(name)));
        let text = format!("CREATE PUBLICATION {}{}{}", sql(name), published(new), with(new));
        return plan.add(Phase::Attached, &object, text);
    }
    let (from, to) = (list(old), list(new));
    if from != to {
        let text = match (from.is_empty(), to.is_empty()) {
            (_, true) => format!("ALTER PUBLICATION {} DROP {}", sql(name), from.join(", ")),
            (_, false) => format!("ALTER PUBLICATION {} SET {}", sql(name), to.join(", ")),
        };
        plan.add(Phase::Attached, &object, text);
    }
    if with(old) != with(new) {
        let publish =
            new.properties.get("publish").map_or("insert, update, delete, truncate", String::as_str);
        let via_root = new.properties.contains_key("publish_via_partition_root");
        let options = format!("publish = {}, publish_via_partition_root = {via_root}", literal(publish));
        plan.add(Phase::Properties, &object, format!("ALTER PUBLICATION {} SET ({options})", sql(name)));
    }
}

fn published(plain: &Plain) -> String {
    if plain.properties.contains_key("all") {
        return " FOR ALL TABLES".to_owned();
    }
    match list(plain) {
        none if none.is_empty() => String::new(),
        list => format!(" FOR {}", list.join(", ")),
    }
}

/// `TABLE t (a, b) WHERE (c)` and `TABLES IN SCHEMA s`.
fn list(plain: &Plain) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in &plain.properties {
        if let Some(table) = key.strip_prefix("table ") {
            let rest = value.strip_prefix("published").unwrap_or_default();
            let (columns, filter) = rest.split_once(" where ").unwrap_or((rest, ""));
            let filter = if filter.is_empty() { String::new() } else { format!(" WHERE ({filter})") };
            found.push(format!("TABLE {}{columns}{filter}", sql(table)));
        } else if let Some(schema) = key.strip_prefix("schema ") {
            found.push(format!("TABLES IN SCHEMA {}", sql(schema)));
        }
    }
    found
}

fn with(plain: &Plain) -> String {
    let options = ["publish", "publish_via_partition_root", "publish_generated_columns"];
    let set: Vec<String> = options
        .iter()
        .filter_map(|option| Some(format!("{option} = {}", literal(plain.properties.get(*option)?))))
        .collect();
    if set.is_empty() { String::new() } else { format!(" WITH ({})", set.join(", ")) }
}
