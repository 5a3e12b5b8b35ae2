//! What `--dry-run` tells: a plan, and the SQL of its files.

use refit_model::redact::Secrets;
use serde::Serialize;

use crate::context::Context;

/// A file of the plan, and what is in it.
#[derive(Serialize)]
pub(super) struct FileSql<'a> {
    pub(super) path: &'a str,
    pub(super) sql: &'a str,
}

#[derive(Serialize)]
struct DryRun<'a, P> {
    plan: &'a P,
    statements: Vec<FileSql<'a>>,
}

/// Tells a plan, for people in the words of `text`, and the files behind it.
pub(super) fn tell(
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
