//! Which way to make a column's values: the first that satisfies the conditions on it, as the server evaluates them.

use std::collections::{BTreeMap, BTreeSet};

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Client;

use super::catalog::{Catalog, Check, Column, Table};
use super::check::literals;
use super::values::{Candidate, Wanted, candidates};

/// Combinations that are tried for a condition on several columns.
const COMBINATIONS: usize = 400;

/// Expressions by column number.
pub(super) type Chosen = BTreeMap<i16, String>;

/// Chooses for each of the columns, or says for which one there is no way.
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
    let mut ways: BTreeMap<i16, Vec<Candidate>> = BTreeMap::new();
    for column in columns {
        let own: Vec<&Condition> =
            conditions.iter().filter(|condition| condition.columns.contains(&column.number)).collect();
        ways.insert(column.number, fit.ways(catalog, column, &own).await?);
    }
    let first = |ways: &Vec<Candidate>| ways.first().map(|way| way.sql.clone()).unwrap_or_default();
    let mut chosen: Chosen = ways.iter().map(|(number, ways)| (*number, first(ways))).collect();
    let mut settled: BTreeSet<i16> = BTreeSet::new();
    for condition in conditions.iter().filter(|condition| condition.columns.len() > 1) {
        settled.extend(&condition.columns);
        let decided: Vec<&Condition> =
            conditions.iter().filter(|other| other.columns.is_subset(&settled)).collect();
        fit.combine(condition, &decided, &ways, &mut chosen).await?;
    }
    Ok(chosen)
}

/// A condition on columns whose values are ours to choose.
struct Condition {
    sql: String,
    columns: BTreeSet<i16>,
    /// Rows of a partition must satisfy its bounds, where a check is content with NULL.
    strict: bool,
}

fn conditions(table: &Table, ours: &BTreeSet<i16>) -> Vec<Condition> {
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
    all.retain(|condition| !condition.columns.is_empty() && condition.columns.is_subset(ours));
    all
}

struct Fit<'a> {
    client: &'a Client,
    table: &'a Table,
    last: u32,
}

impl Fit<'_> {
    /// The ways that satisfy the conditions on a column alone, the most natural first; NULL last, where it may be.
    async fn ways(
        &self,
        catalog: &Catalog,
        column: &Column,
        conditions: &[&Condition],
    ) -> Result<Vec<Candidate>, String> {
        let texts: Vec<String> = conditions.iter().flat_map(|condition| literals(&condition.sql)).collect();
        let wanted =
            Wanted { kind: column.kind, modifier: column.modifier, column: &column.name, literals: &texts };
        let mut ways = candidates(catalog, &wanted);
        let known = !ways.is_empty();
        if self.table.unique.iter().any(|key| key.contains(&column.number)) {
            ways.sort_by_key(|way| !way.distinct);
            // Two rows cannot both be the only default one; most are what is usual.
            if let (Some(default), false) = (&column.default, ways.iter().any(|way| way.distinct)) {
                ways.insert(0, Candidate { sql: default.clone(), distinct: false });
            }
        }
        let alone: Vec<&Condition> =
            conditions.iter().copied().filter(|condition| condition.columns.len() == 1).collect();
        let is_domain = catalog.types.get(&column.kind).is_some_and(|kind| kind.class == 'd');
        if is_domain || !alone.is_empty() {
            let mut fitting = Vec::new();
            for way in ways {
                let chosen = BTreeMap::from([(column.number, way.sql.clone())]);
                if self.holds(&chosen, &alone).await {
                    fitting.push(way);
                }
            }
            ways = fitting;
        }
        if !column.not_null && (ways.is_empty() || !self.table.checks.is_empty()) {
            ways.push(Candidate { sql: "NULL".to_owned(), distinct: false });
        }
        match (ways.is_empty(), known) {
            (false, _) => Ok(ways),
            (true, false) => {
                Err(format!("no values are known for {}, which is of type {}", column.name, column.written))
            }
            (true, true) => {
                Err(format!("no value was found for {} that satisfies {}", column.name, said(&alone)))
            }
        }
    }

    /// Finds ways that satisfy a condition on several columns, together with those that were decided before.
    async fn combine(
        &self,
        condition: &Condition,
        decided: &[&Condition],
        ways: &BTreeMap<i16, Vec<Candidate>>,
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
                tried.insert(*column, ways[column][*at].sql.clone());
            }
            if self.holds(&tried, decided).await {
                *chosen = tried;
                return Ok(());
            }
            if !advance(&mut at, |index| ways[&columns[index]].len()) {
                break;
            }
        }
        Err(format!("no values were found that satisfy {}", said(&[condition])))
    }

    /// Whether some rows with these values satisfy the conditions. What the server cannot evaluate does not.
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
        // Without a condition, whether the values can be made at all.
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

/// The next combination; false after the last.
fn advance(at: &mut [usize], ways: impl Fn(usize) -> usize) -> bool {
    for (index, position) in at.iter_mut().enumerate() {
        *position += 1;
        if *position < ways(index) {
            return true;
        }
        *position = 0;
    }
    false
}

fn said(conditions: &[&Condition]) -> String {
    let texts: Vec<&str> = conditions.iter().map(|condition| condition.sql.as_str()).collect();
    if texts.is_empty() { "the conditions of its type".to_owned() } else { texts.join(" and ") }
}
