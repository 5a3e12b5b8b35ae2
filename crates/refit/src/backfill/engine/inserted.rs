//! Inserted rows: batches journal the rows that they insert, by the key of their table, and a rollback deletes them.

use refit_model::BackfillDirective;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::facts;
use super::job::Job;
use super::journal::joined;
use super::key::{literal, quoted};
use super::path;
use super::shape::{Shape, resolved};
use crate::error::Error;

/// The column of a journal with the table of its rows: by OID, and by name in a dump.
const TABLE: &str = "\"refit table\"";

/// The table into which a backfill inserts.
#[derive(Debug, Clone)]
pub(crate) struct Inserted {
    /// Its name, qualified and quoted.
    table: String,
    /// Its primary key, or the first unique key without NULL.
    key: Vec<String>,
    /// Its other columns.
    columns: Vec<String>,
}

/// The columns of the primary key of a table, or of its first unique key that cannot be NULL.
const KEY: &str = "(SELECT (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY n) \
        FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS indexed (attnum, n) \
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = indexed.attnum WHERE n <= i.indnkeyatts) \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
        JOIN pg_catalog.pg_am am ON am.oid = x.relam AND am.amname = 'btree' \
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL \
      AND NOT EXISTS (SELECT FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS indexed (attnum, n) \
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = indexed.attnum \
          WHERE n <= i.indnkeyatts AND NOT a.attnotnull) \
    ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1)";

/// The shape of a job's statement with the table into which it inserts.
///
/// # Errors
/// The inner one says why its rows cannot be journaled, and what to do.
pub(super) async fn ask(
    client: &Client,
    job: &Job,
    mut shape: Shape,
    table: &str,
) -> Result<Result<Shape, String>, Error> {
    let Some(part) = shape.parts.first_mut() else { return Ok(Ok(shape)) };
    let name = part.writes.first().map(|write| write.name.clone()).unwrap_or_default();
    let declared = resolved(client, job, Some(table)).await?;
    let Some(oid) = declared else {
        return Ok(Err(format!("`undo` names the table {table}, which does not exist")));
    };
    if resolved(client, job, Some(&name)).await? != declared {
        return Ok(Err(format!(
            "`undo` journals the rows that are inserted into {table}, and the statement inserts into {name}"
        )));
    }
    let known = job.targets.as_ref().and_then(|targets| targets.first().copied()).unwrap_or(oid);
    let sql = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), {KEY}, \
             (SELECT pg_catalog.array_agg(attname::pg_catalog.text ORDER BY attnum) FROM pg_catalog.pg_attribute \
              WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), \
             EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = $2) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1"
    );
    let row = client.query_typed_one(&sql, &[(&oid, Type::OID), (&known, Type::OID)]).await;
    let row = row.map_err(Error::database("reading the table of inserted rows"))?;
    if known != 0 && known != oid && row.get::<_, bool>(3) {
        return Ok(Err(format!(
            "{table} is not the same table as when the backfill began: restore the table names, then run again"
        )));
    }
    let Some(key) = row.get::<_, Option<Vec<String>>>(1) else {
        return Ok(Err(format!(
            "`undo` journals the rows that are inserted into {table} by their key, and it has neither a primary key nor a unique \
             one whose columns are NOT NULL: add one"
        )));
    };
    let mut columns = row.get::<_, Option<Vec<String>>>(2).unwrap_or_default();
    columns.retain(|column| !key.contains(column));
    part.named = Some(name);
    part.inserted = Some(Inserted { table: row.get(0), key, columns });
    Ok(Ok(shape))
}

/// Why a rollback could not walk the table: the same reasons as for a backfill of it.
pub(super) async fn reject_reason(
    client: &Client,
    job: &Job,
    shape: Option<&Shape>,
) -> Result<Option<String>, Error> {
    let Some(inserted) = shape.and_then(Shape::inserted) else { return Ok(None) };
    let directive = BackfillDirective {
        table: inserted.table.clone(),
        key: inserted.key.clone(),
        ..job.directive.clone()
    };
    let table = match facts::leaves(client, &directive).await? {
        Ok(table) => table,
        Err(reason) => return Ok(Some(format!("`undo` could not delete rows again: {reason}"))),
    };
    for leaf in &table.leaves {
        if let Err(reason) = leaf.check_key(client, &inserted.key).await? {
            return Ok(Some(format!("`undo` could not delete rows again: {reason}")));
        }
    }
    Ok(None)
}

impl Inserted {
    /// SQL that creates the journal: the key, the table, and the other columns as they were inserted.
    pub(super) fn create(&self, job: &Job, journal: &str) -> String {
        let key = list(&self.key, quoted);
        let columns = self.key.iter().map(|column| quoted(column));
        let columns = columns.chain([format!("NULL::pg_catalog.regclass AS {TABLE}")]);
        let columns =
            columns.chain(self.columns.iter().map(|column| format!("{} AS {}", quoted(column), new(column))));
        format!(
            "CREATE TABLE {journal} AS SELECT {} FROM {} WITH NO DATA; ALTER TABLE {journal} ADD PRIMARY KEY ({key}); \
             COMMENT ON TABLE {journal} IS {};",
            columns.collect::<Vec<_>>().join(", "),
            self.table,
            literal(&format!("The rows that the backfill {} inserted; its rollback deletes them.", job.name))
        )
    }

