//! The undo journal: the values that a backfill overwrites, kept row by row in the transaction that overwrites them.
//!
//! An undo removes rows from it as it restores them: those that stay were changed again since.

use refit_model::BackfillDirective;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::begin::is_function;
use super::facts::Table;
use super::inserted;
use super::job::Job;
use super::key::{literal, quoted};
use super::shape::{Part, Shape};
use crate::error::Error;
use crate::state::DEFAULT_SCHEMA;

/// The journal's table, qualified and quoted.
pub(crate) fn table_of(job: &Job) -> String {
    match job.state_schema.schema() {
        DEFAULT_SCHEMA => format!("{DEFAULT_SCHEMA}.backfill_undo_{}", job.id),
        _ => format!("{}.backfill_undo_{}", job.state_schema.quoted(), job.id),
    }
}

/// Why a journal cannot be kept; none if it can, or if none is needed.
pub(crate) async fn reject_reason(
    client: &Client,
    job: &Job,
    shape: Option<&Shape>,
    table: &Table,
) -> Result<Option<String>, Error> {
    let BackfillDirective { key, undo, .. } = &job.directive;
    let inserted = undo.inserted().is_some();
    let undo = undo.columns();
    if undo.is_empty() && !inserted {
        return Ok(None);
    }
    if is_function(job) {
        return Ok(Some(
            "`undo` journals what an SQL statement overwrites, and this backfill is a function: keep the values in the function, \
             and leave `undo` out".to_owned(),
        ));
    }
    if inserted {
        return inserted::reject_reason(client, job, shape).await;
    }
    let sets = shape.map(Shape::sets).unwrap_or_default();
    if let Some(column) = key.iter().find(|column| sets.contains(column) || undo.contains(column)) {
        return Ok(Some(format!(
            "`undo` needs a stable key, and its column {column} changes: name another key"
        )));
    }
    if let Some(reason) = cannot_be_restored(client, undo, table).await? {
        return Ok(Some(reason));
    }
    let sql = "SELECT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indisvalid \
                   AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS ( \
                       SELECT FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS indexed (attnum, n) \
                           LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = indexed.attnum \
                       WHERE n <= i.indnkeyatts AND NOT coalesce(a.attname::text = ANY ($2), false)))";
    let row = client.query_typed_one(sql, &[(&table.name, Type::TEXT), (key, Type::TEXT_ARRAY)]).await;
    let is_unique: bool = row.map_err(Error::database("reading the indexes of a table"))?.get(0);
    Ok((!is_unique).then(|| {
        format!(
            "`undo` keeps values by key, and no unique index of {} guarantees that ({}) is unique: name a unique key, such as \
             the primary key",
            table.name,
            key.join(", ")
        )
    }))
}

