//! Budgets: queries whose time is measured.
//!
//! A `.budget.sql` file belongs to a migration; a file in the folder `budgets` has budgets of the whole database.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::named_query::{Kind, NamedQuery, named_queries};
use crate::problem::Problem;
use crate::settings::parse_duration;
use crate::sql_text::SqlText;
use crate::statement::split_statements;
use crate::text::Position;

/// Maximum number of executions of a budget's query.
const MAX_RUNS: u32 = 10_000;

/// A query whose time is measured, before and after a run and on demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Budget {
    /// Its name, unique in its file.
    pub name: String,
    /// The file, relative to the folder.
    pub path: String,
    /// Where its query begins.
    pub position: Position,
    /// Its query. `$1`, `$2` and so on are the columns of a row of `parameters`.
    pub sql: SqlText,
    /// The 95th percentile of its time that is allowed; none if it is only measured.
    pub p95: Option<Duration>,
    /// How often it is executed.
    pub runs: u32,
    /// A query whose rows are the parameters of one execution each, by turns; none for a query without parameters.
    pub parameters: Option<String>,
    /// How long one execution may take.
    pub timeout: Duration,
}

/// The options in a header, all of them optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    p95: Option<String>,
    runs: Option<u32>,
    parameters: Option<String>,
    timeout: Option<String>,
}

const KIND: Kind = Kind {
    noun: "budget",
    example: "listing_by_platform",
    options: "{ p95 = \"50ms\", runs = 20, parameters = \"SELECT id FROM platforms\", timeout = \"30s\" }",
    query: "write the query whose time is measured",
};

/// Reads the budgets of a file. A file with one query and no header is one budget, which has the name `unnamed`.
///
/// ```
/// use refit_model::budgets_of;
///
/// let text = "-- budget: listing { p95 = \"50ms\", parameters = \"SELECT id FROM sites\" }\nSELECT * FROM posts WHERE site_id = $1;";
/// let budgets = budgets_of("budgets/posts.sql", text, "posts").unwrap();
/// assert_eq!((budgets[0].name.as_str(), budgets[0].runs), ("listing", 20));
/// ```
///
/// # Errors
/// Every problem of the file, each with its position.
pub fn budgets_of(path: &str, text: &str, unnamed: &str) -> Result<Vec<Budget>, Vec<Problem>> {
    let (mut budgets, mut problems) = (Vec::new(), Vec::new());
    for query in named_queries(KIND, path, text, unnamed)? {
        match budget(path, query) {
            Ok(budget) => budgets.push(budget),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(budgets) } else { Err(problems) }
}

fn budget(path: &str, named: NamedQuery<'_, Options>) -> Result<Budget, Problem> {
    let NamedQuery { name, options, query, position } = named;
    let problem = |message: String, fix: &str| Err(Problem::new(path, message, fix).at(position));
    let mut durations = Vec::new();
    for (key, value) in [("p95", &options.p95), ("timeout", &options.timeout)] {
        match value.as_deref().map(parse_duration) {
            Some(Err(_)) => {
                let message =
                    format!("{key} of the budget `{name}` is not a duration from 1ms to less than a day");
                return problem(message, &format!("write it as `{key} = \"50ms\"`"));
            }
            duration => durations.push(duration.and_then(Result::ok)),
        }
    }
    let runs = options.runs.unwrap_or(20);
    if !(1..=MAX_RUNS).contains(&runs) {
        return problem(
            format!("runs of the budget `{name}` is not from 1 to {MAX_RUNS}"),
            "write it as `runs = 20`",
        );
    }
    if options.parameters.as_deref().is_some_and(|parameters| split_statements(parameters).len() != 1) {
        let fix =
            "write one query, whose columns are $1, $2 and so on: `parameters = \"SELECT id FROM sites\"`";
        return problem(format!("parameters of the budget `{name}` is not one query"), fix);
    }
    Ok(Budget {
        name,
        path: path.to_owned(),
        position,
        sql: query.text.to_owned().into(),
        p95: durations[0],
        runs,
        parameters: options.parameters,
        timeout: durations[1].unwrap_or(Duration::from_secs(30)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Budget>, Vec<String>> {
        let shown = |problem: &Problem| problem.to_string().replace("\n    fix:", " |");
        budgets_of("budgets/x.sql", text, "x").map_err(|problems| problems.iter().map(shown).collect())
    }

    #[test]
    fn budgets_have_names_and_options() {
        let text = "-- budget: a { p95 = \"50ms\", runs = 5, parameters = \"SELECT 1\", timeout = \"2s\" }\nSELECT $1;\n\
                    -- budget: b\nSELECT 2;";
        let budgets = read(text).unwrap();
        assert_eq!((budgets[0].p95, budgets[0].runs), (Some(Duration::from_millis(50)), 5));
        assert_eq!(
            (budgets[0].parameters.as_deref(), budgets[0].timeout),
            (Some("SELECT 1"), Duration::from_secs(2))
        );
        assert_eq!((budgets[1].p95, budgets[1].runs), (None, 20));
        assert_eq!(read("SELECT 1;").unwrap()[0].name, "x");
    }

    #[test]
    fn what_is_wrong_is_reported() {
        for (options, expected) in [
            ("{ p95 = \"fast\" }", "p95 of the budget `a` is not a duration"),
            ("{ timeout = \"0s\" }", "timeout of the budget `a` is not a duration"),
            ("{ runs = 0 }", "runs of the budget `a` is not from 1 to 10000"),
            ("{ runs = 10001 }", "runs of the budget `a` is not from 1 to 10000"),
            ("{ parameters = \"\" }", "parameters of the budget `a` is not one query"),
            ("{ parameters = \"SELECT 1; SELECT 2\" }", "parameters of the budget `a` is not one query"),
            ("{ p99 = \"1s\" }", "the options of `a` cannot be read"),
        ] {
            let problems = read(&format!("-- budget: a {options}\nSELECT 1;")).unwrap_err();
            assert!(problems[0].contains(expected) && problems[0].contains(" | "), "{options}: {problems:?}");
        }
        assert!(read("-- check: a\nUPDATE t SET x = 1;").unwrap_err()[0].contains("is not a query"));
    }
}
