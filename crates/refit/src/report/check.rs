//! What a check found.

use std::time::Duration;

use serde::Serialize;

use super::seconds;
use crate::line::Line;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All is well.
    Passed,
    /// Something is wrong that the check only warns of.
    Warned,
    /// Something is wrong, or the check cannot run.
    Failed,
}

/// The counts of a check that compares two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// `source_count`.
    pub source: i64,
    /// `target_count`.
    pub target: i64,
    /// `source` without `target`.
    pub difference: i64,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckResult {
    /// Its name.
    pub name: String,
    /// Its file, relative to the folder.
    pub path: String,
    /// The line of its query.
    pub line: usize,
    /// What it found.
    pub verdict: Verdict,
    /// How many rows it returned.
    pub rows: u64,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The first rows, as text; NULL is none.
    pub first_rows: Vec<Vec<Option<String>>>,
    /// The counts that were compared, if it compares two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Why it could not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
}

impl CheckResult {
    /// What it found, line by line.
    ///
    /// ```
    /// # fn example(result: &refit::CheckResult) {
    /// for line in result.lines() {
    ///     println!("{:8} {}", line.label, line.text);
    /// }
    /// # }
    /// ```
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(error) = &self.error {
            lines.push(Line::problem("error", error));
        }
        if let Some(Counts { source, target, difference }) = self.counts {
            lines.push(Line::detail(
                "counts",
                format!("source {source}, target {target}, difference {difference}"),
            ));
        } else if self.verdict != Verdict::Passed {
            lines.extend(self.first_rows.iter().map(|row| Line::detail("row", self.row(row))));
            if let Some(more @ 1..) = self.rows.checked_sub(self.first_rows.len() as u64) {
                lines.push(Line::detail("", format!("and {more} more")));
            }
        }
        lines
    }

    fn row(&self, row: &[Option<String>]) -> String {
        let values = self.columns.iter().zip(row);
        let value = |(column, value): (&String, &Option<String>)| {
            format!("{column} = {}", value.as_deref().unwrap_or("NULL"))
        };
        refit_model::visible_line(&values.map(value).collect::<Vec<_>>().join(", ")).into_owned()
    }
}
