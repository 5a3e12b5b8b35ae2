//! The undo journal: the values that a backfill overwrites, kept row by row in the transaction that overwrites them.

use super::facts::Table;
use super::job::Job;
use super::key::{literal, quoted};
use super::shape::Part;

/// The journal's table, as SQL names it.
pub(crate) fn table_of(job: i64) -> String {
    format!("refit.backfill_undo_{job}")
}

/// SQL that creates the journal, with the types of the columns whose values it keeps.
pub(crate) fn create(job: &Job, table: &Table) -> String {
    let journal = table_of(job.id);
    let of = |column: &String, prefix: &str| {
        format!("{} AS {}", quoted(column), quoted(&format!("{prefix}{column}")))
    };
    let keys = job.directive.key.iter().map(|column| quoted(column));
    let old = job.directive.undo.iter().map(|column| of(column, "old "));
    let new = job.directive.undo.iter().map(|column| of(column, "new "));
    let columns: Vec<String> = keys.chain(old).chain(new).collect();
    let key: Vec<String> = job.directive.key.iter().map(|column| quoted(column)).collect();
    format!(
        "CREATE TABLE {journal} AS SELECT {} FROM {} WITH NO DATA; \
         ALTER TABLE {journal} ADD PRIMARY KEY ({}); \
         COMMENT ON TABLE {journal} IS {};",
        columns.join(", "),
        table.name,
        key.join(", "),
        literal(&format!("What the backfill {} has overwritten; its roll-back reads it.", job.name))
    )
}

/// What begins the transaction of a batch.
pub(crate) fn begin(job: &Job) -> &'static str {
    if has(job) { "BEGIN ISOLATION LEVEL REPEATABLE READ" } else { "BEGIN" }
}

/// Whether a job has a journal, or will have one when it is begun.
fn has(job: &Job) -> bool {
    job.journal.is_some() || !job.directive.undo.is_empty()
}

/// A statement of a batch; with `undo`, it also keeps what it overwrites.
///
/// The SELECT sees the rows as they were when the transaction's snapshot was taken. The transaction is REPEATABLE READ: where a
/// row has changed since, the UPDATE fails and the batch is tried again, so that what is kept is what was overwritten.
pub(crate) fn statement(job: &Job, part: &Part, relation: &str, closed: bool) -> String {
    let update = part.text(relation, closed);
    if !has(job) {
        return update;
    }
    let called = &part.called;
    let returned = |column: &String| format!("{called}.{}", quoted(column));
    let all: Vec<&String> = job.directive.key.iter().chain(&job.directive.undo).collect();
    let returning: Vec<String> = all.iter().map(|column| returned(column)).collect();
    let same: Vec<String> =
        job.directive.key.iter().map(|key| format!("o.{0} = changed.{0}", quoted(key))).collect();
    let mut columns: Vec<String> =
        job.directive.key.iter().map(|key| format!("changed.{}", quoted(key))).collect();
    columns.extend(job.directive.undo.iter().map(|column| format!("o.{}", quoted(column))));
    columns.extend(job.directive.undo.iter().map(|column| format!("changed.{}", quoted(column))));
    let names: Vec<String> = job.directive.key.iter().map(|key| quoted(key)).collect();
    // A row that is met again has its first value kept, and its last one known.
    let newest = job.directive.undo.iter().map(|column| quoted(&format!("new {column}")));
    let newest: Vec<String> = newest.map(|column| format!("{column} = excluded.{column}")).collect();
    format!(
        "WITH changed AS ({update} RETURNING {}) INSERT INTO {} SELECT {} FROM changed JOIN ONLY {relation} AS o ON {} \
         ON CONFLICT ({}) DO UPDATE SET {}",
        returning.join(", "),
        table_of(job.id),
        columns.join(", "),
        same.join(" AND "),
        names.join(", "),
        newest.join(", ")
    )
}
