//! Facts about a backfill's table from the catalog: its partitions, its key, and what rules out stripes.

use refit_model::BackfillDirective;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::changes::Changes;
use super::key::KeyColumns;
use crate::error::Error;
use crate::queries::Queries;

/// A table whose rows a backfill changes.
#[derive(Debug)]
pub(crate) struct Table {
    /// Qualified and quoted.
    pub(crate) name: String,
    pub(crate) partitioned: bool,
    /// The partitions with rows, or the table itself.
    pub(crate) leaves: Vec<Leaf>,
}

/// One table with rows.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// Qualified and quoted.
    pub(crate) name: String,
    /// Rows, as the planner estimates them; if its statistics are stale, as a sample of pages shows.
    pub(crate) rows: u64,
    /// Pages of its heap.
    pub(crate) pages: u64,
    /// What the statement changes in a row.
    pub(crate) changes: Changes,
    /// An index on a column that changes.
    pub(crate) index_on_set: Option<String>,
    /// Whether the key is one integer that is never negative.
    pub(crate) counts: bool,
    /// Correlation between the order of the key and the order of the heap: 1 is the same order, 0 is none.
    pub(crate) order: f64,
}

impl Table {
    /// Rows, as estimated.
    pub(crate) fn rows(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.rows).sum()
    }

    /// Rows on a page, for walks over the heap.
    pub(crate) fn rows_per_page(&self) -> u64 {
        let pages: u64 = self.leaves.iter().map(|leaf| leaf.pages).sum();
        (self.rows() / pages.max(1)).max(1)
    }
}

/// Reads a table's facts. `sets` are the columns that the statement sets.
///
/// # Errors
/// The inner one says why the table cannot be walked, and what to do.
pub(crate) async fn read(
    client: &Client,
    directive: &BackfillDirective,
    sets: &[String],
) -> Result<Result<Table, String>, Error> {
    let mut table = match leaves(client, directive).await? {
        Ok(table) => table,
        Err(reason) => return Ok(Err(reason)),
    };
    for leaf in &mut table.leaves {
        leaf.changes = Changes::read(client, &leaf.name, sets).await?;
        leaf.index_on_set = leaf.covering(client, &leaf.changes.columns).await?;
        if directive.walks_heap() {
            continue;
        }
        match leaf.check_key(client, &directive.key).await? {
            Ok(integer) => {
                leaf.counts = integer && leaf.is_never_negative(client, &directive.key[0]).await?;
                leaf.order = leaf.order_of(client, directive).await?;
            }
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(table))
}

/// Reads which tables hold the rows, and how many each: nothing about columns and indexes.
///
/// # Errors
/// The inner one says why there are no rows to walk.
pub(crate) async fn leaves(
    client: &Client,
    directive: &BackfillDirective,
) -> Result<Result<Table, String>, Error> {
    let failed = || Error::database("reading the table of a backfill");
    let sql = "SELECT c.relkind::text, n.nspname, c.relname, (SELECT pg_catalog.string_agg(inhrelid::regclass::text, ', ') \
                   FROM pg_inherits WHERE inhparent = c.oid AND c.relkind = 'r') FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass($1)";
    let rows = client.query_boxed(sql, &[(&directive.table, Type::TEXT)]).await.map_err(failed())?;
    let Some(row) = rows.first() else {
        return Ok(Err(format!("there is no table {}", directive.table)));
    };
    let kind: String = row.get(0);
    if kind != "r" && kind != "p" {
        return Ok(Err(format!("{} is not an ordinary or partitioned table", directive.table)));
    }
    let name = format!("{}.{}", super::key::quoted(row.get(1)), super::key::quoted(row.get(2)));
    if let Some(children) = row.get::<_, Option<String>>(3) {
        return Ok(Err(format!(
            "{children} inherit from {name}, and its backfill would not change their rows: write a backfill for each of them, \
             and `UPDATE ONLY` for the rows of {name} itself; if it has many, detach the others first (`NO INHERIT`)"
        )));
    }
    let sql = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind::text, \
                      pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8 \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)) WHERE isleaf \
                               UNION SELECT pg_catalog.to_regclass($1) WHERE NOT EXISTS ( \
                                   SELECT FROM pg_partitioned_table WHERE partrelid = pg_catalog.to_regclass($1))) \
               ORDER BY c.oid";
    let rows = client.query_boxed(sql, &[(&directive.table, Type::TEXT)]).await.map_err(failed())?;
    let mut table = Table { name, partitioned: kind == "p", leaves: Vec::new() };
    for row in rows {
        let name: String = row.get(0);
        if row.get::<_, String>(1) == "f" {
            return Ok(Err(format!("the partition {name} is a foreign table")));
        }
        let pages = u64::try_from(row.get::<_, i64>(2)).unwrap_or(0);
        let rows = estimate(client, &name, pages).await?;
        let changes = Changes::default();
        table.leaves.push(Leaf { name, rows, pages, changes, index_on_set: None, counts: false, order: 0.0 });
    }
    Ok(Ok(table))
}