    /// The INSERT of a batch, which also journals the rows that it inserts: those that exist already are not among them.
    pub(super) fn statement(&self, insert: &str, journal: &str) -> String {
        let key = list(&self.key, quoted);
        let all: Vec<String> = self.key.iter().chain(&self.columns).map(|column| quoted(column)).collect();
        let values = self.columns.iter().map(|column| quoted(column));
        let source: Vec<String> = [key.clone(), format!("{}::pg_catalog.regclass", literal(&self.table))]
            .into_iter()
            .chain(values)
            .collect();
        let into =
            [key.clone(), TABLE.to_owned()].into_iter().chain(self.columns.iter().map(|column| new(column)));
        // A row that was deleted meanwhile may be inserted again.
        let newest = [TABLE.to_owned()].into_iter().chain(self.columns.iter().map(|column| new(column)));
        let newest: Vec<String> = newest.map(|column| format!("{column} = excluded.{column}")).collect();
        format!(
            "WITH changed AS ({insert} RETURNING {}) INSERT INTO {journal} ({}) SELECT {} FROM changed \
             ON CONFLICT ({key}) DO UPDATE SET {}",
            all.join(", "),
            into.collect::<Vec<_>>().join(", "),
            source.join(", "),
            newest.join(", ")
        )
    }
}

/// The DELETE of inserted rows, in batches like any backfill's.
pub(crate) struct Deletion {
    /// The table, qualified and quoted: it may have been renamed since.
    pub(crate) table: String,
    pub(crate) key: Vec<String>,
    pub(crate) statement: String,
}

impl Deletion {
    /// The deletion of the rows in a journal; none if it has no rows, or if their table was dropped.
    ///
    /// It leaves rows that differ, byte by byte, from what was inserted, and rows whose deletion would change rows of other tables
    /// (`ON DELETE CASCADE` and the like).
    pub(crate) async fn of(client: &Client, journal: &str) -> Result<Option<Deletion>, Error> {
        let failed = || Error::database("reading the journal of inserted rows");
        let sql = format!(
            "SELECT pg_catalog.format('%I.%I', n.nspname, t.relname), {KEY}, \
                 (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a \
                  JOIN pg_catalog.pg_attribute kept ON kept.attrelid = c.oid AND NOT kept.attisdropped \
                      AND kept.attname = pg_catalog.concat('new ', a.attname)::pg_catalog.name \
                  WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped), \
                 (SELECT pg_catalog.array_agg((SELECT pg_catalog.format('NOT EXISTS (SELECT FROM %s AS r WHERE %s)', \
                      f.conrelid::pg_catalog.regclass, pg_catalog.string_agg(pg_catalog.format('r.%I = t.%I', theirs.attname, ours.attname), ' AND ')) \
                      FROM ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey)) AS pair (their, our) \
                      JOIN pg_catalog.pg_attribute theirs ON theirs.attrelid = f.conrelid AND theirs.attnum = pair.their \
                      JOIN pg_catalog.pg_attribute ours ON ours.attrelid = f.confrelid AND ours.attnum = pair.our)) \
                  FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confdeltype IN ('c', 'n', 'd') \
                      AND (f.confrelid = t.oid OR f.confrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(t.oid)))) \
             FROM (SELECT {TABLE} AS oid FROM {journal} LIMIT 1) AS j JOIN pg_catalog.pg_class t ON t.oid = j.oid \
                 JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace \
                 JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass($1)"
        );
        // Under an empty search path, names of tables are printed with their schemas.
        client.batch_execute(path::LEAVE).await.map_err(failed())?;
        let rows = client.query_typed(&sql, &[(&journal, Type::TEXT)]).await.map_err(failed())?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (table, key): (String, Option<Vec<String>>) = (row.get(0), row.get(1));
        let key = key.unwrap_or_default();
        let columns: Vec<String> = row.get::<_, Option<_>>(2).unwrap_or_default();
        let unreferenced: Vec<String> = row.get::<_, Option<_>>(3).unwrap_or_default();
        Ok(Some(Deletion { statement: deletion(&table, journal, &key, &columns, &unreferenced), table, key }))
    }
}

fn deletion(
    table: &str,
    journal: &str,
    key: &[String],
    columns: &[String],
    unreferenced: &[String],
) -> String {
    let mut conditions = vec![joined(key)];
    if !columns.is_empty() {
        conditions.push(format!(
            "ROW({})::record OPERATOR(pg_catalog.*=) ROW({})::record",
            list(columns, |column| format!("t.{}", quoted(column))),
            list(columns, |column| format!("j.{}", new(column)))
        ));
    }
    conditions.extend_from_slice(unreferenced);
    format!("DELETE FROM {table} AS t USING {journal} AS j WHERE {}", conditions.join(" AND "))
}

fn new(column: &str) -> String {
    quoted(&format!("new {column}"))
}

fn list(columns: &[String], each: impl Fn(&str) -> String) -> String {
    columns.iter().map(|column| each(column)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deletes_is_a_batch_of_the_key() {
        let key = ["a".to_owned(), "B".to_owned()];
        let text = deletion("app.\"T 1\"", "refit.backfill_undo_7", &key, &["n".to_owned()], &[]);
        let directive = serde_json::json!({ "table": "app.\"T 1\"", "key": key });
        let shape = Shape::of(&text, &serde_json::from_value(directive).unwrap()).unwrap();
        assert!(!shape.striped && shape.can_be_restricted());
        let closed = shape.parts[0].text("app.t_1", true);
        assert!(closed.starts_with("DELETE FROM ONLY app.t_1 AS t USING"), "{closed}");
        assert_eq!((closed.matches(">= ").count(), closed.matches("> ").count()), (2, 0), "{closed}");
    }
}
