//! The output of `--dry-run`: a plan and the SQL of its files.

use refit_model::redact::Secrets;
use serde::Serialize;

use crate::styled::Text;

/// A file of the plan and its SQL.
#[derive(Serialize)]
pub(crate) struct FileSql<'a> {
    pub(crate) path: &'a str,
    pub(crate) sql: &'a str,
}

/// A plan and its files, as a JSON document.
#[derive(Serialize)]
pub(crate) struct DryRun<'a, P> {
    pub(crate) plan: &'a P,
    pub(crate) statements: Vec<FileSql<'a>>,
}

impl<P> DryRun<'_, P> {
    /// For people: the given text of the plan, then the files.
    pub(crate) fn text(&self, mut plan: Text) -> Text {
        for FileSql { path, sql } in &self.statements {
            let sql = Secrets::of(sql).source(sql);
            plan.push(format!("\n\n-- {path}\n{}", sql.trim_end()));
        }
        plan
    }
}
