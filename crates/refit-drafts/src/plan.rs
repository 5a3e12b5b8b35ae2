//! Statements with the phase in which they run.

use crate::names::literal;

/// A drafted statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its text, without a semicolon.
    pub sql: String,
    /// The object that it changes: kind and name.
    pub object: String,
    /// What to run instead if the server refuses it as a mismatch of types.
    pub otherwise: Option<String>,
}

/// The order in which statements most likely succeed. What depends on an object is dropped before it and created after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Publications, triggers, rules and policies.
    DropAttached,
    DropViews,
    DropForeignKeys,
    DropConstraints,
    DropIndexes,
    Schemas,
    Types,
    Sequences,
    /// Functions whose arguments or results change.
    DropFunctions,
    Functions,
    Tables,
    Columns,
    Constraints,
    Views,
    Attached,
    /// After what is dropped and created again: an index is built in a migration of its own.
    Indexes,
    ForeignKeys,
    Properties,
    Comments,
    DropTables,
    DropSequences,
    DropTypes,
    DropSchemas,
}

/// What has been drafted so far.
pub(crate) struct Plan {
    version: u32,
    statements: Vec<(Phase, Statement)>,
}

impl Plan {
    pub(crate) fn new(version: u32) -> Plan {
        Plan { version, statements: Vec::new() }
    }

    /// The server's major version.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn add(&mut self, phase: Phase, object: &str, sql: impl Into<String>) {
        let statement = Statement { sql: sql.into(), object: object.to_owned(), otherwise: None };
        self.statements.push((phase, statement));
    }

    /// A new sequence continues after the rows that are there.
    pub(crate) fn begin_after_rows(&mut self, object: &str, table: &str, column: &str) {
        let sequence = format!(
            "pg_catalog.pg_get_serial_sequence({}, {})",
            literal(table),
            literal(&refit_catalog::bare(column))
        );
        let sql = format!(
            "SELECT pg_catalog.setval({sequence}, coalesce(pg_catalog.max({column}), 0) + 1, false) FROM {table} HAVING pg_catalog.count({column}) > 0"
        );
        self.add(Phase::Comments, object, sql);
    }

    /// The last statement gets another form, for when the server refuses it as a mismatch of types.
    pub(crate) fn otherwise(&mut self, sql: String) {
        if let Some((_, statement)) = self.statements.last_mut() {
            statement.otherwise = Some(sql);
        }
    }

    /// In the order of phases; within one, as they were added.
    pub(crate) fn finish(mut self) -> Vec<Statement> {
        self.statements.sort_by_key(|(phase, _)| *phase);
        self.statements.into_iter().map(|(_, statement)| statement).collect()
    }
}
