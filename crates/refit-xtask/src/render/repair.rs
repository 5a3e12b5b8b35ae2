//! Rendering of repairs.

use refit::{Plan, Refusal};

use crate::output::{BAD, GOOD, WARN};
use crate::repairs::Repair;
use crate::styled::{Text, text};

/// What changes in the history; without a repair, what may still need one.
pub(crate) fn repairs(repairs: &[Repair], plan: &Plan) -> Text {
    if !repairs.is_empty() {
        return repairs.iter().map(|repair| text![one(repair), "\n"]).collect();
    }
    let unrepaired = plan.refusals.iter().filter_map(|refusal| match refusal {
        Refusal::Missing { version, name } => {
            Some(format!("version {version} ({name}) has no file: --forget V{version}"))
        }
        Refusal::Renumbered { .. } => Some(refusal.to_string()),
        _ => None,
    });
    Text::lines(std::iter::once("nothing to repair".to_owned()).chain(unrepaired))
}

fn one(repair: &Repair) -> Text {
    match repair {
        Repair::Accept { path, applied, found, statements_differ, diff, .. } => {
            let verdict = match statements_differ {
                Some(false) => GOOD.of("only comments and whitespace differ"),
                Some(true) => {
                    text![BAD.of("statements differ"), ": the effects of the old ones remain in the database"]
                }
                None => text![
                    WARN.of("the applied text is not in git"),
                    ": compare the schema manually before you accept"
                ],
            };
            text![format!("{path}: checksum {applied} becomes {found}\n  "), verdict, "\n", diff]
        }
        Repair::Rename { version, path, from, to, .. } => {
            format!("{path}: version {version} is renamed from {from} to {to}; the text is unchanged").into()
        }
        Repair::Forget { version, name } => {
            format!("version {version} ({name}) is removed from the history; its changes remain").into()
        }
        Repair::BackfillComplete { name, .. } => {
            format!("the backfill {name} is marked complete; steps that wait for it may run").into()
        }
        Repair::BackfillAgain { name, .. } => {
            format!("the backfill {name} is registered again; it may change rows a second time").into()
        }
        Repair::StatementDone { step } => {
            format!("the interrupted statement of {step} is marked complete; the next run resumes after it")
                .into()
        }
        Repair::StatementAgain { step } => format!(
            "the interrupted statement of {step} will run again; what it has already committed is kept"
        )
        .into(),
    }
}
