//! The size of batches: as many rows as fit the target duration.

use std::collections::VecDeque;
use std::time::Duration;

/// Minimum and maximum rows in a batch; measurements show that these bounds work for tables of 50,000 to 5,000,000 rows.
const LEAST: f64 = 10.0;
const MOST: f64 = 100_000.0;
/// The limits of one adjustment, as factors.
const SHRINK: f64 = 0.5;
const GROW: f64 = 1.5;
/// Batches that are remembered.
const REMEMBERED: usize = 8;

/// The size of the next batch, from how long the last ones took.
#[derive(Debug, Clone)]
pub(crate) struct BatchSize {
    rows: f64,
    target: Duration,
    /// Seconds per row in the last batches.
    pace: VecDeque<f64>,
    /// The maximum size while a bad row is being located.
    probe: Option<u32>,
}

impl BatchSize {
    pub(crate) fn new(rows: u32, target: Duration) -> BatchSize {
        BatchSize { rows: f64::from(rows), target, pace: VecDeque::new(), probe: None }
    }

    /// Rows in the next batch.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 100,000")]
    pub(crate) fn rows(&self) -> u32 {
        self.probe.unwrap_or(self.rows.round() as u32).max(1)
    }

    /// Whether a bad or locked row is being located.
    pub(crate) fn is_probing(&self) -> bool {
        self.probe.is_some()
    }

    /// A batch of `rows` rows succeeded.
    pub(crate) fn succeeded(&mut self, rows: u32, took: Duration) {
        if let Some(probe) = self.probe {
            let next = probe.saturating_mul(2);
            self.probe = (f64::from(next) < self.rows).then_some(next);
            return;
        }
        if rows == 0 {
            return;
        }
        self.pace.push_back(took.as_secs_f64() / f64::from(rows));
        if self.pace.len() > REMEMBERED {
            self.pace.pop_front();
        }
        if took > self.target * 5 {
            self.rows = (self.rows / 10.0).max(LEAST);
            self.pace.clear();
            return;
        }
        // The last batch of a range may be short, and is no measure.
        if f64::from(rows) < self.rows / 2.0 {
            return;
        }
        let mut sorted: Vec<f64> = self.pace.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let slow = sorted[(sorted.len() * 9 / 10).min(sorted.len() - 1)];
        let factor = (self.target.as_secs_f64() / (slow * self.rows).max(1e-9)).clamp(SHRINK, GROW);
        self.rows = (self.rows * factor).clamp(LEAST, MOST);
    }

    /// A batch took too long or did not get its locks: the next ones have half the rows.
    pub(crate) fn halve(&mut self) {
        match self.probe {
            Some(probe) => self.probe = Some((probe / 2).max(1)),
            None if self.rows / 2.0 >= LEAST => self.rows /= 2.0,
            None => self.probe = Some((self.rows() / 2).max(1)),
        }
        self.pace.clear();
    }

    /// A row in a batch of `rows` rows is bad: it is located by halving, and the size is restored afterwards.
    pub(crate) fn look_for_row(&mut self, rows: u32) {
        self.probe = Some((rows / 2).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_finds_the_size_that_takes_the_time() {
        let mut size = BatchSize::new(1_000, 100 * MS);
        for _ in 0..40 {
            let rows = size.rows();
            size.succeeded(rows, Duration::from_secs_f64(f64::from(rows) * 1e-5));
        }
        assert!((9_000..=11_000).contains(&size.rows()), "{}", size.rows());
        // From here on, rows take ten times as long.
        for _ in 0..60 {
            let rows = size.rows();
            size.succeeded(rows, Duration::from_secs_f64(f64::from(rows) * 1e-4));
        }
        assert!((800..=1_200).contains(&size.rows()), "{}", size.rows());
    }

    #[test]
    fn the_bounds_hold() {
        let mut size = BatchSize::new(1_000, 100 * MS);
        for _ in 0..100 {
            size.succeeded(size.rows(), Duration::from_nanos(1));
        }
        assert_eq!(size.rows(), 100_000);
        for _ in 0..100 {
            size.succeeded(size.rows(), Duration::from_secs(60));
        }
        assert_eq!(size.rows(), 10);
    }

    #[test]
    fn a_bad_row_is_found_by_halves_and_the_size_comes_back() {
        let mut size = BatchSize::new(10_000, 100 * MS);
        let (mut at, bad, mut tries) = (0, 7_777, 0);
        while at < 20_000 {
            tries += 1;
            let rows = size.rows();
            if (at..at + rows).contains(&bad) {
                if rows == 1 {
                    at += 1;
                    size.succeeded(1, MS);
                } else {
                    size.look_for_row(rows);
                }
            } else {
                at += rows;
                size.succeeded(rows, 100 * MS);
            }
        }
        assert!(tries < 60, "{tries}");
        assert_eq!(size.rows(), 10_000);
    }
}
