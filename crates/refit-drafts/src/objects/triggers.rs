//! Triggers of tables and views.

use refit_catalog::{Table, Trigger};

use super::{Difference, differences, tail};
use crate::names::{comment, list, literal, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(name: &str, old: Option<&Table>, new: &Table, plan: &mut Plan) {
    let empty = Table::default();
    for difference in differences(&old.unwrap_or(&empty).triggers, &new.triggers) {
        match difference {
            Difference::Removed(_, before) if before.inherited => {}
            Difference::Added(trigger, after) if after.inherited => state(name, trigger, "", after, plan),
            Difference::Removed(trigger, _) => drop(name, trigger, plan),
            Difference::Added(trigger, after) => {
                create(name, trigger, after, plan);
                state(name, trigger, "", after, plan);
                commented(name, trigger, "", after, plan);
            }
            Difference::Changed(trigger, before, after) => {
                let same = |one: &Trigger| Trigger {
                    state: String::new(),
                    comment: String::new(),
                    extensions: Vec::new(),
                    ..one.clone()
                };
                if same(before) == same(after) {
                    state(name, trigger, &before.state, after, plan);
                    commented(name, trigger, &before.comment, after, plan);
                    let what = format!("TRIGGER {} ON {}", sql(trigger), sql(name));
                    let object = format!("trigger {trigger} on {name}");
                    tail::depends(&what, &object, &before.extensions, &after.extensions, plan);
                } else {
                    drop(name, trigger, plan);
                    create(name, trigger, after, plan);
                    state(name, trigger, "", after, plan);
                    commented(name, trigger, "", after, plan);
                }
            }
        }
    }
}

fn drop(table: &str, trigger: &str, plan: &mut Plan) {
    let text = format!("DROP TRIGGER {} ON {}", sql(trigger), sql(table));
    plan.add(Phase::DropAttached, &format!("trigger {trigger} on {table}"), text);
}

fn create(table: &str, name: &str, trigger: &Trigger, plan: &mut Plan) {
    let events: Vec<String> = trigger
        .events
        .iter()
        .map(|event| match event.as_str() {
            "update" if !trigger.update_of.is_empty() => format!("UPDATE OF {}", list(&trigger.update_of)),
            event => event.to_uppercase(),
        })
        .collect();
    let constraint = if trigger.constraint { "CONSTRAINT " } else { "" };
    let mut text = format!(
        "CREATE {constraint}TRIGGER {} {} {} ON {}",
        sql(name),
        trigger.timing.to_uppercase(),
        events.join(" OR "),
        sql(table)
    );
    if !trigger.from.is_empty() {
        text += &format!(" FROM {}", sql(&trigger.from));
    }
    if trigger.deferrable {
        text += if trigger.initially_deferred { " DEFERRABLE INITIALLY DEFERRED" } else { " DEFERRABLE" };
    }
    let transition = [("OLD", &trigger.old_table), ("NEW", &trigger.new_table)];
    let named: Vec<String> = transition
        .iter()
        .filter(|(_, name)| !name.is_empty())
        .map(|(which, name)| format!("{which} TABLE AS {}", sql(name)))
        .collect();
    if !named.is_empty() {
        text += &format!(" REFERENCING {}", named.join(" "));
    }
    text += if trigger.for_each_row { " FOR EACH ROW" } else { " FOR EACH STATEMENT" };
    if !trigger.when.is_empty() {
        text += &format!(" WHEN ({})", trigger.when);
    }
    let arguments: Vec<String> = trigger.arguments.iter().map(|argument| literal(argument)).collect();
    text += &format!(
        " EXECUTE FUNCTION {}({})",
        sql(crate::names::path(&trigger.function)),
        arguments.join(", ")
    );
    plan.add(Phase::Attached, &format!("trigger {name} on {table}"), text);
}

/// ENABLE and DISABLE.
fn state(table: &str, name: &str, before: &str, trigger: &Trigger, plan: &mut Plan) {
    if before != trigger.state {
        let text =
            format!("ALTER TABLE {} {} TRIGGER {}", sql(table), state_words(&trigger.state), sql(name));
        plan.add(Phase::Properties, &format!("trigger {name} on {table}"), text);
    }
}

/// The state of a trigger or rule, as in ALTER TABLE.
pub(super) fn state_words(state: &str) -> &'static str {
    match state {
        "disabled" => "DISABLE",
        "replica" => "ENABLE REPLICA",
        "always" => "ENABLE ALWAYS",
        _ => "ENABLE",
    }
}

fn commented(table: &str, name: &str, before: &str, trigger: &Trigger, plan: &mut Plan) {
    if before != trigger.comment {
        let place = format!("TRIGGER {} ON {}", sql(name), sql(table));
        let text = format!("COMMENT ON {place} IS {}", comment(&trigger.comment));
        plan.add(Phase::Comments, &format!("trigger {name} on {table}"), text);
    }
}
