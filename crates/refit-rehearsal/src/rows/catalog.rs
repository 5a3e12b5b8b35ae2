//! The properties of tables and types that generated rows depend on.

use std::collections::{BTreeMap, BTreeSet};

use postgres_protocol::escape::escape_identifier;
use refit::REHEARSAL_SCHEMA;
use tokio_postgres::{Client, Row};

use crate::error::Error;

/// Tables and types by OID.
pub(super) struct Catalog {
    pub(super) tables: BTreeMap<u32, Table>,
    pub(super) types: BTreeMap<u32, TypeInfo>,
}

/// A table.
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) quoted: String,
    pub(super) is_partitioned: bool,
    /// Whether it is partitioned by hash.
    pub(super) by_hash: bool,
    pub(super) parent: Option<u32>,
    /// The partition constraint.
    pub(super) bounds: Option<String>,
    pub(super) columns: Vec<Column>,
    pub(super) checks: Vec<Check>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    /// Columns of each unique index; expressions are left out.
    pub(super) unique: Vec<Vec<i16>>,
}

/// A column that can be written: not a generated one.
pub(super) struct Column {
    pub(super) number: i16,
    pub(super) name: String,
    pub(super) kind: u32,
    pub(super) modifier: i32,
    /// The type in SQL.
    pub(super) written: String,
    pub(super) not_null: bool,
    /// Whether a sequence fills it.
    pub(super) counted: bool,
    /// The default expression in SQL.
    pub(super) default: Option<String>,
}

/// A check constraint.
pub(super) struct Check {
    pub(super) condition: String,
    pub(super) columns: Vec<i16>,
}

/// A reference to another table.
pub(super) struct ForeignKey {
    pub(super) columns: Vec<i16>,
    pub(super) table: u32,
    pub(super) referenced: Vec<i16>,
}

/// A type.
pub(super) struct TypeInfo {
    pub(super) name: String,
    /// The name in SQL.
    pub(super) written: String,
    /// `pg_type.typtype`.
    pub(super) class: char,
    /// The element type of an array.
    pub(super) element: u32,
    /// The base type of a domain, and its modifier.
    pub(super) base: (u32, i32),
    /// The check constraints of a domain.
    pub(super) conditions: Vec<String>,
    pub(super) labels: Vec<String>,
    /// The subtype of a range or multirange.
    pub(super) subtype: u32,
    /// The range type of a multirange, in SQL.
    pub(super) range: Option<String>,
    /// The types of a composite type's fields.
    pub(super) fields: Vec<(u32, i32)>,
}

/// Tables of the migrations, not Refit's own.
fn tables() -> String {
    let own = format!("'refit', '{REHEARSAL_SCHEMA}'");
    format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'p', \
     coalesce((SELECT p.partstrat = 'h' FROM pg_partitioned_table p WHERE p.partrelid = c.oid), false), \
     (SELECT h.inhparent FROM pg_inherits h WHERE h.inhrelid = c.oid AND c.relispartition), \
     pg_catalog.pg_get_partition_constraintdef(c.oid) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' \
     AND n.nspname NOT IN ('information_schema', {own}) AND c.relname <> 'refinery_schema_history'"
    )
}

const COLUMNS: &str = "SELECT a.attrelid, a.attnum, a.attname::text, a.atttypid, a.atttypmod, \
     pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, \
     a.attidentity <> '' OR coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false), pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
     WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND c.relkind IN ('r', 'p') \
     AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema$)' ORDER BY a.attrelid, a.attnum";

const CHECKS: &str = "SELECT conrelid, pg_catalog.pg_get_expr(conbin, conrelid), conkey FROM pg_constraint \
     WHERE contype = 'c' AND conrelid <> 0 ORDER BY conrelid, conname";

const FOREIGN_KEYS: &str = "SELECT f.conrelid, f.conkey, f.confrelid, f.confkey FROM pg_constraint f \
     LEFT JOIN pg_constraint p ON p.oid = f.conparentid \
     WHERE f.contype = 'f' AND p.conrelid IS DISTINCT FROM f.conrelid ORDER BY f.conrelid, f.conname";

const UNIQUE: &str = "SELECT indrelid, indkey::int2[] FROM pg_index \
     WHERE indisunique OR indisexclusion ORDER BY indrelid, indexrelid";

