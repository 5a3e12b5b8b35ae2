//! Schemas, and the privileges that objects get by default.

use refit_catalog::Catalog;

use super::tail::{self, tail};
use super::{Difference, differences, grants};
use crate::names::sql;
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.schemas, &after.schemas) {
        let (name, old, new) = match difference {
            Difference::Removed(name, _) => {
                plan.add(Phase::DropSchemas, &format!("schema {name}"), format!("DROP SCHEMA {}", sql(name)));
                continue;
            }
            Difference::Added(name, new) => {
                plan.add(Phase::Schemas, &format!("schema {name}"), format!("CREATE SCHEMA {}", sql(name)));
                (name, None, new)
            }
            Difference::Changed(name, old, new) => (name, Some(old), new),
        };
        tail::draft("SCHEMA", &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
    }
    default_privileges(before, after, plan);
}

/// ALTER DEFAULT PRIVILEGES: the name is `on tables in schema by role`.
fn default_privileges(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.default_privileges, &after.default_privileges) {
        let none = refit_catalog::Grants::new();
        let (name, old, new) = match difference {
            Difference::Removed(name, old) => (name, &old.grants, &none),
            Difference::Added(name, new) => (name, &none, &new.grants),
            Difference::Changed(name, old, new) => (name, &old.grants, &new.grants),
        };
        let Some((what, role)) = name.strip_prefix("on ").and_then(|rest| rest.split_once(" by ")) else {
            continue;
        };
        let (kind, schema) = what.split_once(" in ").unwrap_or((what, ""));
        let mut whose = String::new();
        if role != "(owner)" {
            whose += &format!("FOR ROLE {} ", sql(role));
        }
        if !schema.is_empty() {
            whose += &format!("IN SCHEMA {} ", sql(schema));
        }
        let object = format!("default privileges {name}");
        let default = match kind {
            "functions" if schema.is_empty() => "EXECUTE",
            "types" if schema.is_empty() => "USAGE",
            _ => "",
        };
        for statement in grants::statements(&kind.to_uppercase(), default, old, new) {
            plan.add(Phase::Properties, &object, format!("ALTER DEFAULT PRIVILEGES {whose}{statement}"));
        }
    }
}
