//! From the rows of a check to its verdict.

use refit_model::{Check, Severity};

use crate::report::{Counts, Verdict};

/// What is kept of the rows while they are read.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) rows: u64,
    pub(super) counts: Option<Counts>,
    worst: Option<Verdict>,
    pub(super) error: Option<String>,
}

/// How the rows of a check are read, by the names of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Each row is a violation.
    Violations,
    /// Two counts, in these columns.
    Counts(usize, usize),
    /// A verdict, in this column.
    Status(usize),
}

impl Reading {
    pub(super) fn of(columns: &[String]) -> Reading {
        let column = |name: &str| columns.iter().position(|column| column == name);
        match (column("source_count"), column("target_count"), column("status")) {
            (Some(source), Some(target), _) => Reading::Counts(source, target),
            (_, _, Some(status)) => Reading::Status(status),
            _ => Reading::Violations,
        }
    }
}

impl Judgement {
    /// Adds a row.
    pub(super) fn add(&mut self, check: &Check, reading: Reading, row: &[Option<String>]) {
        self.rows += 1;
        let value = |column: usize| row.get(column).and_then(Option::as_deref);
        let verdict = match reading {
            Reading::Violations => return,
            Reading::Counts(source, target) => {
                let number = |column: usize| value(column).and_then(|text| text.parse::<i64>().ok());
                match number(source).zip(number(target)) {
                    Some((source, target)) => self.compare(check, source, target),
                    None => self.unreadable("source_count and target_count are not both whole numbers"),
                }
            }
            Reading::Status(status) => match value(status).map(str::to_ascii_lowercase).as_deref() {
                Some("pass") => Verdict::Passed,
                Some("warn") => Verdict::Warned,
                Some("fail") => Verdict::Failed,
                _ => self.unreadable("status is none of pass, warn and fail"),
            },
        };
        self.worst = self.worst.max(Some(verdict));
    }

    fn compare(&mut self, check: &Check, source: i64, target: i64) -> Verdict {
        let counts = Counts { source, target, difference: source.saturating_sub(target) };
        let difference = |counts: &Counts| counts.difference.unsigned_abs();
        if self.counts.as_ref().is_none_or(|known| difference(known) < difference(&counts)) {
            self.counts = Some(counts);
        }
        // In parts per million of the source, without rounding.
        let off = u128::from(difference(&counts)) * 1_000_000;
        let allowed = u128::from(source.unsigned_abs()) * u128::from(check.tolerance_ppm);
        match difference(&counts) {
            0 => Verdict::Passed,
            _ if off <= allowed => Verdict::Warned,
            _ => by_severity(check),
        }
    }

    fn unreadable(&mut self, why: &str) -> Verdict {
        self.error.get_or_insert_with(|| why.to_owned());
        Verdict::Failed
    }

    /// The verdict once all rows are added.
    pub(super) fn verdict(&self, check: &Check, reading: Reading) -> Verdict {
        match reading {
            Reading::Violations if self.rows > check.max_rows => by_severity(check),
            Reading::Violations => Verdict::Passed,
            Reading::Counts(..) | Reading::Status(_) => self.worst.unwrap_or(Verdict::Passed),
        }
    }
}

fn by_severity(check: &Check) -> Verdict {
    match check.severity {
        Severity::Error => Verdict::Failed,
        Severity::Warn => Verdict::Warned,
    }
}

#[cfg(test)]
mod tests {
    use refit_model::{When, checks_of};

    use super::*;

    fn judged(options: &str, columns: &[&str], rows: &[&[Option<&str>]]) -> (Verdict, Judgement) {
        let text = format!("-- check: c {options}\nSELECT 1;");
        let check = checks_of("c.sql", &text, "c", When::Standing).unwrap().remove(0);
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let reading = Reading::of(&columns);
        let mut judgement = Judgement::default();
        for row in rows {
            let row: Vec<Option<String>> = row.iter().map(|value| value.map(str::to_owned)).collect();
            judgement.add(&check, reading, &row);
        }
        (judgement.verdict(&check, reading), judgement)
    }

    #[test]
    fn rows_are_violations_up_to_the_allowed_number() {
        let row: &[Option<&str>] = &[Some("1")];
        assert_eq!(judged("", &["id"], &[]).0, Verdict::Passed);
        assert_eq!(judged("", &["id"], &[row]).0, Verdict::Failed);
        assert_eq!(judged("{ severity = \"warn\" }", &["id"], &[row]).0, Verdict::Warned);
        assert_eq!(judged("{ max_rows = 2 }", &["id"], &[row, row]).0, Verdict::Passed);
        assert_eq!(judged("{ max_rows = 1 }", &["id"], &[row, row]).0, Verdict::Failed);
    }

    #[test]
    fn counts_are_compared_within_the_tolerance() {
        let columns = ["source_count", "target_count"];
        let counts =
            |options: &str, source, target| judged(options, &columns, &[&[Some(source), Some(target)]]);
        assert_eq!(counts("", "7", "7").0, Verdict::Passed);
        let (verdict, judgement) = counts("", "10", "7");
        assert_eq!(verdict, Verdict::Failed);
        assert_eq!(judgement.counts, Some(Counts { source: 10, target: 7, difference: 3 }));
        assert_eq!(counts("{ tolerance = \"1%\" }", "1000", "990").0, Verdict::Warned);
        assert_eq!(counts("{ tolerance = \"1%\" }", "1000", "1011").0, Verdict::Failed);
        assert_eq!(counts("{ tolerance = \"1%\" }", "0", "1").0, Verdict::Failed);
        let (verdict, judgement) = judged("", &columns, &[&[None, Some("1")]]);
        assert!(verdict == Verdict::Failed && judgement.error.is_some());
    }

    #[test]
    fn a_status_is_the_verdict() {
        let status = |value| judged("{ severity = \"warn\" }", &["status"], &[&[value]]);
        assert_eq!(status(Some("PASS")).0, Verdict::Passed);
        assert_eq!(status(Some("Warn")).0, Verdict::Warned);
        assert_eq!(status(Some("fail")).0, Verdict::Failed);
        let (verdict, judgement) = status(Some("fine"));
        assert!(verdict == Verdict::Failed && judgement.error.is_some());
        let worst = judged("", &["status"], &[&[Some("fail")], &[Some("pass")]]);
        assert_eq!(worst.0, Verdict::Failed);
    }
}