/// Why the earlier value of a column of `undo` cannot be restored: no UPDATE may assign it.
async fn cannot_be_restored(
    client: &Client,
    undo: &[String],
    table: &Table,
) -> Result<Option<String>, Error> {
    let sql = "SELECT columns.name, CASE WHEN a.attnum IS NULL THEN 'does not exist' WHEN a.attnum < 0 THEN 'is a system column' \
                   WHEN a.attgenerated <> '' THEN 'is generated' ELSE 'is GENERATED ALWAYS AS IDENTITY' END \
               FROM pg_catalog.unnest($2) AS columns (name) LEFT JOIN pg_catalog.pg_attribute a \
                   ON a.attrelid = pg_catalog.to_regclass($1) AND a.attname::pg_catalog.text = columns.name AND NOT a.attisdropped \
               WHERE a.attnum IS NULL OR a.attnum < 0 OR a.attgenerated <> '' OR a.attidentity = 'a' LIMIT 1";
    let rows = client.query_typed(sql, &[(&table.name, Type::TEXT), (&undo, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(Error::database("reading the columns of `undo`"))?;
    Ok(rows.first().map(|row| {
        let (column, what): (String, String) = (row.get(0), row.get(1));
        format!(
            "`undo` names {column} of {}, which {what}, so its values cannot be restored: name the columns that it is computed \
             from, or leave it out",
            table.name
        )
    }))
}

/// SQL that creates the journal, with the types of the columns whose values it keeps.
pub(crate) fn create(job: &Job, table: &Table, shape: Option<&Shape>) -> String {
    let journal = table_of(job);
    if let Some(inserted) = shape.and_then(Shape::inserted) {
        return inserted.create(job, &journal);
    }
    let of = |column: &String, prefix: &str| {
        format!("{} AS {}", quoted(column), quoted(&format!("{prefix}{column}")))
    };
    let keys = job.directive.key.iter().map(|column| quoted(column));
    let old = job.directive.undo.columns().iter().map(|column| of(column, "old "));
    let new = job.directive.undo.columns().iter().map(|column| of(column, "new "));
    let columns: Vec<String> = keys.chain(old).chain(new).collect();
    let key: Vec<String> = job.directive.key.iter().map(|column| quoted(column)).collect();
    format!(
        "CREATE TABLE {journal} AS SELECT {} FROM {} WITH NO DATA; \
         ALTER TABLE {journal} ADD PRIMARY KEY ({}); \
         COMMENT ON TABLE {journal} IS {};",
        columns.join(", "),
        table.name,
        key.join(", "),
        literal(&format!("The values that the backfill {} overwrote; its rollback restores them.", job.name))
    )
}

/// The statement that begins the transaction of a batch.
pub(crate) fn begin(job: &Job) -> &'static str {
    let rereads = has(job) && job.directive.undo.inserted().is_none();
    if rereads { "BEGIN ISOLATION LEVEL REPEATABLE READ" } else { "BEGIN" }
}

/// Whether a job has a journal, or will have one once it has begun.
fn has(job: &Job) -> bool {
    job.journal.is_some() || !job.directive.undo.is_empty()
}

/// A statement of a batch. With `undo`, it also journals what it overwrites; in an undo job, it removes what it restores from the
/// journal.
///
/// The SELECT sees the rows as they were when the transaction's snapshot was taken. The transaction is REPEATABLE READ: if a row
/// has changed since, the UPDATE fails and the batch is retried, so the journal has exactly what was overwritten.
pub(crate) fn statement(job: &Job, part: &Part, relation: &str, closed: bool) -> String {
    let update = part.text(relation, closed);
    if !has(job) {
        return update;
    }
    if let Some(journal) = job.journal.as_ref().filter(|_| job.is_undo()) {
        return consuming(&job.directive.key, &part.called, journal, &update);
    }
    if let Some(inserted) = &part.inserted {
        return inserted.statement(&update, &table_of(job));
    }
    let called = &part.called;
    let returned = |column: &String| format!("{called}.{}", quoted(column));
    let all: Vec<&String> = job.directive.key.iter().chain(job.directive.undo.columns()).collect();
    let returning: Vec<String> = all.iter().map(|column| returned(column)).collect();
    let same: Vec<String> =
        job.directive.key.iter().map(|key| format!("o.{0} = changed.{0}", quoted(key))).collect();
    let mut columns: Vec<String> =
        job.directive.key.iter().map(|key| format!("changed.{}", quoted(key))).collect();
    columns.extend(job.directive.undo.columns().iter().map(|column| format!("o.{}", quoted(column))));
    columns.extend(job.directive.undo.columns().iter().map(|column| format!("changed.{}", quoted(column))));
    let names: Vec<String> = job.directive.key.iter().map(|key| quoted(key)).collect();
    // A row that is visited again keeps its first old value and gets the latest new one.
    let newest = job.directive.undo.columns().iter().map(|column| quoted(&format!("new {column}")));
    let newest: Vec<String> = newest.map(|column| format!("{column} = excluded.{column}")).collect();
    format!(
        "WITH changed AS ({update} RETURNING {}) INSERT INTO {} SELECT {} FROM changed JOIN ONLY {relation} AS o ON {} \
         ON CONFLICT ({}) DO UPDATE SET {}",
        returning.join(", "),
        table_of(job),
        columns.join(", "),
        same.join(" AND "),
        names.join(", "),
        newest.join(", ")
    )
}

/// The UPDATE that restores earlier values, in batches like any backfill's. It skips rows that differ, byte by byte, from what the
/// forward job wrote.
pub(crate) fn restoration(directive: &BackfillDirective, journal: &str, striped: bool) -> String {
    let all = |columns: &[String], as_text: &dyn Fn(&String) -> String, between: &str| {
        columns.iter().map(as_text).collect::<Vec<_>>().join(between)
    };
    let set = |column: &String| format!("{} = j.{}", quoted(column), quoted(&format!("old {column}")));
    let now = |column: &String| format!("t.{}", quoted(column));
    let left = |column: &String| format!("j.{}", quoted(&format!("new {column}")));
    let stripe =
        if striped { format!(" AND {} % $3 = $4", row_of("t", &directive.key)) } else { String::new() };
    // `*=` compares records of any type; without the cast it would be applied column by column.
    format!(
        "UPDATE {} AS t SET {} FROM {journal} AS j WHERE {}{stripe} AND ROW({})::record OPERATOR(pg_catalog.*=) ROW({})::record",
        directive.table,
        all(directive.undo.columns(), &set, ", "),
        joined(&directive.key),
        all(directive.undo.columns(), &now, ", "),
        all(directive.undo.columns(), &left, ", "),
    )
}

/// `t.id`, or `(t.a, t.b)`.
fn row_of(of: &str, key: &[String]) -> String {
    let columns: Vec<String> = key.iter().map(|column| format!("{of}.{}", quoted(column))).collect();
    if columns.len() == 1 { columns.concat() } else { format!("({})", columns.join(", ")) }
}

/// The rows of a batch in the table `t`, and in the journal `j`.
///
/// Both have the bounds, since the planner derives no inequality from `j.id = t.id`.
pub(super) fn joined(key: &[String]) -> String {
    let bound = |first: usize| {
        let numbers: Vec<String> = (first..first + key.len()).map(|number| format!("${number}")).collect();
        if numbers.len() == 1 { numbers.concat() } else { format!("({})", numbers.join(", ")) }
    };
    let (lower, upper) = (bound(1), bound(1 + key.len()));
    let (t, j) = (row_of("t", key), row_of("j", key));
    let same: Vec<String> = key.iter().map(|column| format!("j.{0} = t.{0}", quoted(column))).collect();
    format!(
        "{t} > {lower} AND {t} <= {upper} AND {j} > {lower} AND {j} <= {upper} AND {}",
        same.join(" AND ")
    )
}

/// The restoring UPDATE of a batch, which also removes the restored rows from the journal and counts them.
fn consuming(key: &[String], called: &str, journal: &str, update: &str) -> String {
    let returning: Vec<String> = key.iter().map(|column| format!("{called}.{}", quoted(column))).collect();
    let same: Vec<String> =
        key.iter().map(|column| format!("kept.{0} = restored.{0}", quoted(column))).collect();
    format!(
        "WITH restored AS ({update} RETURNING {}) DELETE FROM {journal} AS kept USING restored WHERE {}",
        returning.join(", "),
        same.join(" AND ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_restores_is_a_batch_of_the_same_key() {
        for (key, undo, striped) in [
            (vec!["id"], vec!["n", "Old x"], false),
            (vec!["a", "B"], vec!["n"], false),
            (vec!["id"], vec!["n"], true),
        ] {
            let directive = serde_json::json!({ "table": "app.\"T 1\"", "key": key, "undo": undo });
            let mut directive: BackfillDirective = serde_json::from_value(directive).unwrap();
            let text = restoration(&directive, "refit.backfill_undo_7", striped);
            let sets = std::mem::take(&mut directive.undo).columns().to_vec();
            let shape = Shape::of(&text, &directive).unwrap();
            assert_eq!((shape.striped, shape.sets()), (striped, sets), "{text}");
            let part = &shape.parts[0];
            assert_eq!((part.called.as_str(), &part.guard), ("t", &None));
            let closed = part.text("app.t_1", true);
            assert!(closed.starts_with("UPDATE ONLY app.t_1 AS t SET"), "{closed}");
            assert_eq!((closed.matches(">= ").count(), closed.matches("> ").count()), (2, 0), "{closed}");
        }
    }
}
