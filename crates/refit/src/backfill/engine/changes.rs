//! What an UPDATE changes besides the columns that it sets: generated columns, and columns that triggers assign. If it changes the
//! key or a partition key, batches would overlap.

mod assigned;

use refit_model::BackfillDirective;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use self::assigned::{Assigned, assigned};
use super::facts::Table;
use super::job::Job;
use super::path;
use super::shape::Shape;
use crate::error::Error;
use crate::queries::Queries;

/// What an UPDATE of one table changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// The columns that change, those of the SET list first.
    pub(crate) columns: Vec<String>,
    /// Changed columns that are not in the SET list, each with what changes it.
    pub(crate) indirect: Vec<(String, String)>,
    /// A trigger that may change any column, because its function cannot be analyzed.
    pub(crate) unreadable: Option<String>,
}

impl Changes {
    /// Reads what an UPDATE of a table that sets columns changes.
    pub(crate) async fn read(client: &Client, relation: &str, sets: &[String]) -> Result<Changes, Error> {
        let mut changes = Changes { columns: sets.to_vec(), ..Changes::default() };
        if sets.is_empty() {
            return Ok(changes);
        }
        changes.triggers(client, relation).await?;
        // Generated columns are computed after BEFORE triggers have run.
        changes.generated(client, relation).await?;
        Ok(changes)
    }

    fn add(&mut self, column: String, by: &str) {
        if !self.columns.contains(&column) {
            self.columns.push(column.clone());
            self.indirect.push((column, by.to_owned()));
        }
    }

    async fn triggers(&mut self, client: &Client, relation: &str) -> Result<(), Error> {
        // Row-level (1), before (2), on UPDATE (16), and enabled in ordinary sessions.
        let sql = "SELECT t.tgname::pg_catalog.text, l.lanname::pg_catalog.text, p.proname::pg_catalog.text, p.prosrc \
                   FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
                       JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
                   WHERE t.tgrelid = pg_catalog.to_regclass($1) AND NOT t.tgisinternal AND t.tgtype & 19 = 19 \
                     AND t.tgenabled IN ('O', 'A') AND (pg_catalog.cardinality(t.tgattr::pg_catalog.int2[]) = 0 OR EXISTS ( \
                         SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attname::pg_catalog.text = ANY ($2) \
                           AND a.attnum = ANY (t.tgattr::pg_catalog.int2[]))) \
                   ORDER BY t.tgname";
        let rows = client
            .query_boxed(sql, &[(&relation, Type::TEXT), (&self.columns, Type::TEXT_ARRAY)])
            .await
            .map_err(Error::database("reading the triggers of a table"))?;
        for row in rows {
            let (name, language, function): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let found = match (language.as_str(), function.as_str()) {
                ("plpgsql", _) => assigned(row.get(3)),
                ("internal", "suppress_redundant_updates_trigger") => Assigned::Columns(Vec::new()),
                _ => Assigned::Any,
            };
            match found {
                Assigned::Columns(columns) => {
                    for column in columns {
                        self.add(column, &format!("the trigger {name}"));
                    }
                }
                Assigned::Any => {
                    self.unreadable.get_or_insert(name);
                }
            }
        }
        Ok(())
    }

    async fn generated(&mut self, client: &Client, relation: &str) -> Result<(), Error> {
        // Up to PostgreSQL 14 the column depends on the columns of its expression; later its default does.
        let sql = "SELECT DISTINCT g.attname::pg_catalog.text FROM pg_catalog.pg_attribute g \
                       LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = g.attrelid AND e.adnum = g.attnum \
                       JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                           AND d.refobjid = g.attrelid AND d.refobjsubid <> g.attnum AND \
                           ((d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = g.attrelid AND d.objsubid = g.attnum) \
                            OR (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid)) \
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = g.attrelid AND a.attnum = d.refobjsubid \
                   WHERE g.attrelid = pg_catalog.to_regclass($1) AND g.attgenerated <> '' AND NOT g.attisdropped \
                     AND a.attname::pg_catalog.text = ANY ($2) ORDER BY 1";
        let rows = client
            .query_boxed(sql, &[(&relation, Type::TEXT), (&self.columns, Type::TEXT_ARRAY)])
            .await
            .map_err(Error::database("reading the generated columns of a table"))?;
        for row in rows {
            self.add(row.get(0), "its generation expression");
        }
        Ok(())
    }
}

