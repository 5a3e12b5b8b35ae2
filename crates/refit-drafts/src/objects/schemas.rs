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

/// ALTER DEFAULT PRIVILEGES: the name is `for role x in schema y on tables`.
fn default_privileges(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.default_privileges, &after.default_privileges) {
        let none = refit_catalog::Grants::new();
        let (name, old, new) = match difference {
            Difference::Removed(name, old) => (name, &old.grants, &none),
            Difference::Added(name, new) => (name, &none, &new.grants),
            Difference::Changed(name, old, new) => (name, &old.grants, &new.grants),
        };
        let Some((whose, kind)) = name.rsplit_once(" on ") else { continue };
        let object = format!("default privileges {name}");
        let whose = whose.replace("in schema", "IN SCHEMA");
        for statement in grants::statements(&kind.to_uppercase(), "", old, new) {
            plan.add(Phase::Properties, &object, format!("ALTER DEFAULT PRIVILEGES {whose} {statement}"));
        }
    }
}
