//! Runs a backfill as Refit does: in batches of keys, each in its own transaction.

use std::time::Instant;

use bytes::BytesMut;
use refit::Connection;
use refit_model::{BackfillDirective, Position, Statement, split_statements};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use crate::error::Error;
use crate::execute::begin;
use crate::file::File;
use crate::observe::{Observation, Relations, compare};
use crate::session::{failure, unsent};
use crate::trace::StatementTrace;

/// Runs a backfill. If its table is empty, one batch with NULL bounds shows that it can run.
pub(crate) async fn run(
    runner: &Connection,
    file: &File,
    backfill: &BackfillDirective,
    at_most: usize,
    begun_with: &Relations,
) -> Result<Vec<StatementTrace>, Error> {
    let statements = split_statements(&file.text);
    let mut traces: Vec<StatementTrace> =
        statements.iter().enumerate().map(|(index, statement)| begin(file, index, statement)).collect();
    let bounds = match bounds(runner, backfill, at_most).await {
        Ok(bounds) => bounds,
        Err(error) => {
            let at = statements.first().map_or(Position::of(&file.text, 0), |one| one.position(&file.text));
            let message =
                format!("cannot read the keys that the backfill directive names: {}", server_message(&error));
            if let Some(trace) = traces.first_mut() {
                trace.failure = Some(unsent(at, message));
            }
            return Ok(traces);
        }
    };
    let empty = [vec![Text(None); backfill.key.len()], vec![Text(None); backfill.key.len()]];
    let pairs: Vec<&[Vec<Text>]> =
        if bounds.len() < 2 { vec![&empty[..]] } else { bounds.windows(2).collect() };
    for pair in pairs {
        runner.batch_execute("BEGIN").await.map_err(Error::database("beginning a batch"))?;
        for (statement, trace) in statements.iter().zip(&mut traces) {
            if !run_statement(runner, file, statement, &pair.concat(), begun_with, trace).await? {
                return Ok(traces);
            }
            trace.batches = Some(trace.batches.unwrap_or_default() + usize::from(bounds.len() > 1));
        }
        runner.batch_execute("COMMIT").await.map_err(Error::database("ending a batch"))?;
    }
    Ok(traces)
}

/// Runs one statement of one batch. Returns whether it succeeded.
async fn run_statement(
    runner: &Connection,
    file: &File,
    statement: &Statement<'_>,
    bounds: &[Text],
    begun_with: &Relations,
    trace: &mut StatementTrace,
) -> Result<bool, Error> {
    let before = match file.traced {
        true => Some(Observation::within(runner).await?),
        false => None,
    };
    let began = Instant::now();
    let result = async {
        let prepared = runner.prepare(statement.text).await?;
        // A statement with stripe parameters gets one stripe with all rows.
        let stripe = [Text(Some("1".to_owned())), Text(Some("0".to_owned()))];
        let values = bounds.iter().chain(&stripe).take(prepared.params().len());
        let values: Vec<&(dyn ToSql + Sync)> = values.map(|value| value as _).collect();
        runner.execute(&prepared, &values).await
    };
    let result = result.await;
    trace.duration += began.elapsed();
    if let Err(error) = result {
        trace.failure = Some(failure(&error, statement, &file.text));
        return Ok(false);
    }
    if let Some(before) = before {
        let after = Observation::within(runner).await?;
        compare(runner, [&before, &after], begun_with, statement.text, trace).await?;
    }
    Ok(true)
}

/// The bounds of the batches: a key before the first row, then the last key of each batch.
async fn bounds(
    runner: &Connection,
    backfill: &BackfillDirective,
    at_most: usize,
) -> Result<Vec<Vec<Text>>, tokio_postgres::Error> {
    let (table, key, batch) = (&backfill.table, backfill.key.join(", "), backfill.batch);
    let first = &backfill.key[0];
    let texts: Vec<String> = backfill.key.iter().map(|column| format!("({column})::text")).collect();
    // Order by the key, not by its text.
    let sql = format!(
        "SELECT keys FROM (SELECT ARRAY[{}] AS keys, pg_catalog.row_number() OVER (ORDER BY {key}) AS number, pg_catalog.count(*) OVER () AS rows \
         FROM {table} WHERE {first} IS NOT NULL) k \
         WHERE number = 1 OR number % {batch} = 0 OR number = rows ORDER BY number",
        texts.join(", ")
    );
    let rows = runner.query_typed(&sql, &[]).await?;
    let keys = rows
        .iter()
        .map(|row| row.get::<_, Vec<Option<String>>>(0).into_iter().map(Text).collect::<Vec<Text>>());
    let mut keys: Vec<Vec<Text>> = keys.collect();
    let Some(lowest) = keys.first().cloned() else { return Ok(Vec::new()) };
    // The lower bound is exclusive, so it must be a key before the first row.
    let kind = format!("SELECT pg_catalog.pg_typeof({first})::text FROM {table} LIMIT 1");
    let kind: String =
        runner.query_typed(&kind, &[]).await?.first().map_or_else(String::new, |row| row.get(0));
    let before = value_before(&kind, lowest[0].0.as_deref().unwrap_or_default());
    // The first row ends a batch only where the batch has one row.
    if keys.len() > 1 && batch > 1 {
        keys.remove(0);
    }
    let start = [vec![Text(Some(before))], lowest[1..].to_vec()].concat();
    Ok([vec![start], keys].concat().into_iter().take(at_most.saturating_add(1)).collect())
}

/// A value before another one of a type. Where none is known, the value itself, so that its row is skipped.
fn value_before(kind: &str, value: &str) -> String {
    match kind {
        "smallint" | "integer" | "bigint" => {
            value.parse::<i64>().map_or(value.to_owned(), |number| number.saturating_sub(1).to_string())
        }
        "numeric" | "real" | "double precision" if !value.starts_with('-') => "-1".to_owned(),
        "date" | "timestamp without time zone" | "timestamp with time zone" => "-infinity".to_owned(),
        "text" | "character varying" | "bytea" => String::new(),
        "tid" => "(0,0)".to_owned(),
        "uuid" => "00000000-0000-0000-0000-000000000000".to_owned(),
        _ => value.to_owned(),
    }
}

fn server_message(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |db| refit_model::redact::text(db.message()).into_owned())
}

/// A value in text format, for a parameter of any type.
#[derive(Debug, Clone)]
struct Text(Option<String>);

impl ToSql for Text {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(text) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}
