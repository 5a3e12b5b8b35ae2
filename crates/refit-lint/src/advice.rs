//! Help with the full mechanical safe form of a finding, as `--fix` would write it.

use crate::check::File;
use crate::finding::Finding;
use crate::fixes;
use crate::plan::{Plan, Site};
use crate::schema::Schema;
use crate::sequence::{Parts, Runs, Step};
use crate::sql::Stmt;

/// Replaces the SQL in a finding's help with the steps and keeps its first line, the sentence. The help stays unchanged
/// if there is no such form, or if the form rewrites the whole file.
pub(crate) fn complete(
    finding: &mut Finding,
    file: &File,
    (stmts, index): (&[Stmt], usize),
    schema: &Schema,
    postgres: u32,
) {
    let Some(plan) = fixes::of(finding.rule).filter(|_| !fixes::changes_file(finding.rule)) else { return };
    let Some((words, _)) = finding.help.split_once('\n') else { return };
    let site = Site {
        path: &file.path,
        origin: &file.path,
        text: &file.text,
        parts: &Parts::default(),
        stmts,
        index,
        schema,
        directives: &file.directives,
        finding,
        postgres,
        explained: file.explained,
    };
    if let Ok(Plan::Steps(steps)) = plan(&site) {
        finding.help = format!("{words}\n{}", written(&steps));
    }
}

/// The steps, ready to paste, each below its directives.
fn written(steps: &[Step]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut waits = false;
    for step in steps {
        if step.runs != Runs::Here && !lines.is_empty() {
            let what = if waits { ", which waits for that one with `after`" } else { "" };
            lines.push(format!("-- the next migration{what}:"));
        }
        waits = matches!(step.runs, Runs::Backfill(_));
        match &step.runs {
            Runs::Alone => lines.push("-- refit: transaction = false".to_owned()),
            Runs::Backfill(directive) => lines.push(format!("-- refit: backfill = {directive}")),
            Runs::Here | Runs::Apart | Runs::Later => {}
        }
        lines.extend(step.sql.iter().map(|sql| format!("{sql};")));
    }
    lines.join("\n")
}
