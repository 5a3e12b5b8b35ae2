//! Checks: queries that return no rows when all is well.
//!
//! A `.check.sql` file belongs to a migration; a file in the folder `checks` has checks of the whole database.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::named_query::{Kind, NamedQuery, named_queries};
use crate::problem::Problem;
use crate::settings::parse_duration;
use crate::sql_text::SqlText;
use crate::text::Position;

/// A query that returns no rows when all is well.
///
/// Columns `source_count` and `target_count` are compared instead; a column `status` is the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// Its name, unique in its file.
    pub name: String,
    /// The file, relative to the folder.
    pub path: String,
    /// Where its query begins.
    pub position: Position,
    /// Its query.
    pub sql: SqlText,
    /// When it runs.
    pub when: When,
    /// What a violation means.
    pub severity: Severity,
    /// By how much of the source two counts may differ for a warning instead of a failure, in parts per million.
    pub tolerance_ppm: u32,
    /// How many rows are allowed.
    pub max_rows: u64,
    /// How many rows a report shows.
    pub show: u32,
    /// How long the query may take.
    pub timeout: Duration,
}

/// When a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the first step of a run that applies its migration.
    Before,
    /// After its migration.
    #[default]
    After,
    /// On demand, and on the schedule of a service.
    Standing,
}

/// What a violation of a check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run fails.
    #[default]
    Error,
    /// The report warns.
    Warn,
}

/// The options in a header, all of them optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    when: Option<When>,
    severity: Option<Severity>,
    tolerance: Option<String>,
    max_rows: Option<u64>,
    show: Option<u32>,
    timeout: Option<String>,
}

const KIND: Kind = Kind {
    noun: "check",
    example: "every_version_has_a_site",
    options: "{ when = \"before\", severity = \"warn\", tolerance = \"1%\", max_rows = 0, show = 10, timeout = \"30s\" }",
    query: "write a query that returns the rows that are wrong",
};