impl Leaf {
    /// Whether the key is one integer; the inner error says why rows cannot be walked by it, and what to do.
    pub(crate) async fn check_key(
        &self,
        client: &Client,
        key: &[String],
    ) -> Result<Result<bool, String>, Error> {
        let sql = "SELECT attname::text, attnum, attnotnull, atttypid = ANY ('{int2,int4,int8}'::regtype[]), \
                       CASE WHEN (SELECT coalesce(b.typtype, t.typtype) FROM pg_catalog.pg_type t \
                                      LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype WHERE t.oid = atttypid) = 'c' \
                            THEN pg_catalog.format_type(atttypid, NULL) END \
                   FROM pg_attribute WHERE attrelid = $1::text::regclass AND attname::text = ANY ($2) \
                     AND attnum > 0 AND NOT attisdropped ORDER BY pg_catalog.array_position($2, attname::text)";
        let failed = || Error::database("reading the key of a backfill");
        let rows = client
            .query_boxed(sql, &[(&self.name, Type::TEXT), (&key, Type::TEXT_ARRAY)])
            .await
            .map_err(failed())?;
        if rows.len() != key.len() {
            let known: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let missing = key.iter().find(|column| !known.contains(column));
            return Ok(Err(format!(
                "{} has no column {}, which the directive's key names",
                self.name,
                missing.map_or("", String::as_str)
            )));
        }
        // The server reads a bound of a batch as an anonymous record, which has no input function.
        if let Some(composite) = rows.iter().find(|row| row.get::<_, Option<String>>(4).is_some()) {
            let (column, name): (String, Option<String>) = (composite.get(0), composite.get(4));
            return Ok(Err(format!(
                "the column {column} of {} has the composite type {}, which cannot be a key: name another key, or walk the \
                 heap with `key = [\"ctid\"]` and `remaining`",
                self.name,
                name.unwrap_or_default()
            )));
        }
        let numbers: Vec<i16> = rows.iter().map(|row| row.get(1)).collect();
        if !is_ordered_by(client, &self.name, &numbers).await? {
            let columns = key.join(", ");
            return Ok(Err(format!(
                "no valid btree index of {} begins with ({columns}), in that order: build one with \
                 `CREATE INDEX CONCURRENTLY ON {} ({columns})`, name another key, or walk the heap with \
                 `key = [\"ctid\"]` and `remaining`",
                self.name, self.name
            )));
        }
        if rows.iter().any(|row| !row.get::<_, bool>(2)) {
            let any_null = KeyColumns::new(key).any_null();
            let sql = format!("SELECT EXISTS (SELECT FROM ONLY {} WHERE {any_null})", self.name);
            if client.query_one_boxed(&sql, &[]).await.map_err(failed())?.get(0) {
                return Ok(Err(format!(
                    "rows of {} have a null in the key ({}), and would never be visited: name another key, or walk \
                     the heap with `key = [\"ctid\"]` and `remaining`",
                    self.name,
                    key.join(", ")
                )));
            }
        }
        Ok(Ok(rows.len() == 1 && rows[0].get(3)))
    }

