//! The roles that a schema names.

use std::collections::BTreeSet;

use refit_catalog::{Catalog, bare};
use serde_json::Value;

/// The names of the roles in privileges, policies and default privileges, and of owners: a statement that names one fails unless it
/// exists.
pub fn roles(catalog: &Catalog) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(&serde_json::to_value(catalog).unwrap_or_default(), &mut found);
    for name in catalog.default_privileges.keys() {
        let role = name.rsplit_once(" by ").map(|(_, role)| role).filter(|role| *role != "(owner)");
        found.extend(role.map(bare));
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("grants", Value::Object(grants)) => {
                        let roles =
                            grants.keys().filter(|role| !matches!(role.as_str(), "PUBLIC" | "(owner)"));
                        found.extend(roles.map(|role| bare(role)));
                    }
                    ("roles", Value::Array(roles)) => {
                        found.extend(roles.iter().filter_map(Value::as_str).map(bare));
                    }
                    ("owner", Value::String(role)) => drop(found.insert(bare(role))),
                    _ => collect(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_of_privileges_and_policies_are_found() {
        let json = r#"{"tables": {"t": {"grants": {"a": "SELECT", "PUBLIC": "ALL", "\"B c\"": "ALL"},
            "policies": {"p": {"roles": ["d"]}}}}, "default_privileges": {"on tables in s by e": {}}}"#;
        let catalog: Catalog = serde_json::from_str(json).unwrap_or_default();
        assert_eq!(roles(&catalog), ["B c", "a", "d", "e"].map(str::to_owned).into());
    }
}
