//! The output of `--dry-run`: a plan and the SQL of its files.

use refit_model::redact::Secrets;
use serde::Serialize;

use crate::context::Context;

/// A file of the plan and its SQL.
#[derive(Serialize)]
pub(crate) struct FileSql<'a> {
    pub(crate) path: &'a str,
    pub(crate) sql: &'a str,
}

#[derive(Serialize)]
struct DryRun<'a, P> {
    plan: &'a P,
    statements: Vec<FileSql<'a>>,
}

/// Prints a plan and its files. `text` is the plan for people.
pub(crate) fn show(
    plan: &impl Serialize,
    mut text: String,
    statements: Vec<FileSql<'_>>,
    context: &Context,
) -> anyhow::Result<()> {
    for FileSql { path, sql } in &statements {
        let sql = Secrets::of(sql).source(sql);
        text.push_str(&format!("\n\n-- {path}\n{}", sql.trim_end()));
    }
    context.out.result(&DryRun { plan, statements }, text)
}
