//! What `--dry-run` prints: a plan, and the SQL of its files.

use refit_model::redact::Secrets;
use serde::Serialize;

use crate::context::Context;

/// A file of the plan, and what is in it.
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

/// Prints a plan, for people as `text`, and the files behind it.
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
