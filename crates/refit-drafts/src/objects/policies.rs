//! Policies of row-level security.

use refit_catalog::{Policy, Table};

use super::{Difference, differences};
use crate::names::{comment, list, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(name: &str, old: Option<&Table>, new: &Table, plan: &mut Plan) {
    let empty = Table::default();
    for difference in differences(&old.unwrap_or(&empty).policies, &new.policies) {
        match difference {
            Difference::Removed(policy, _) => drop(name, policy, plan),
            Difference::Added(policy, after) => create(name, policy, after, plan),
            Difference::Changed(policy, before, after) => {
                let fixed = (before.restrictive, &before.command) == (after.restrictive, &after.command);
                let loses = (after.using.is_empty() && !before.using.is_empty())
                    || (after.check.is_empty() && !before.check.is_empty());
                if fixed && !loses {
                    alter(name, policy, before, after, plan);
                } else {
                    drop(name, policy, plan);
                    create(name, policy, after, plan);
                }
            }
        }
    }
}

fn drop(table: &str, policy: &str, plan: &mut Plan) {
    let text = format!("DROP POLICY {} ON {}", sql(policy), sql(table));
    plan.add(Phase::DropAttached, &format!("policy {policy} on {table}"), text);
}

fn create(table: &str, name: &str, policy: &Policy, plan: &mut Plan) {
    let mut text = format!("CREATE POLICY {} ON {}", sql(name), sql(table));
    if policy.restrictive {
        text += " AS RESTRICTIVE";
    }
    if !policy.command.is_empty() {
        text += &format!(" FOR {}", policy.command.to_uppercase());
    }
    if !policy.roles.is_empty() {
        text += &format!(" TO {}", list(&policy.roles));
    }
    text += &conditions(policy);
    plan.add(Phase::Attached, &format!("policy {name} on {table}"), text);
    commented(table, name, "", policy, plan);
}

fn alter(table: &str, name: &str, before: &Policy, after: &Policy, plan: &mut Plan) {
    let mut parts = String::new();
    if before.roles != after.roles {
        let roles = if after.roles.is_empty() { "PUBLIC".to_owned() } else { list(&after.roles) };
        parts += &format!(" TO {roles}");
    }
    if (&before.using, &before.check) != (&after.using, &after.check) {
        parts += &conditions(after);
    }
    if !parts.is_empty() {
        let text = format!("ALTER POLICY {} ON {}{parts}", sql(name), sql(table));
        plan.add(Phase::Attached, &format!("policy {name} on {table}"), text);
    }
    commented(table, name, &before.comment, after, plan);
}

fn conditions(policy: &Policy) -> String {
    let mut text = String::new();
    for (words, condition) in [("USING", &policy.using), ("WITH CHECK", &policy.check)] {
        if !condition.is_empty() {
            text += &format!(" {words} ({condition})");
        }
    }
    text
}

fn commented(table: &str, name: &str, before: &str, policy: &Policy, plan: &mut Plan) {
    if before != policy.comment {
        let text =
            format!("COMMENT ON POLICY {} ON {} IS {}", sql(name), sql(table), comment(&policy.comment));
        plan.add(Phase::Comments, &format!("policy {name} on {table}"), text);
    }
}