const TYPES: &str = "SELECT t.oid, t.typname::text, pg_catalog.format_type(t.oid, NULL), t.typtype::text, \
     CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0::oid END, t.typbasetype, t.typtypmod, \
     (SELECT pg_catalog.array_agg(pg_catalog.pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint k WHERE k.contypid = t.oid), \
     (SELECT pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid), \
     coalesce(r.rngsubtype, 0::oid), CASE WHEN t.typtype = 'm' THEN pg_catalog.format_type(r.rngtypid, NULL) END, \
     (SELECT pg_catalog.array_agg(a.atttypid ORDER BY a.attnum) FROM pg_attribute a \
      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), \
     (SELECT pg_catalog.array_agg(a.atttypmod ORDER BY a.attnum) FROM pg_attribute a \
      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) \
     FROM pg_type t LEFT JOIN pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)";

impl Catalog {
    /// The existing tables; cheaper than [`Catalog::read`].
    pub(super) async fn tables(client: &Client) -> Result<BTreeSet<u32>, Error> {
        let sql =
            "SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relpersistence <> 't' AND oid >= 16384";
        let rows =
            client.query_typed(sql, &[]).await.map_err(Error::database("reading the list of tables"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    pub(super) async fn read(client: &Client) -> Result<Catalog, Error> {
        let query = async |sql: &str| {
            client.query_typed(sql, &[]).await.map_err(Error::database("reading the tables' definitions"))
        };
        let of_migrations = tables();
        let (tables, columns, checks, keys, unique, types) = tokio::try_join!(
            query(&of_migrations),
            query(COLUMNS),
            query(CHECKS),
            query(FOREIGN_KEYS),
            query(UNIQUE),
            query(TYPES)
        )?;
        let mut tables: BTreeMap<u32, Table> =
            tables.iter().map(table).map(|table| (table.oid, table)).collect();
        for row in &columns {
            if let Some(table) = tables.get_mut(&row.get(0)) {
                table.columns.push(column(row));
            }
        }
        for row in &checks {
            if let Some(table) = tables.get_mut(&row.get(0)) {
                let columns = row.get::<_, Option<Vec<i16>>>(2).unwrap_or_default();
                table.checks.push(Check { condition: row.get(1), columns });
            }
        }
        for row in &keys {
            if let Some(table) = tables.get_mut(&row.get(0)) {
                let key = ForeignKey { columns: row.get(1), table: row.get(2), referenced: row.get(3) };
                table.foreign_keys.push(key);
            }
        }
        for row in &unique {
            if let Some(table) = tables.get_mut(&row.get(0)) {
                let columns: Vec<i16> = row.get(1);
                table.unique.push(columns.into_iter().filter(|number| *number > 0).collect());
            }
        }
        let types = types.iter().map(|row| (row.get(0), type_info(row))).collect();
        Ok(Catalog { tables, types })
    }

    /// The root of a table's partition tree.
    pub(super) fn root(&self, oid: u32) -> u32 {
        let mut top = oid;
        while let Some(parent) = self.tables.get(&top).and_then(|table| table.parent) {
            top = parent;
        }
        top
    }
}

impl Table {
    pub(super) fn column(&self, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }
}

fn table(row: &Row) -> Table {
    let (schema, bare): (String, String) = (row.get(1), row.get(2));
    Table {
        oid: row.get(0),
        quoted: format!("{}.{}", escape_identifier(&schema), escape_identifier(&bare)),
        name: if schema == "public" { bare } else { format!("{schema}.{bare}") },
        is_partitioned: row.get(3),
        by_hash: row.get(4),
        parent: row.get(5),
        bounds: row.get(6),
        columns: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        unique: Vec::new(),
    }
}

fn column(row: &Row) -> Column {
    Column {
        number: row.get(1),
        name: row.get(2),
        kind: row.get(3),
        modifier: row.get(4),
        written: row.get(5),
        not_null: row.get(6),
        counted: row.get(7),
        default: row.get(8),
    }
}

fn type_info(row: &Row) -> TypeInfo {
    let texts = |column: usize| row.get::<_, Option<Vec<String>>>(column).unwrap_or_default();
    let fields = row.get::<_, Option<Vec<u32>>>(11).unwrap_or_default();
    let modifiers = row.get::<_, Option<Vec<i32>>>(12).unwrap_or_default();
    TypeInfo {
        name: row.get(1),
        written: row.get(2),
        class: row.get::<_, &str>(3).chars().next().unwrap_or_default(),
        element: row.get(4),
        base: (row.get(5), row.get(6)),
        conditions: texts(7),
        labels: texts(8),
        subtype: row.get(9),
        range: row.get(10),
        fields: fields.into_iter().zip(modifiers).collect(),
    }
}
