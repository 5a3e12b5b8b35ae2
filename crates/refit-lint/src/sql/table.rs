//! Tables, columns, constraints and indexes, as statements define them.

use std::sync::Arc;

use super::{Expr, Literal, Name, Span};

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// The table.
    pub name: Name,
    /// TEMPORARY.
    pub temporary: bool,
    /// UNLOGGED.
    pub unlogged: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its table constraints.
    pub constraints: Vec<Constraint>,
    /// PARTITION BY: the table is partitioned.
    pub partitioned: bool,
    /// The columns of its partition key; expressions are left out.
    pub partition_key: Vec<String>,
    /// PARTITION OF.
    pub partition_of: Option<Name>,
    /// DEFAULT: it takes the rows that no other partition takes.
    pub default_partition: bool,
    /// OF: its composite type.
    pub of_type: Option<Name>,
    /// INHERITS.
    pub inherits: Vec<Name>,
    /// LIKE.
    pub like: Vec<Like>,
}

/// LIKE in CREATE TABLE: the table, and what is copied besides columns and NOT NULL.
#[derive(Debug, Clone, PartialEq)]
pub struct Like {
    /// The table.
    pub table: Name,
    /// CHECK constraints.
    pub constraints: bool,
    /// Indexes, with the constraints that they belong to.
    pub indexes: bool,
    /// How generated columns are computed.
    pub generated: bool,
    /// Identities.
    pub identity: bool,
}

/// A data type: the canonical name (`int4` becomes `integer`), its modifiers, and whether it is an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct DataType {
    /// Canonical name, lower case, schema in front when one is written.
    pub name: String,
    /// `varchar(10)`, `numeric(10, 2)`, `timestamptz(3)`.
    pub modifiers: Vec<i32>,
    /// `[]`.
    pub array: bool,
}

impl std::fmt::Display for DataType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        if !self.modifiers.is_empty() {
            let modifiers: Vec<String> = self.modifiers.iter().map(i32::to_string).collect();
            write!(f, "({})", modifiers.join(", "))?;
        }
        f.write_str(if self.array { "[]" } else { "" })
    }
}

/// GENERATED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    /// AS IDENTITY.
    Identity,
    /// AS (…) STORED.
    Stored,
    /// AS (…) VIRTUAL, or neither word.
    Virtual,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The span of its definition.
    pub span: Span,
    /// Its type; none in CREATE TABLE … AS.
    pub data_type: Option<DataType>,
    /// DEFAULT.
    pub default: Option<Expr>,
    /// GENERATED.
    pub generated: Option<Generated>,
    /// Its constraints other than DEFAULT and GENERATED.
    pub constraints: Vec<Constraint>,
}

impl Column {
    /// The actual type of a serial column; `None` for any other.
    pub(crate) fn serial_base(&self) -> Option<&'static str> {
        match self.data_type.as_ref()?.name.as_str() {
            "serial" => Some("integer"),
            "bigserial" => Some("bigint"),
            "smallserial" => Some("smallint"),
            _ => None,
        }
    }

    /// Whether a sequence is created for it: a serial or identity column.
    pub(crate) fn has_sequence(&self) -> bool {
        self.generated == Some(Generated::Identity) || self.serial_base().is_some()
    }

    /// Whether existing rows get values when it is added: from a default, a sequence, or an expression.
    pub(crate) fn has_values(&self) -> bool {
        self.default.as_ref().is_some_and(|default| *default != Expr::Literal(Literal::Null))
            || self.generated.is_some()
            || self.has_sequence()
    }
}

/// A constraint.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// Its name, when one is written.
    pub name: Option<String>,
    /// Its span.
    pub span: Span,
    /// What it requires.
    pub kind: ConstraintKind,
    /// NOT VALID.
    pub not_valid: bool,
    /// DEFERRABLE.
    pub deferrable: bool,
}

/// What a constraint requires.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstraintKind {
    /// NOT NULL; with the column when it is a table constraint.
    NotNull(Option<String>),
    /// NULL.
    Null,
    /// CHECK.
    Check(Arc<Expr>),
    /// UNIQUE.
    Unique {
        /// The columns; empty in a column constraint.
        columns: Vec<String>,
        /// USING INDEX.
        using_index: Option<Name>,
    },
    /// PRIMARY KEY.
    PrimaryKey {
        /// The columns; empty in a column constraint.
        columns: Vec<String>,
        /// USING INDEX.
        using_index: Option<Name>,
    },
    /// FOREIGN KEY and REFERENCES.
    ForeignKey {
        /// The referencing columns; empty in a column constraint.
        columns: Vec<String>,
        /// The referenced table.
        table: Name,
        /// The referenced columns; empty for the primary key.
        referenced: Vec<String>,
    },
    /// EXCLUDE.
    Exclude,
}

/// CREATE INDEX.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Its name, when one is written.
    pub name: Option<Name>,
    /// The table.
    pub table: Name,
    /// ON ONLY.
    pub only: bool,
    /// UNIQUE.
    pub unique: bool,
    /// CONCURRENTLY.
    pub concurrently: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its columns; `None` in place of an expression.
    pub columns: Vec<Option<String>>,
    /// The column names, including those of INCLUDE, that the server uses to generate a name: a function's name, or
    /// `expr`.
    pub called: Vec<String>,
    /// The columns in its expressions and its WHERE.
    pub computed_from: Vec<String>,
    /// WHERE.
    pub filter: Option<Expr>,
}
