//! A preview as text.

use std::fmt;

use refit_model::wording::counted;

use super::{Estimate, Preview, Sample};
use crate::backfill::engine::facts::to_float;
use crate::line::Line;

impl Preview {
    /// What was found, line by line.
    ///
    /// ```
    /// # fn example(preview: &refit::backfill::Preview) {
    /// for line in preview.lines() {
    ///     println!("{:8} {}", line.label, line.text);
    /// }
    /// # }
    /// ```
    pub fn lines(&self) -> Vec<Line> {
        if let Some(reason) = &self.refused {
            return vec![Line::problem("refused", reason)];
        }
        let mut lines = Vec::new();
        if let (Some(strategy), Some(reason)) = (&self.strategy, &self.reason) {
            lines.push(Line::detail("strategy", format!("{strategy}: {reason}")));
        }
        let Sample { batches, rows_walked, rows_changed, seconds, wal_bytes } = self.sample;
        let sample = format!(
            "{} over {rows_walked} rows changed {rows_changed} in {:.0} ms and wrote {} of WAL",
            counted(batches, "batch"),
            seconds * 1e3,
            size(wal_bytes)
        );
        lines.push(Line::detail("sample", sample));
        lines.extend(self.failures.iter().take(SHOWN).map(|failure| Line::problem("failed", failure)));
        if let Some(more @ 1..) = self.failures.len().checked_sub(SHOWN) {
            lines.push(Line::detail("", format!("and {more} more")));
        }
        match &self.estimate {
            Some(estimate) => lines.extend(self.estimate_lines(estimate)),
            None if self.rows == 0 => lines.push(Line::detail("estimate", "none: no rows")),
            None => lines.push(Line::detail("estimate", "none: no batch ran")),
        }
        lines
    }

    fn estimate_lines(&self, estimate: &Estimate) -> [Line; 4] {
        let one = span(estimate.seconds_one_worker);
        let time = match self.workers {
            ..=1 => one,
            workers => format!("{one} with one worker, {} with {workers}", span(estimate.seconds)),
        };
        let growth = match estimate.growth_bytes {
            Some(bytes) => {
                let (now, reason) = (size(self.table_bytes), estimate.growth_reason);
                format!("{} on {now} of table and indexes: {reason}", size(bytes))
            }
            None => estimate.growth_reason.to_owned(),
        };
        [
            Line::detail("time", format!("{time}, without throttling")),
            Line::detail("rows", format!("{} of {} change", estimate.rows_changed, self.rows)),
            Line::detail("WAL", size(estimate.wal_bytes)),
            Line::detail("growth", growth),
        ]
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.name, self.table)?;
        for line in self.lines() {
            writeln!(f)?;
            line.write(f, 8)?;
        }
        Ok(())
    }
}

/// Failures that are shown at most.
const SHOWN: usize = 10;

fn size(bytes: u64) -> String {
    let bytes = to_float(bytes);
    match bytes {
        large if large >= 1e9 => format!("{:.1} GB", large / 1e9),
        some if some >= 1e6 => format!("{:.0} MB", some / 1e6),
        little => format!("{:.0} kB", (little / 1e3).ceil()),
    }
}

fn span(seconds: f64) -> String {
    match seconds {
        long if long >= 7_200.0 => format!("{:.1} hours", long / 3_600.0),
        some if some >= 120.0 => format!("{:.0} minutes", some / 60.0),
        little => format!("{little:.1} s"),
    }
}
