//! Enums, domains, composite types and ranges.

use refit_catalog::{Catalog, Composite, Domain, Enum, Range};

use super::columns::attribute;
use super::tail::{self, tail};
use super::{Difference, differences};
use crate::names::{comment, default_action, literal, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for difference in differences(&before.enums, &after.enums) {
        enums(difference, plan);
    }
    for difference in differences(&before.domains, &after.domains) {
        domains(difference, plan);
    }
    for difference in differences(&before.composites, &after.composites) {
        composites(difference, plan);
    }
    for difference in differences(&before.ranges, &after.ranges) {
        ranges(difference, plan);
    }
}

fn enums(difference: Difference<'_, Enum>, plan: &mut Plan) {
    let (name, old, new) = match difference {
        Difference::Removed(name, _) => return dropped("TYPE", name, plan),
        Difference::Added(name, new) => {
            let values: Vec<String> = new.values.iter().map(|value| literal(value)).collect();
            let sql = format!("CREATE TYPE {} AS ENUM ({})", sql(name), values.join(", "));
            plan.add(Phase::Types, &format!("type {name}"), sql);
            (name, None, new)
        }
        Difference::Changed(name, old, new) => {
            added_values(name, old, new, plan);
            (name, Some(old), new)
        }
    };
    tail::draft("TYPE", &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
}

/// ADD VALUE for each new one, at its place. A value that is gone, or at another place, cannot be drafted.
fn added_values(name: &str, old: &Enum, new: &Enum, plan: &mut Plan) {
    let mut there: Vec<&String> = old.values.iter().collect();
    for (at, value) in new.values.iter().enumerate() {
        if there.contains(&value) {
            continue;
        }
        let place = match at.checked_sub(1).and_then(|before| new.values.get(before)) {
            Some(before) => format!("AFTER {}", literal(before)),
            None => match there.first() {
                Some(first) => format!("BEFORE {}", literal(first)),
                None => String::new(),
            },
        };
        let sql = format!("ALTER TYPE {} ADD VALUE {} {place}", sql(name), literal(value));
        plan.add(Phase::Types, &format!("type {name}"), sql);
        there.push(value);
    }
}

fn domains(difference: Difference<'_, Domain>, plan: &mut Plan) {
    let (name, old, new) = match difference {
        Difference::Removed(name, _) => return dropped("DOMAIN", name, plan),
        Difference::Added(name, new) => {
            let mut text = format!("CREATE DOMAIN {} AS {}", sql(name), new.base);
            if !new.collation.is_empty() {
                text += &format!(" COLLATE {}", sql(&new.collation));
            }
            if !new.default.is_empty() {
                text += &format!(" DEFAULT {}", new.default);
            }
            if new.not_null {
                text += " NOT NULL";
            }
            for (constraint, one) in &new.constraints {
                text += &format!(" CONSTRAINT {} {}", sql(constraint), one.definition);
            }
            plan.add(Phase::Types, &format!("domain {name}"), text);
            (name, None, new)
        }
        Difference::Changed(name, old, new) => (name, Some(old), new),
    };
    let object = format!("domain {name}");
    let alter = format!("ALTER DOMAIN {}", sql(name));
    if let Some(old) = old {
        if old.default != new.default {
            let action = default_action(&new.default);
            plan.add(Phase::Types, &object, format!("{alter} {action}"));
        }
        if old.not_null != new.not_null {
            let word = if new.not_null { "SET" } else { "DROP" };
            plan.add(Phase::Columns, &object, format!("{alter} {word} NOT NULL"));
        }
    }
    let empty = Domain::default();
    for difference in differences(&old.unwrap_or(&empty).constraints, &new.constraints) {
        let (constraint, drops, adds, said) = match difference {
            Difference::Removed(constraint, _) => (constraint, true, None, None),
            Difference::Added(constraint, new) => (constraint, false, Some(new), Some(&new.comment)),
            Difference::Changed(constraint, old, new) => {
                let other = old.definition != new.definition;
                let said = other || old.comment != new.comment;
                (constraint, other, other.then_some(new), said.then_some(&new.comment))
            }
        };
        if drops {
            plan.add(Phase::DropConstraints, &object, format!("{alter} DROP CONSTRAINT {}", sql(constraint)));
        }
        if let Some(new) = adds.filter(|_| old.is_some()) {
            let text = format!("{alter} ADD CONSTRAINT {} {}", sql(constraint), new.definition);
            plan.add(Phase::Constraints, &object, text);
        }
        if let Some(said) = said.filter(|said| drops || adds.is_none() || !said.is_empty()) {
            let place = format!("CONSTRAINT {} ON DOMAIN {}", sql(constraint), sql(name));
            plan.add(Phase::Comments, &object, format!("COMMENT ON {place} IS {}", comment(said)));
        }
    }
    tail::draft("DOMAIN", &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
}

fn composites(difference: Difference<'_, Composite>, plan: &mut Plan) {
    let (name, old, new) = match difference {
        Difference::Removed(name, _) => return dropped("TYPE", name, plan),
        Difference::Added(name, new) => {
            let attributes: Vec<String> = new.attributes.iter().map(attribute).collect();
            let text = format!("CREATE TYPE {} AS ({})", sql(name), attributes.join(", "));
            plan.add(Phase::Types, &format!("type {name}"), text);
            (name, None, new)
        }
        Difference::Changed(name, old, new) => (name, Some(old), new),
    };
    let object = format!("type {name}");
    if let Some(old) = old {
        let alter = format!("ALTER TYPE {}", sql(name));
        for gone in old.attributes.iter().filter(|one| new.attributes.iter().all(|two| two.name != one.name))
        {
            plan.add(Phase::Types, &object, format!("{alter} DROP ATTRIBUTE {}", sql(&gone.name)));
        }
        for one in &new.attributes {
            match old.attributes.iter().find(|two| two.name == one.name) {
                None => plan.add(Phase::Types, &object, format!("{alter} ADD ATTRIBUTE {}", attribute(one))),
                Some(two) if (&two.type_name, &two.collation) != (&one.type_name, &one.collation) => {
                    let text = format!("{alter} ALTER ATTRIBUTE {} TYPE {}", sql(&one.name), one.type_name);
                    plan.add(Phase::Types, &object, text);
                }
                Some(_) => {}
            }
        }
    }
    for one in &new.attributes {
        let said = old.and_then(|old| old.attributes.iter().find(|two| two.name == one.name));
        if said.map_or("", |said| said.comment.as_str()) != one.comment {
            let place = format!("{}.{}", sql(name), sql(&one.name));
            plan.add(
                Phase::Comments,
                &object,
                format!("COMMENT ON COLUMN {place} IS {}", comment(&one.comment)),
            );
        }
    }
    tail::draft("TYPE", &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
}

fn ranges(difference: Difference<'_, Range>, plan: &mut Plan) {
    let (name, old, new) = match difference {
        Difference::Removed(name, _) => return dropped("TYPE", name, plan),
        Difference::Added(name, new) => {
            let options: Vec<String> =
                new.options.iter().map(|(option, value)| format!("{option} = {value}")).collect();
            let text = format!("CREATE TYPE {} AS RANGE ({})", sql(name), options.join(", "));
            plan.add(Phase::Types, &format!("type {name}"), text);
            (name, None, new)
        }
        Difference::Changed(name, old, new) => (name, Some(old), new),
    };
    tail::draft("TYPE", &sql(name), old.map(|old| tail!(old)), tail!(new), plan);
}

fn dropped(noun: &str, name: &str, plan: &mut Plan) {
    let object = format!("{} {name}", noun.to_lowercase());
    plan.add(Phase::DropTypes, &object, format!("DROP {noun} {}", sql(name)));
}
