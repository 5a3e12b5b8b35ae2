//! Rewrite rules.

use refit_catalog::Table;

use super::triggers::state_words;
use super::{Difference, differences};
use crate::names::{comment, sql};
use crate::plan::{Phase, Plan};

pub(super) fn draft(name: &str, old: Option<&Table>, new: &Table, plan: &mut Plan) {
    let empty = Table::default();
    for difference in differences(&old.unwrap_or(&empty).rules, &new.rules) {
        let (rule, before, after) = match difference {
            Difference::Removed(rule, _) => {
                let text = format!("DROP RULE {} ON {}", sql(rule), sql(name));
                plan.add(Phase::DropAttached, &format!("rule {rule} on {name}"), text);
                continue;
            }
            Difference::Added(rule, after) => (rule, None, after),
            Difference::Changed(rule, before, after) => (rule, Some(before), after),
        };
        let object = format!("rule {rule} on {name}");
        if before.is_none_or(|before| before.definition != after.definition) {
            let text =
                format!("CREATE OR REPLACE RULE {} AS {}", sql(rule), after.definition.trim_end_matches(';'));
            plan.add(Phase::Attached, &object, text);
        }
        if before.map_or("", |before| before.state.as_str()) != after.state {
            let text = format!("ALTER TABLE {} {} RULE {}", sql(name), state_words(&after.state), sql(rule));
            plan.add(Phase::Properties, &object, text);
        }
        if before.map_or("", |before| before.comment.as_str()) != after.comment {
            let text =
                format!("COMMENT ON RULE {} ON {} IS {}", sql(rule), sql(name), comment(&after.comment));
            plan.add(Phase::Comments, &object, text);
        }
    }
}
