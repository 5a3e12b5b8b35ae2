//! Chooses the expressions for a table's columns: the first candidates that satisfy the conditions, evaluated by the server.

use std::collections::{BTreeMap, BTreeSet};

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Client;

use super::catalog::{Catalog, Check, Column, Table};
use super::check::literals;
use super::values::{Candidate, ValueSpec, candidates};

/// Maximum number of combinations to try for a condition on several columns.
const COMBINATIONS: usize = 400;

/// Expressions by column number.
pub(super) type Chosen = BTreeMap<i16, String>;

/// Chooses an expression for each column.
///
/// # Errors
/// The reason, with the column or condition for which there is none.
pub(super) async fn choose(
    client: &Client,
    catalog: &Catalog,
    table: &Table,
    columns: &[&Column],
    last: u32,
) -> Result<Chosen, String> {
    let numbers: BTreeSet<i16> = columns.iter().map(|column| column.number).collect();
    let conditions = conditions(table, &numbers);
    let fit = Fit { client, table, last };
    let mut options: BTreeMap<i16, Vec<Candidate>> = BTreeMap::new();
    for column in columns {
        let own: Vec<&Condition> =
            conditions.iter().filter(|condition| condition.columns.contains(&column.number)).collect();
        options.insert(column.number, fit.candidates(catalog, column, &own).await?);
    }
    let first =
        |options: &Vec<Candidate>| options.first().map(|option| option.sql.clone()).unwrap_or_default();
    let mut chosen: Chosen = options.iter().map(|(number, options)| (*number, first(options))).collect();
    let mut settled: BTreeSet<i16> = BTreeSet::new();
    for condition in conditions.iter().filter(|condition| condition.columns.len() > 1) {
        settled.extend(&condition.columns);
        let decided: Vec<&Condition> =
            conditions.iter().filter(|other| other.columns.is_subset(&settled)).collect();
        fit.combine(condition, &decided, &options, &mut chosen).await?;
    }
    Ok(chosen)
}

/// A condition on columns whose values can be chosen.
struct Condition {
    sql: String,
    columns: BTreeSet<i16>,
    /// Whether NULL violates the condition: true for partition constraints, false for checks.
    strict: bool,
}

fn conditions(table: &Table, numbers: &BTreeSet<i16>) -> Vec<Condition> {
    let check = |check: &Check| Condition {
        sql: check.condition.clone(),
        columns: check.columns.iter().copied().collect(),
        strict: false,
    };
    let mut all: Vec<Condition> = table.checks.iter().map(check).collect();
    if let Some(bounds) = &table.bounds {
        let words: BTreeSet<String> = refit_model::significant_tokens(bounds)
            .iter()
            .map(|word| word.trim_matches('"').to_owned())
            .collect();
        let named = table.columns.iter().filter(|column| words.contains(&column.name));
        let columns = named.map(|column| column.number).collect();
        all.push(Condition { sql: bounds.clone(), columns, strict: true });
    }
    all.retain(|condition| !condition.columns.is_empty() && condition.columns.is_subset(numbers));
    all
}

struct Fit<'a> {
    client: &'a Client,
    table: &'a Table,
    last: u32,
}