/// The columns that a statement sets in rows of the directive's table, also through a view, a parent or a partition.
///
/// # Errors
/// The inner one says why batches would overlap, and what to do.
pub(crate) async fn written(
    client: &Client,
    job: &Job,
    shape: Option<&Shape>,
) -> Result<Result<Vec<String>, String>, Error> {
    let directive = &job.directive;
    // An UPDATE of a view changes its tables, and one of a parent changes its partitions and child tables.
    let sql = "WITH RECURSIVE above (oid) AS (SELECT pg_catalog.to_regclass($2)::pg_catalog.oid \
                   UNION SELECT i.inhparent FROM above JOIN pg_catalog.pg_inherits i ON i.inhrelid = above.oid), \
               below (oid) AS (SELECT pg_catalog.to_regclass($2)::pg_catalog.oid \
                   UNION SELECT i.inhrelid FROM below JOIN pg_catalog.pg_inherits i ON i.inhparent = below.oid), \
               named (oid) AS (SELECT pg_catalog.to_regclass($1)::pg_catalog.oid \
                   UNION SELECT d.refobjid FROM named JOIN pg_catalog.pg_class c ON c.oid = named.oid AND c.relkind = 'v' \
                       JOIN pg_catalog.pg_rewrite r ON r.ev_class = named.oid \
                       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
                           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass) \
               SELECT EXISTS (SELECT FROM named WHERE oid IN (SELECT oid FROM above) OR oid IN (SELECT oid FROM below))";
    let mut sets = Vec::new();
    for write in shape.iter().flat_map(|shape| &shape.parts).flat_map(|part| &part.writes) {
        let name = path::resolve(client, job, &write.name).await?;
        let row = client.query_one_boxed(sql, &[(&name, Type::TEXT), (&directive.table, Type::TEXT)]).await;
        if !row.map_err(Error::database("looking for the tables that a statement writes"))?.get::<_, bool>(0)
        {
            continue;
        }
        if let Some(reason) = write.reject_reason(&directive.key, &directive.table) {
            return Ok(Err(reason));
        }
        sets.extend(write.sets.iter().filter(|set| !sets.contains(*set)).cloned().collect::<Vec<_>>());
    }
    Ok(Ok(sets))
}

/// Why the job would not visit every row exactly once: something changes the key, or rows move to another partition.
pub(crate) async fn reject_reason(
    client: &Client,
    directive: &BackfillDirective,
    shape: Option<&Shape>,
    table: &Table,
) -> Result<Option<String>, Error> {
    let Some(leaf) = table.leaves.first() else { return Ok(None) };
    let changes = &leaf.changes;
    if let Some((column, by)) = changes.indirect.iter().find(|(column, _)| directive.key.contains(column)) {
        return Ok(Some(format!(
            "{by} changes {column}, a column of its key, whenever a batch changes a row: the row may be visited and changed \
             again; use another unique key, or, if it is a trigger, disable it while the backfill runs"
        )));
    }
    let guarded = shape.is_some_and(|shape| shape.parts.iter().all(|part| part.guard.is_some()));
    if !table.partitioned || guarded || changes.columns.is_empty() {
        return Ok(None);
    }
    // The columns of a partition key, including those in expressions, have an internal dependency on their table.
    let sql = "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)) AS tree \
                   JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = tree.relid \
                       AND d.objsubid > 0 AND d.deptype = 'i' AND d.refobjid = tree.relid AND d.refobjsubid = 0 \
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.relid AND a.attnum = d.objsubid \
               WHERE NOT tree.isleaf AND a.attname::pg_catalog.text = ANY ($2) LIMIT 1";
    let rows = client
        .query_boxed(sql, &[(&directive.table, Type::TEXT), (&changes.columns, Type::TEXT_ARRAY)])
        .await
        .map_err(Error::database("reading the partition keys of a table"))?;
    Ok(rows.first().map(|row| {
        let column: String = row.get(0);
        format!(
            "it changes {column}, by which {} is partitioned: a row may move to a partition that is not done yet, and be changed \
             again; add a condition `column IS NULL` on a column that it sets, or write the new value to another column",
            table.name
        )
    }))
}
