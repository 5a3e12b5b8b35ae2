//! The INSERT that fills a table: generated values, and keys of the tables that it references.

use std::collections::BTreeSet;

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Client;

use super::catalog::{Catalog, Column, ForeignKey, Table};
use super::fit::{Chosen, choose};
use super::order::{Step, can_be_null};
use crate::error::Error;

/// The table's number of rows, and why it is less than requested; or why the table could not be filled.
pub(super) type Outcome = Result<(i64, Option<String>), String>;

/// Fills a table up to its share of the requested rows.
pub(super) async fn fill(
    client: &Client,
    catalog: &Catalog,
    table: &Table,
    step: &Step,
    rows: u32,
) -> Result<Outcome, Error> {
    let requested = i64::from(rows.div_ceil(step.shares.max(1)));
    let before = match count(client, table).await {
        Ok(before) => before,
        Err(error) => return Ok(Err(server_message(&error))),
    };
    if before >= requested {
        return Ok(Ok((before, None)));
    }
    let statement = match statement(client, catalog, table, step, before, requested).await {
        Ok(statement) => statement,
        Err(reason) => return Ok(Err(reason)),
    };
    let inserted = client.execute_typed(&statement, &[]).await;
    let after = count(client, table).await.map_err(Error::database("counting rows"))?;
    client
        .batch_execute(&format!("ANALYZE {}", table.quoted))
        .await
        .map_err(Error::database("analyzing a table"))?;
    let reason = match inserted {
        Err(error) => Some(server_message(&error)),
        Ok(_) if after < requested => Some("its unique keys allow no more generated values".to_owned()),
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
    requested: i64,
) -> Result<String, String> {
    let mut taken: BTreeSet<i16> = BTreeSet::new();
    let (mut names, mut values, mut joins) = (Vec::new(), Vec::new(), Vec::new());
    for (index, key) in widest_first(table).into_iter().enumerate() {
        // The columns of a wider key also satisfy the narrower one.
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
            return Err(format!("it must reference {target}, which has no rows"));
        }
        taken.extend(&key.columns);
        for (at, column) in columns.into_iter().enumerate() {
            names.push(escape_identifier(&column.name));
            match &join {
                Some(_) => values.push(format!("f{index}.c{at}")),
                // A NOT NULL column gets a generated value: the key's NULL columns disable the reference.
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
    let last = u32::try_from(requested).unwrap_or(u32::MAX);
    let chosen: Chosen = choose(client, catalog, table, &own, last).await?;
    for column in own {
        names.push(escape_identifier(&column.name));
        let sql = chosen.get(&column.number).map_or("NULL", String::as_str);
        values.push(format!("({sql})::{}", column.written));
    }
    let columns = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    Ok(format!(
        "INSERT INTO {}{columns} SELECT {} FROM pg_catalog.generate_series({}, {requested}) AS n(i){} \
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

/// A subquery of the numbered keys of a referenced table.
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
            return Err("it references a table that is not visible".to_owned());
        };
        let columns: Vec<String> = key
            .referenced
            .iter()
            .filter_map(|number| target.column(*number))
            .map(|column| escape_identifier(&column.name))
            .collect();
        if columns.len() != key.referenced.len() {
            return Err(format!("it references a generated column of {}", target.name));
        }
        let known: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
        let from = format!("{} WHERE {}", target.quoted, known.join(" AND "));
        let counted = client.query_typed(&format!("SELECT pg_catalog.count(*) FROM {from}"), &[]).await;
        let rows = counted.map_err(|error| server_message(&error))?.first().map_or(0_i64, |row| row.get(0));
        if rows == 0 {
            return Ok(None);
        }
        let named: Vec<String> =
            columns.iter().enumerate().map(|(at, column)| format!("{column} AS c{at}")).collect();
        // Several references to one table select different rows.
        let sql = format!(
            " JOIN (SELECT {}, pg_catalog.row_number() OVER (ORDER BY {}) - 1 AS number FROM {from}) f{index} \
             ON f{index}.number = (n.i - 1 + {index}) % {rows}",
            named.join(", "),
            columns.join(", ")
        );
        Ok(Some(Join { sql }))
    }
}

fn server_message(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), refit_model::redact::text(db.message())),
        None => error.to_string(),
    }
}