impl Fit<'_> {
    /// The candidates that satisfy the conditions on this column alone, the most natural first; NULL last, if allowed.
    async fn candidates(
        &self,
        catalog: &Catalog,
        column: &Column,
        conditions: &[&Condition],
    ) -> Result<Vec<Candidate>, String> {
        let texts: Vec<String> = conditions.iter().flat_map(|condition| literals(&condition.sql)).collect();
        let spec = ValueSpec {
            kind: column.kind,
            modifier: column.modifier,
            column: &column.name,
            literals: &texts,
        };
        let mut options = candidates(catalog, &spec);
        let known = !options.is_empty();
        if self.table.unique.iter().any(|key| key.contains(&column.number)) {
            options.sort_by_key(|option| !option.distinct);
            // A column without distinct values, such as a unique flag: most rows have the default.
            if let (Some(default), false) = (&column.default, options.iter().any(|option| option.distinct)) {
                options.insert(0, Candidate { sql: default.clone(), distinct: false });
            }
        }
        let alone: Vec<&Condition> =
            conditions.iter().copied().filter(|condition| condition.columns.len() == 1).collect();
        let is_domain = catalog.types.get(&column.kind).is_some_and(|kind| kind.class == 'd');
        if is_domain || !alone.is_empty() {
            let mut fitting = Vec::new();
            for option in options {
                let chosen = BTreeMap::from([(column.number, option.sql.clone())]);
                if self.holds(&chosen, &alone).await {
                    fitting.push(option);
                }
            }
            options = fitting;
        }
        if !column.not_null && (options.is_empty() || !self.table.checks.is_empty()) {
            options.push(Candidate { sql: "NULL".to_owned(), distinct: false });
        }
        match (options.is_empty(), known) {
            (false, _) => Ok(options),
            (true, false) => {
                Err(format!("cannot generate values of type {} for {}", column.written, column.name))
            }
            (true, true) => {
                Err(format!("found no value for {} that satisfies {}", column.name, condition_text(&alone)))
            }
        }
    }

    /// Finds candidates that satisfy a condition on several columns together with all conditions decided before.
    async fn combine(
        &self,
        condition: &Condition,
        decided: &[&Condition],
        options: &BTreeMap<i16, Vec<Candidate>>,
        chosen: &mut Chosen,
    ) -> Result<(), String> {
        if self.holds(chosen, decided).await {
            return Ok(());
        }
        let columns: Vec<i16> = condition.columns.iter().copied().collect();
        let mut at = vec![0; columns.len()];
        for _ in 0..COMBINATIONS {
            let mut tried = chosen.clone();
            for (column, at) in columns.iter().zip(&at) {
                tried.insert(*column, options[column][*at].sql.clone());
            }
            if self.holds(&tried, decided).await {
                *chosen = tried;
                return Ok(());
            }
            if !advance(&mut at, |index| options[&columns[index]].len()) {
                break;
            }
        }
        Err(format!("found no values that satisfy {}", condition_text(&[condition])))
    }

    /// Whether sample rows with these values satisfy the conditions. False if the server cannot evaluate them.
    async fn holds(&self, chosen: &Chosen, conditions: &[&Condition]) -> bool {
        let value = |(number, sql): (&i16, &String)| {
            let column = self.table.column(*number)?;
            Some(format!("({sql})::{} AS {}", column.written, escape_identifier(&column.name)))
        };
        let values: Vec<String> = chosen.iter().filter_map(value).collect();
        let test = |condition: &&Condition| match condition.strict {
            true => format!("bool_and(coalesce(({}), false))", condition.sql),
            false => format!("bool_and(({}) IS NOT FALSE)", condition.sql),
        };
        let mut tests: Vec<String> = conditions.iter().map(test).collect();
        // Without conditions, test only that the values can be evaluated.
        tests.push("count(row_values.*) >= 0".to_owned());
        let sql = format!(
            "SELECT {} FROM (SELECT {} FROM pg_catalog.unnest(ARRAY[1, 2, 3, 10, 11, {}]::bigint[]) AS n(i)) row_values",
            tests.join(" AND "),
            values.join(", "),
            self.last.max(1)
        );
        let rows = self.client.query_typed(&sql, &[]).await;
        rows.ok().and_then(|rows| rows.first().map(|row| row.get::<_, Option<bool>>(0))).flatten()
            == Some(true)
    }
}

/// Advances to the next combination; false after the last.
fn advance(at: &mut [usize], options: impl Fn(usize) -> usize) -> bool {
    for (index, position) in at.iter_mut().enumerate() {
        *position += 1;
        if *position < options(index) {
            return true;
        }
        *position = 0;
    }
    false
}

fn condition_text(conditions: &[&Condition]) -> String {
    let texts: Vec<&str> = conditions.iter().map(|condition| condition.sql.as_str()).collect();
    if texts.is_empty() { "the conditions of its type".to_owned() } else { texts.join(" and ") }
}
