//! Extensions.

use refit_catalog::{Catalog, Plain};

use super::{Difference, differences};
use crate::names::{comment, literal, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.extensions, &after.extensions) {
        match difference {
            Difference::Removed(name, _) => {
                let sql = format!("DROP EXTENSION {}", sql(name));
                plan.add(Phase::DropTypes, &format!("extension {name}"), sql);
            }
            Difference::Added(name, new) => {
                let property = |key: &str| new.properties.get(key);
                let schema = property("schema").map(|schema| format!(" SCHEMA {}", sql(schema)));
                let version = property("version").map(|version| format!(" VERSION {}", literal(version)));
                let sql = format!(
                    "CREATE EXTENSION {}{}{}",
                    sql(name),
                    schema.unwrap_or_default(),
                    version.unwrap_or_default()
                );
                plan.add(Phase::Types, &format!("extension {name}"), sql);
                commented(name, &Plain::default(), new, plan);
            }
            Difference::Changed(name, old, new) => {
                let [from, to] = [old, new].map(|one| one.properties.get("schema"));
                if let Some(to) = to.filter(|to| from != Some(*to)) {
                    let sql = format!("ALTER EXTENSION {} SET SCHEMA {}", sql(name), sql(to));
                    plan.add(Phase::Types, &format!("extension {name}"), sql);
                }
                let [from, to] = [old, new].map(|one| one.properties.get("version"));
                if from != to {
                    let version = to.map(|to| format!(" TO {}", literal(to))).unwrap_or_default();
                    let sql = format!("ALTER EXTENSION {} UPDATE{version}", sql(name));
                    plan.add(Phase::Types, &format!("extension {name}"), sql);
                }
                commented(name, old, new, plan);
            }
        }
    }
}

fn commented(name: &str, old: &Plain, new: &Plain, plan: &mut Plan) {
    if old.comment != new.comment {
        let sql = format!("COMMENT ON EXTENSION {} IS {}", sql(name), comment(&new.comment));
        plan.add(Phase::Comments, &format!("extension {name}"), sql);
    }
}
