//! The tables of a backup: what belongs together, what the role may read, how large they are.

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::session::Session;

/// A column whose values a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the server writes it.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// A table of the database, or a partition: one that has rows of its own.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Without indexes.
    pub(crate) bytes: u64,
    pub(crate) may_select: bool,
    pub(crate) row_security: bool,
    /// Without generated ones.
    pub(crate) columns: Vec<Column>,
}

impl Table {
    /// Qualified and quoted.
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.schema, &self.name)
    }
}

/// A qualified name, with quotes where SQL needs them.
pub(crate) fn quoted(schema: &str, name: &str) -> String {
    format!("{}.{}", refit_model::quoted_name(schema), refit_model::quoted_name(name))
}

/// A qualified name in quotes, for SQL.
pub(crate) fn escaped(schema: &str, name: &str) -> String {
    let escape = postgres_protocol::escape::escape_identifier;
    format!("{}.{}", escape(schema), escape(name))
}

const FACTS: &str = "SELECT c.oid, nspname::text, relname::text, \
        coalesce(pg_catalog.pg_table_size(c.oid), 0), \
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), \
        pg_catalog.row_security_active(c.oid), \
        ARRAY(SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND attnum > 0 \
              AND NOT attisdropped AND attgenerated = '' ORDER BY attnum), \
        ARRAY(SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute WHERE attrelid = c.oid \
              AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum) \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace";

/// All tables with rows of their own, without those of the system and of extensions.
pub(crate) async fn all(session: &Session) -> Result<Vec<Table>, Error> {
    let sql = format!(
        "{FACTS} WHERE relkind = 'r' AND relpersistence <> 't' AND nspname <> ALL (ARRAY['pg_catalog', 'information_schema']) \
         AND nspname NOT LIKE 'pg\\_toast%' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE deptype = 'e' \
             AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objid = c.oid) ORDER BY 2, 3"
    );
    let rows = session.query_typed(&sql, &[]).await.map_err(Error::database("reading the tables"))?;
    Ok(rows.iter().map(table).collect())
}

/// The tables with these OIDs, with everything whose rows change with theirs: partitions and children, tables that reference
/// them by a foreign key with an action (CASCADE, SET NULL, SET DEFAULT), and the tables of views.
pub(crate) async fn related(session: &Session, oids: &[u32]) -> Result<Vec<Table>, Error> {
    let sql = format!(
        "WITH RECURSIVE related (oid) AS (SELECT pg_catalog.unnest($1) UNION SELECT found.oid FROM related, LATERAL ( \
             SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = related.oid \
             UNION ALL SELECT conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = related.oid \
                 AND (confdeltype = ANY ('{{c,n,d}}') OR confupdtype = ANY ('{{c,n,d}}')) \
             UNION ALL SELECT refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend ON objid = r.oid \
                 WHERE classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND ev_class = related.oid \
                 AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass) AS found (oid)) \
         {FACTS} WHERE c.oid IN (SELECT oid FROM related) AND relkind = 'r' AND relpersistence <> 't' \
             AND nspname <> ALL (ARRAY['pg_catalog', 'information_schema']) ORDER BY 2, 3"
    );
    let rows = session.query_typed(&sql, &[(&oids, Type::OID_ARRAY)]).await;
    Ok(rows.map_err(Error::database("reading the tables"))?.iter().map(table).collect())
}

fn table(row: &tokio_postgres::Row) -> Table {
    let (names, types): (Vec<String>, Vec<String>) = (row.get(6), row.get(7));
    let columns = names.into_iter().zip(types).map(|(name, data_type)| Column { name, data_type });
    Table {
        oid: row.get(0),
        schema: row.get(1),
        name: row.get(2),
        bytes: u64::try_from(row.get::<_, i64>(3)).unwrap_or(0),
        may_select: row.get(4),
        row_security: row.get(5),
        columns: columns.collect(),
    }
}

/// A sequence that a column of a table owns: of `serial`, of an identity column, or by `OWNED BY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The last value.
    pub last_value: i64,
    /// Whether the last value was handed out.
    pub is_called: bool,
}

/// The sequences that columns of a table own, with their values; none if the role may not read them.
pub(crate) async fn sequences(session: &Session, table: u32) -> Result<Vec<Sequence>, Error> {
    let sql = "SELECT nspname::text, relname::text FROM pg_catalog.pg_depend JOIN pg_catalog.pg_class c ON c.oid = objid \
               JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
               WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refclassid = classid AND refobjid = $1 \
                   AND deptype IN ('a', 'i') AND relkind = 'S' AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
               ORDER BY 1, 2";
    let rows = session.query_typed(sql, &[(&table, Type::OID)]).await;
    let mut found = Vec::new();
    for row in rows.map_err(Error::database("reading the sequences"))? {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        let sql = format!("SELECT last_value, is_called FROM {}", escaped(&schema, &name));
        let row = session.query_typed_one(&sql, &[]).await;
        let row = row.map_err(Error::database("reading the sequences"))?;
        found.push(Sequence { schema, name, last_value: row.get(0), is_called: row.get(1) });
    }
    Ok(found)
}

/// What the role may not read, each with the way to change that.
pub(crate) fn lacking(tables: &[Table], role: &str) -> Vec<String> {
    let role = refit_model::quoted_name(role);
    let mut problems = Vec::new();
    for table in tables {
        let (name, schema) = (table.quoted(), refit_model::quoted_name(&table.schema));
        if !table.may_select {
            problems.push(format!(
                "the role {role} may not read {name}: GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {name} TO {role}"
            ));
        } else if table.row_security {
            problems.push(format!(
                "row security hides rows of {name} from the role {role}: use the owner of the table (without FORCE ROW LEVEL \
                 SECURITY) or a role with BYPASSRLS"
            ));
        }
    }
    problems
}

/// What `pg_dump` of some tables leaves out entirely because the role may not read it: schemas, then tables and sequences.
pub(crate) async fn unreadable(session: &Session) -> Result<(Vec<String>, Vec<(String, String)>), Error> {
    let schemas = "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\\_%' \
                   AND nspname <> 'information_schema' AND NOT pg_catalog.has_schema_privilege(oid, 'USAGE')";
    let relations = "SELECT nspname::text, relname::text FROM pg_catalog.pg_class c \
                     JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
                     WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND nspname NOT LIKE 'pg\\_%' \
                         AND nspname <> 'information_schema' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
                         AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')";
    let failed = || Error::database("reading the role's rights");
    let schemas = session.query_typed(schemas, &[]).await.map_err(failed())?;
    let relations = session.query_typed(relations, &[]).await.map_err(failed())?;
    Ok((
        schemas.iter().map(|row| row.get(0)).collect(),
        relations.iter().map(|row| (row.get(0), row.get(1))).collect(),
    ))
}
