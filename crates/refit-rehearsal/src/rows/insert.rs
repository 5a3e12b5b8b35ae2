//! The statement that fills a table: values of our own, and keys of the tables that it refers to.

use std::collections::BTreeSet;

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Client;

use super::catalog::{Catalog, Column, ForeignKey, Table};
use super::fit::{Chosen, choose};
use super::order::{Step, can_be_null};
use crate::error::Error;

/// Rows that a table has now, and why they are fewer than wanted; or why it has none.
pub(super) type Outcome = Result<(i64, Option<String>), String>;

/// Fills a table up to its share of the rows.
pub(super) async fn fill(
    client: &Client,
    catalog: &Catalog,
    table: &Table,
    step: &Step,
    rows: u32,
) -> Result<Outcome, Error> {
    let wanted = i64::from(rows.div_ceil(step.shares.max(1)));
    let before = match count(client, table).await {
        Ok(before) => before,
        Err(error) => return Ok(Err(said(&error))),
    };
    if before >= wanted {
        return Ok(Ok((before, None)));
    }
    let statement = match statement(client, catalog, table, step, before, wanted).await {
        Ok(statement) => statement,
        Err(reason) => return Ok(Err(reason)),
    };
    let inserted = client.execute_typed(&statement, &[]).await;
    let after = count(client, table).await.map_err(Error::database("counting rows"))?;
    client
        .batch_execute(&format!("ANALYZE {}", table.quoted))
        .await
        .map_err(Error::database("analysing a table"))?;
    let reason = match inserted {
        Err(error) => Some(said(&error)),
        Ok(_) if after < wanted => Some("its keys take no more of these values".to_owned()),
        Ok(_) => None,
    };
    Ok(Ok((after, reason)))
}

async fn count(client: &Client, table: &Table) -> Result<i64, tokio_postgres::Error> {
    let rows = client.query_typed(&format!("SELECT pg_catalog.count(*) FROM {}", table.quoted), &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

async fn statement(
    client: &Client,
    catalog: &Catalog,
    table: &Table,
    step: &Step,
    before: i64,
    wanted: i64,
) -> Result<String, String> {
    let mut taken: BTreeSet<i16> = BTreeSet::new();
    let (mut names, mut values, mut joins) = (Vec::new(), Vec::new(), Vec::new());
    for (index, key) in widest_first(table).into_iter().enumerate() {
        // What a wider key has brought fits the narrower one.
        let columns: Vec<&Column> = key.columns.iter().filter_map(|number| table.column(*number)).collect();
        if key.columns.iter().any(|number| taken.contains(number)) || columns.len() != key.columns.len() {
            continue;
        }
        let join = if step.absent.contains(&catalog.root(key.table)) {
            None
        } else {
            Join::new(client, catalog, key, index).await?
        };
        if join.is_none() && !can_be_null(table, key) {
            let target = catalog.tables.get(&key.table).map_or("a table", |target| target.name.as_str());
            return Err(format!("it must refer to {target}, which has no rows"));
        }
        taken.extend(&key.columns);
        for (at, column) in columns.into_iter().enumerate() {
            names.push(escape_identifier(&column.name));
            match &join {
                Some(_) => values.push(format!("f{index}.c{at}")),
                // One that cannot be null is made like any other: the null ones switch the reference off.
                None if column.not_null => {
                    names.pop();
                    taken.remove(&column.number);
                }
                None => values.push("NULL".to_owned()),
            };
        }
        joins.extend(join.map(|join| join.sql));
    }
    let own: Vec<&Column> =
        table.columns.iter().filter(|column| !taken.contains(&column.number) && !column.counted).collect();
    let last = u32::try_from(wanted).unwrap_or(u32::MAX);
    let chosen: Chosen = choose(client, catalog, table, &own, last).await?;
    for column in own {
        names.push(escape_identifier(&column.name));
        let sql = chosen.get(&column.number).map_or("NULL", String::as_str);
        values.push(format!("({sql})::{}", column.written));
    }
    let columns = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    Ok(format!(
        "INSERT INTO {}{columns} SELECT {} FROM pg_catalog.generate_series({}, {wanted}) AS n(i){} \
         ORDER BY n.i ON CONFLICT DO NOTHING",
        table.quoted,
        values.join(", "),
        before + 1,
        joins.concat()
    ))
}

fn widest_first(table: &Table) -> Vec<&ForeignKey> {
    let mut keys: Vec<&ForeignKey> = table.foreign_keys.iter().collect();
    keys.sort_by_key(|key| std::cmp::Reverse(key.columns.len()));
    keys
}

/// The keys of a table that is referred to, numbered.
struct Join {
    sql: String,
}

impl Join {
    async fn new(
        client: &Client,
        catalog: &Catalog,
        key: &ForeignKey,
        index: usize,
    ) -> Result<Option<Join>, String> {
        let Some(target) = catalog.tables.get(&key.table) else {
            return Err("it refers to a table that is not seen".to_owned());
        };
        let columns: Vec<String> = key
            .referenced
            .iter()
            .filter_map(|number| target.column(*number))
            .map(|column| escape_identifier(&column.name))
            .collect();
        if columns.len() != key.referenced.len() {
            return Err(format!("it refers to a generated column of {}", target.name));
        }
        let known: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
        let from = format!("{} WHERE {}", target.quoted, known.join(" AND "));
        let counted = client.query_typed(&format!("SELECT pg_catalog.count(*) FROM {from}"), &[]).await;
        let rows = counted.map_err(|error| said(&error))?.first().map_or(0_i64, |row| row.get(0));
        if rows == 0 {
            return Ok(None);
        }
        let named: Vec<String> =
            columns.iter().enumerate().map(|(at, column)| format!("{column} AS c{at}")).collect();
        // Several references from one table do not go to the same rows.
        let sql = format!(
            " JOIN (SELECT {}, pg_catalog.row_number() OVER (ORDER BY {}) - 1 AS number FROM {from}) f{index} \
             ON f{index}.number = (n.i - 1 + {index}) % {rows}",
            named.join(", "),
            columns.join(", ")
        );
        Ok(Some(Join { sql }))
    }
}

fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), refit_model::redact::text(db.message())),
        None => error.to_string(),
    }
}