    /// An index that uses any of the columns: as a column, in an expression, or in its predicate.
    async fn covering(&self, client: &Client, sets: &[String]) -> Result<Option<String>, Error> {
        let sql = "SELECT i.indexrelid::regclass::text FROM pg_index i, pg_attribute a \
                   WHERE i.indrelid = $1::text::regclass AND a.attrelid = i.indrelid AND a.attname::text = ANY ($2) \
                     AND a.attnum > 0 AND (a.attnum = ANY (i.indkey) OR EXISTS ( \
                         SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid \
                           AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)) ORDER BY 1 LIMIT 1";
        let rows = client
            .query_boxed(sql, &[(&self.name, Type::TEXT), (&sets, Type::TEXT_ARRAY)])
            .await
            .map_err(Error::database("reading the indexes of a table"))?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    async fn is_never_negative(&self, client: &Client, column: &str) -> Result<bool, Error> {
        let sql = format!(
            "SELECT coalesce(pg_catalog.min({}) >= 0, true) FROM ONLY {}",
            super::key::quoted(column),
            self.name
        );
        let row =
            client.query_one_boxed(&sql, &[]).await.map_err(Error::database("reading the lowest key"))?;
        Ok(row.get(0))
    }

    /// From a sample, since statistics may be missing: a table is often analyzed for the first time after it is filled.
    async fn order_of(&self, client: &Client, directive: &BackfillDirective) -> Result<f64, Error> {
        let sql = format!(
            "SELECT coalesce(pg_catalog.corr(block, number), 0)::float8 FROM ( \
                 SELECT (ctid::text::point)[0] AS block, pg_catalog.row_number() OVER (ORDER BY {}) AS number \
                 FROM ONLY {} TABLESAMPLE SYSTEM ({})) AS sample",
            KeyColumns::new(&directive.key).list(),
            self.name,
            self.percent_for(10_000)
        );
        let row = client.query_one_boxed(&sql, &[]).await.map_err(Error::database("sampling a table"))?;
        Ok(row.get(0))
    }

    /// The percentage of the table for a sample of about this many rows.
    pub(crate) fn percent_for(&self, rows: u64) -> f64 {
        if self.rows == 0 { 100.0 } else { (to_float(rows) * 100.0 / to_float(self.rows)).clamp(1e-4, 100.0) }
    }
}

/// Whether the key can still be walked: its index may be dropped while a backfill runs.
pub(crate) async fn is_walkable(client: &Client, relation: &str, key: &[String]) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.array_agg(attnum ORDER BY pg_catalog.array_position($2, attname::text)) FROM pg_attribute \
               WHERE attrelid = pg_catalog.to_regclass($1) AND attname::text = ANY ($2) AND NOT attisdropped";
    let row = client.query_one_boxed(sql, &[(&relation, Type::TEXT), (&key, Type::TEXT_ARRAY)]).await;
    let row = row.map_err(Error::database("reading the key of a backfill"))?;
    let numbers: Option<Vec<i16>> = row.get(0);
    match numbers.filter(|numbers| numbers.len() == key.len()) {
        Some(numbers) => is_ordered_by(client, relation, &numbers).await,
        None => Ok(false),
    }
}

/// Whether an index returns rows in the order in which `key > $1` compares them.
async fn is_ordered_by(client: &Client, relation: &str, numbers: &[i16]) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                   JOIN pg_am am ON am.oid = c.relam AND am.amname = 'btree' \
               WHERE i.indrelid = $1::text::regclass AND i.indisvalid AND i.indpred IS NULL \
                 AND i.indnkeyatts >= pg_catalog.cardinality($2) AND NOT EXISTS ( \
                     SELECT FROM pg_catalog.unnest($2) WITH ORDINALITY AS key (attnum, n) \
                         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.attnum \
                         LEFT JOIN pg_opclass o ON o.oid = i.indclass[n::int - 1] \
                     WHERE i.indkey[n::int - 1] <> key.attnum OR NOT o.opcdefault \
                        OR i.indcollation[n::int - 1] <> a.attcollation \
                        OR (i.indoption[n::int - 1] & 1) <> (i.indoption[0] & 1)))";
    let row = client
        .query_one_boxed(sql, &[(&relation, Type::TEXT), (&numbers, Type::INT2_ARRAY)])
        .await
        .map_err(Error::database("reading the indexes of a table"))?;
    Ok(row.get(0))
}

/// Pages that are sampled to check the planner's estimate.
const SAMPLED_PAGES: u64 = 128;

/// Estimates the rows of a table. Statistics may be stale: if they differ much from a sample of pages, the sample counts.
async fn estimate(client: &Client, relation: &str, pages: u64) -> Result<u64, Error> {
    if pages == 0 {
        return Ok(0);
    }
    let share = (to_float(SAMPLED_PAGES) / to_float(pages)).min(1.0);
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM ONLY {relation} TABLESAMPLE SYSTEM ({})",
        (share * 100.0).max(1e-4)
    );
    let row = client.query_one_boxed(&sql, &[]).await;
    let counted: i64 = row.map_err(Error::database("sampling a table"))?.get(0);
    let sampled = to_float(u64::try_from(counted).unwrap_or(0)) / share;
    if pages <= SAMPLED_PAGES {
        return Ok(whole(sampled));
    }
    let planned = planned(client, relation).await?;
    let fits = planned > 0.0 && (0.5..2.0).contains(&(sampled / planned));
    Ok(whole(if fits { planned } else { sampled.max(1.0) }))
}

async fn planned(client: &Client, relation: &str) -> Result<f64, Error> {
    let sql = format!("EXPLAIN (FORMAT JSON) SELECT FROM ONLY {relation}");
    let plan = super::inspect::json(client, &sql).await;
    let plan = plan.map_err(Error::database("estimating the rows of a table"))?;
    Ok(plan[0]["Plan"]["Plan Rows"].as_f64().unwrap_or(0.0))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(crate) fn to_float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, never negative")]
pub(crate) fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}
