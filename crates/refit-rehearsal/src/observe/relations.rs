//! The relations of the database and their files.

use std::collections::{BTreeMap, BTreeSet};

use postgres_protocol::escape::escape_identifier;
use refit::REHEARSAL_SCHEMA;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error::Error;
use crate::trace::RelationKind;

/// The relations of the migrations by OID, except temporary ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relations(BTreeMap<u32, Relation>);

/// A relation.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// The name, qualified if the schema is not `public`.
    pub(crate) name: String,
    /// Schema and name, quoted for SQL.
    pub(crate) quoted: String,
    /// The name without its schema.
    pub(crate) bare: String,
    /// `pg_class.relkind`.
    pub(crate) relkind: char,
    pub(crate) filenode: u32,
    /// The table that an index is on.
    pub(crate) table: Option<u32>,
    /// The tables that it is a partition of or inherits from.
    parents: Vec<u32>,
}

impl Relation {
    pub(crate) fn kind(&self) -> RelationKind {
        match self.relkind {
            'r' | 'p' => RelationKind::Table,
            'm' => RelationKind::MaterializedView,
            'i' | 'I' => RelationKind::Index,
            'S' => RelationKind::Sequence,
            'v' => RelationKind::View,
            _ => RelationKind::Other,
        }
    }
}

const ALL: &str = "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relfilenode, i.indrelid, \
     (SELECT pg_catalog.array_agg(h.inhparent) FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
     WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I', 'S', 'v', 'f') AND n.nspname !~ '^pg_' \
     AND n.nspname NOT IN ('information_schema', $1)";

impl Relations {
    pub(crate) async fn read(client: &Client) -> Result<Relations, Error> {
        let rows = client.query_typed(ALL, &[(&REHEARSAL_SCHEMA, Type::NAME)]).await;
        let rows = rows.map_err(Error::database("reading the relations"))?;
        Ok(Relations(rows.iter().map(relation).collect()))
    }

    /// The names of all relations.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.0.values().map(|relation| relation.name.as_str()).collect()
    }

    pub(crate) fn get(&self, oid: u32) -> Option<&Relation> {
        self.0.get(&oid)
    }

    pub(crate) fn name(&self, oid: u32) -> Option<String> {
        self.get(oid).map(|relation| relation.name.clone())
    }

    /// Tables, partitioned tables and materialised views.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (u32, &Relation)> {
        self.of_kinds(&['r', 'p', 'm'])
    }

    /// Indexes that have files.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = (u32, &Relation)> {
        self.of_kinds(&['i'])
    }

    fn of_kinds<'k>(&self, kinds: &'k [char]) -> impl Iterator<Item = (u32, &Relation)> + use<'_, 'k> {
        self.0
            .iter()
            .filter(|(_, relation)| kinds.contains(&relation.relkind))
            .map(|(oid, relation)| (*oid, relation))
    }

    /// The names of all ancestors of a table.
    pub(crate) fn above(&self, oid: u32) -> Vec<String> {
        let mut open: Vec<u32> = self.get(oid).map_or(Vec::new(), |relation| relation.parents.clone());
        let mut names = Vec::new();
        while let Some(parent) = open.pop() {
            let Some(relation) = self.get(parent) else { continue };
            if !names.contains(&relation.name) {
                names.push(relation.name.clone());
                open.extend(&relation.parents);
            }
        }
        names
    }

    /// The tables that a statement may use: those that it names, those whose indexes it names, and their descendants.
    pub(crate) fn named_in(&self, text: &str) -> BTreeSet<u32> {
        let words: BTreeSet<String> = refit_model::significant_tokens(text).iter().map(folded).collect();
        let named = self.0.iter().filter(|(_, relation)| words.contains(&relation.bare));
        let tables = named.filter_map(|(oid, relation)| match relation.kind() {
            RelationKind::Table => Some(*oid),
            RelationKind::Index => relation.table,
            _ => None,
        });
        let mut found: BTreeSet<u32> = tables.collect();
        loop {
            let below = self.tables().filter(|(oid, relation)| {
                !found.contains(oid) && relation.parents.iter().any(|parent| found.contains(parent))
            });
            let below: Vec<u32> = below.map(|(oid, _)| oid).collect();
            if below.is_empty() {
                return found;
            }
            found.extend(below);
        }
    }
}

/// The name as PostgreSQL folds it.
fn folded(word: &&str) -> String {
    refit_model::identifier_name(word)
}

fn relation(row: &Row) -> (u32, Relation) {
    let (schema, bare): (String, String) = (row.get(1), row.get(2));
    let name = if schema == "public" { bare.clone() } else { format!("{schema}.{bare}") };
    let quoted = format!("{}.{}", escape_identifier(&schema), escape_identifier(&bare));
    let relkind = row.get::<_, &str>(3).chars().next().unwrap_or_default();
    let parents = row.get::<_, Option<Vec<u32>>>(6).unwrap_or_default();
    (row.get(0), Relation { name, quoted, bare, relkind, filenode: row.get(4), table: row.get(5), parents })
}

/// The relations whose files are not empty.
pub(super) async fn with_rows(client: &Client, oids: &BTreeSet<u32>) -> Result<BTreeSet<u32>, Error> {
    let oids: Vec<u32> = oids.iter().copied().collect();
    let sql = "SELECT oid FROM pg_catalog.pg_class \
               WHERE oid = ANY($1) AND pg_catalog.pg_relation_size(oid::pg_catalog.regclass) > 0";
    let rows = client.query_typed(sql, &[(&oids, Type::OID_ARRAY)]).await;
    let rows = rows.map_err(Error::database("reading the sizes of tables"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
