//! Text search dictionaries and configurations.

use refit_catalog::{Catalog, Plain};

use super::tail::{self, tail};
use super::{Difference, differences};
use crate::names::sql;
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.text_search_dictionaries, &after.text_search_dictionaries) {
        dictionary(difference, plan);
    }
    const NOUN: &str = "TEXT SEARCH CONFIGURATION";
    for difference in differences(&before.text_search_configurations, &after.text_search_configurations) {
        let (name, old, new) = match difference {
            Difference::Removed(name, _) => {
                let text = format!("DROP {NOUN} {}", sql(name));
                plan.add(Phase::DropTypes, &format!("text search configuration {name}"), text);
                continue;
            }
            Difference::Added(name, new) => {
                let parser = new.properties.get("parser").map_or("default", String::as_str);
                let parser =
                    if parser.contains('.') { sql(parser) } else { format!("pg_catalog.{}", sql(parser)) };
                let text = format!("CREATE {NOUN} {} (PARSER = {parser})", sql(name));
                plan.add(Phase::Types, &format!("text search configuration {name}"), text);
                (name, None, new)
            }
            Difference::Changed(name, old, new) => (name, Some(old), new),
        };
        mappings(name, old, new, plan);
        tail::draft(NOUN, &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
    }
}

/// Mappings are properties that are called `mapping for word`.
fn mappings(name: &str, old: Option<&Plain>, new: &Plain, plan: &mut Plan) {
    let empty = Plain::default();
    let object = format!("text search configuration {name}");
    let alter = format!("ALTER TEXT SEARCH CONFIGURATION {}", sql(name));
    for difference in differences(&old.unwrap_or(&empty).properties, &new.properties) {
        let text = match difference {
            Difference::Removed(key, _) => {
                key.strip_prefix("mapping for ").map(|of| format!("{alter} DROP MAPPING FOR {of}"))
            }
            Difference::Added(key, to) => {
                key.strip_prefix("mapping for ").map(|of| format!("{alter} ADD MAPPING FOR {of} WITH {to}"))
            }
            Difference::Changed(key, _, to) => {
                key.strip_prefix("mapping for ").map(|of| format!("{alter} ALTER MAPPING FOR {of} WITH {to}"))
            }
        };
        if let Some(text) = text {
            plan.add(Phase::Properties, &object, text);
        }
    }
}

fn dictionary(difference: Difference<'_, Plain>, plan: &mut Plan) {
    const NOUN: &str = "TEXT SEARCH DICTIONARY";
    let options = |plain: &Plain| plain.properties.get("options").cloned().unwrap_or_default();
    let (name, old, new) = match difference {
        Difference::Removed(name, _) => {
            let text = format!("DROP {NOUN} {}", sql(name));
            return plan.add(Phase::DropTypes, &format!("text search dictionary {name}"), text);
        }
        Difference::Added(name, new) => (name, None, new),
        Difference::Changed(name, old, new) => (name, Some(old), new),
    };
    let object = format!("text search dictionary {name}");
    match old {
        None => {
            let template = new.properties.get("template").map_or("simple", String::as_str);
            let options = options(new);
            let options = if options.is_empty() { String::new() } else { format!(", {options}") };
            plan.add(
                Phase::Types,
                &object,
                format!("CREATE {NOUN} {} (TEMPLATE = {}{options})", sql(name), sql(template)),
            );
        }
        Some(old) if options(old) != options(new) && !options(new).is_empty() => {
            plan.add(Phase::Types, &object, format!("ALTER {NOUN} {} ({})", sql(name), options(new)));
        }
        Some(_) => {}
    }
    tail::draft(NOUN, &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
}