/// Reads the checks of a file. A file with one query and no header is one check, which has the name `unnamed`.
///
/// ```
/// use refit_model::{When, checks_of};
///
/// let text = "-- check: one_default_site { when = \"before\" }\nSELECT id FROM sites WHERE is_default OFFSET 1;";
/// let checks = checks_of("V0012__sites.check.sql", text, "V0012__sites", When::After).unwrap();
/// assert_eq!((checks[0].name.as_str(), checks[0].when), ("one_default_site", When::Before));
/// ```
///
/// # Errors
/// Every problem of the file, each with its position.
pub fn checks_of(path: &str, text: &str, unnamed: &str, when: When) -> Result<Vec<Check>, Vec<Problem>> {
    let (mut checks, mut problems) = (Vec::new(), Vec::new());
    for query in named_queries(KIND, path, text, unnamed)? {
        match check(path, query, when) {
            Ok(check) => checks.push(check),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(checks) } else { Err(problems) }
}

fn check(path: &str, named: NamedQuery<'_, Options>, when: When) -> Result<Check, Problem> {
    let NamedQuery { name, options, query, position } = named;
    let problem = |message: String, fix: &str| Problem::new(path, message, fix).at(position);
    let tolerance_ppm = match options.tolerance.as_deref().map(parts_per_million) {
        Some(None) => {
            let message = format!("the tolerance of the check `{name}` is not a percentage from 0% to 100%");
            return Err(problem(message, "write it as `tolerance = \"1%\"`"));
        }
        tolerance => tolerance.flatten().unwrap_or(0),
    };
    let timeout = match options.timeout.as_deref().map(parse_duration) {
        Some(Err(_)) => {
            let message =
                format!("the timeout of the check `{name}` is not a duration from 1ms to less than a day");
            return Err(problem(message, "write it as `timeout = \"30s\"`"));
        }
        timeout => timeout.and_then(Result::ok).unwrap_or(Duration::from_secs(30)),
    };
    Ok(Check {
        name,
        path: path.to_owned(),
        position,
        sql: query.text.to_owned().into(),
        when: options.when.unwrap_or(when),
        severity: options.severity.unwrap_or_default(),
        tolerance_ppm,
        max_rows: options.max_rows.unwrap_or(0),
        show: options.show.unwrap_or(10),
        timeout,
    })
}

/// A percentage in parts per million.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to a million")]
fn parts_per_million(text: &str) -> Option<u32> {
    let percent: f64 = text.trim().strip_suffix('%')?.trim_end().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some((percent * 10_000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Check>, Vec<String>> {
        let shown = |problem: &Problem| problem.to_string().replace("\n    fix:", " |");
        checks_of("V1__x.check.sql", text, "V1__x", When::After)
            .map_err(|problems| problems.iter().map(shown).collect())
    }

    #[test]
    fn a_file_with_one_query_is_one_check() {
        let checks = read("-- Sites have a domain.\nSELECT id FROM sites WHERE domain IS NULL;\n").unwrap();
        let [check] = &checks[..] else { panic!("{checks:?}") };
        assert_eq!(
            (check.name.as_str(), check.when, check.severity),
            ("V1__x", When::After, Severity::Error)
        );
        assert_eq!((&*check.sql, check.position.line), ("SELECT id FROM sites WHERE domain IS NULL", 2));
        assert_eq!((check.max_rows, check.show, check.timeout), (0, 10, Duration::from_secs(30)));
    }

    #[test]
    fn checks_have_names_and_options() {
        let text = "-- check: default_site { when = \"before\", timeout = \"2s\" }\nSELECT 1;\n\n\
                    --check: copied { tolerance = \"1.5%\", severity = \"warn\", max_rows = 3, show = 5 }\n\
                    -- Why.\nSELECT '\n-- check: text' AS x,\n  2;\n\
                    -- check: all-of-it { when = \"standing\" }\nTABLE t;";
        let checks = read(text).unwrap();
        let names: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.when)).collect();
        let expected =
            [("default_site", When::Before), ("copied", When::After), ("all-of-it", When::Standing)];
        assert_eq!(names, expected);
        assert_eq!(checks[0].timeout, Duration::from_secs(2));
        let copied = &checks[1];
        assert_eq!((copied.tolerance_ppm, copied.severity), (15_000, Severity::Warn));
        assert_eq!((copied.max_rows, copied.show), (3, 5));
        assert!(copied.sql.contains("-- check: text"), "{}", copied.sql);
    }

    #[test]
    fn every_problem_of_a_file_is_reported() {
        for (text, expected) in [
            ("SELECT 1; SELECT 2;", vec!["V1__x.check.sql:1:11: the file has 2 queries without names"]),
            ("SELECT 1;\n-- check: a\nSELECT 2;", vec!["V1__x.check.sql:1:1: this query has no name"]),
            (
                "-- check: a\nSELECT 1; SELECT 2;\n-- check: a\n-- check: b c\nSELECT 1;",
                vec![
                    "V1__x.check.sql:4:1: `b c` is not the name of a check",
                    "V1__x.check.sql:2:11: the check `a` has more than one query",
                    "V1__x.check.sql:3:1: a second check is called `a`",
                ],
            ),
            ("-- check: a\n", vec!["V1__x.check.sql:1:1: the check `a` has no query"]),
            ("DELETE FROM t;", vec!["V1__x.check.sql:1:1: the check `V1__x` is not a query"]),
            (
                "-- check: a { when = \"never\" }\nSELECT 1;",
                vec!["V1__x.check.sql:1:1: the options of `a` cannot be read"],
            ),
            (
                "-- check: a { wen = \"after\" }\nSELECT 1;",
                vec!["V1__x.check.sql:1:1: the options of `a` cannot be read"],
            ),
            (
                "-- check: a { when = }\nSELECT 1;",
                vec!["V1__x.check.sql:1:1: the options of `a` cannot be read"],
            ),
            (
                "-- check: a { tolerance = \"101%\" }\nSELECT 1;",
                vec!["V1__x.check.sql:2:1: the tolerance of the check `a`"],
            ),
            (
                "-- check: a { timeout = \"0s\" }\nSELECT 1;",
                vec!["V1__x.check.sql:2:1: the timeout of the check `a`"],
            ),
        ] {
            let problems = read(text).unwrap_err();
            assert!(problems.iter().all(|problem| problem.contains(" | ")), "without a fix: {problems:?}");
            for expected in &expected {
                assert!(
                    problems.iter().any(|problem| problem.starts_with(expected)),
                    "{text:?}: {problems:#?}"
                );
            }
        }
    }
}
