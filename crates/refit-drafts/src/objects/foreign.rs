//! Foreign data wrappers, servers, user mappings and tables.

use refit_catalog::{Catalog, Options, Plain};

use super::tail::{self, tail};
use super::{Difference, columns, differences, tables};
use crate::names::{literal, new_server_options, server_options, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    plain("FOREIGN DATA WRAPPER", &before.foreign_data_wrappers, &after.foreign_data_wrappers, plan);
    plain("SERVER", &before.foreign_servers, &after.foreign_servers, plan);
    plain("USER MAPPING", &before.user_mappings, &after.user_mappings, plan);
    foreign_tables(before, after, plan);
}

fn plain(
    noun: &str,
    before: &std::collections::BTreeMap<String, Plain>,
    after: &std::collections::BTreeMap<String, Plain>,
    plan: &mut Plan,
) {
    for difference in differences(before, after) {
        let (name, old, new) = match difference {
            Difference::Removed(name, _) => {
                let text = format!("DROP {noun} {}", place(noun, name));
                plan.add(Phase::DropTypes, &format!("{} {name}", noun.to_lowercase()), text);
                continue;
            }
            Difference::Added(name, new) => (name, None, new),
            Difference::Changed(name, old, new) => (name, Some(old), new),
        };
        let object = format!("{} {name}", noun.to_lowercase());
        match old {
            None => {
                let text = format!("CREATE {noun} {}{}", place(noun, name), created(noun, new));
                plan.add(Phase::Types, &object, text + &new_server_options(&options_of(new)));
            }
            Some(old) => {
                let [from, to] = [old, new].map(|one| one.properties.get("version"));
                if let Some(to) = to.filter(|to| noun == "SERVER" && from != Some(*to)) {
                    plan.add(
                        Phase::Types,
                        &object,
                        format!("ALTER SERVER {} VERSION {}", sql(name), literal(to)),
                    );
                }
                if let Some(options) = server_options(&options_of(old), &options_of(new)) {
                    plan.add(Phase::Types, &object, format!("ALTER {noun} {} {options}", place(noun, name)));
                }
            }
        }
        if noun != "USER MAPPING" {
            tail::draft(noun, &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
        }
    }
}

/// A user mapping is called `role on server`.
fn place(noun: &str, name: &str) -> String {
    match name.split_once(" on ").filter(|_| noun == "USER MAPPING") {
        Some(("public", server)) => format!("FOR PUBLIC SERVER {}", sql(server)),
        Some((role, server)) => format!("FOR {} SERVER {}", sql(role), sql(server)),
        None => sql(name),
    }
}

fn created(noun: &str, new: &Plain) -> String {
    let property = |key: &str| new.properties.get(key);
    match noun {
        "SERVER" => {
            let mut text = String::new();
            for word in ["type", "version"] {
                if let Some(value) = property(word) {
                    text += &format!(" {} {}", word.to_uppercase(), literal(value));
                }
            }
            text + &property("wrapper")
                .map(|name| format!(" FOREIGN DATA WRAPPER {}", sql(name)))
                .unwrap_or_default()
        }
        "FOREIGN DATA WRAPPER" => ["handler", "validator"]
            .iter()
            .filter_map(|word| property(word).map(|name| format!(" {} {}", word.to_uppercase(), sql(name))))
            .collect(),
        _ => String::new(),
    }
}

/// The properties that are OPTIONS: their names begin with `option`.
fn options_of(plain: &Plain) -> Options {
    let options =
        plain.properties.iter().filter_map(|(name, value)| Some((name.strip_prefix("option ")?, value)));
    options.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn foreign_tables(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.foreign_tables, &after.foreign_tables) {
        let (name, old, new) = match difference {
            Difference::Removed(name, _) => {
                let text = format!("DROP FOREIGN TABLE {}", sql(name));
                plan.add(Phase::DropTables, &format!("foreign table {name}"), text);
                continue;
            }
            Difference::Added(name, new) => {
                let columns: Vec<String> = new.columns.iter().map(columns::definition).collect();
                let text = format!(
                    "CREATE FOREIGN TABLE {} ({}) SERVER {}{}",
                    sql(name),
                    columns.join(", "),
                    sql(&new.server),
                    new_server_options(&new.server_options)
                );
                plan.add(Phase::Tables, &format!("foreign table {name}"), text);
                for column in &new.columns {
                    let own = tables::own_properties(column);
                    columns::properties("FOREIGN TABLE", name, Some(&own), column, plan);
                }
                (name, None, new)
            }
            Difference::Changed(name, old, new) => {
                columns::draft("FOREIGN TABLE", name, old, new, plan);
                if let Some(options) = server_options(&old.server_options, &new.server_options) {
                    let text = format!("ALTER FOREIGN TABLE {} {options}", sql(name));
                    plan.add(Phase::Columns, &format!("foreign table {name}"), text);
                }
                (name, Some(old), new)
            }
        };
        tables::parts("FOREIGN TABLE", name, old, new, plan);
    }
}
