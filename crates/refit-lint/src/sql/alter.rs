//! The actions of ALTER TABLE, which are also those of other relations.

use super::{Column, Constraint, DataType, Expr, Name};

/// What kind of relation ALTER names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterTarget {
    /// TABLE.
    Table,
    /// FOREIGN TABLE.
    ForeignTable,
    /// INDEX.
    Index,
    /// VIEW.
    View,
    /// MATERIALIZED VIEW.
    MaterializedView,
    /// SEQUENCE.
    Sequence,
}

/// One action.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterAction {
    /// ADD COLUMN.
    AddColumn {
        /// The column.
        column: Column,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// DROP COLUMN.
    DropColumn(String),
    /// ALTER COLUMN.
    AlterColumn {
        /// The column.
        column: String,
        /// What changes.
        change: ColumnChange,
    },
    /// ADD CONSTRAINT.
    AddConstraint(Constraint),
    /// VALIDATE CONSTRAINT.
    ValidateConstraint(String),
    /// DROP CONSTRAINT.
    DropConstraint(String),
    /// RENAME COLUMN … TO.
    RenameColumn {
        /// The column as it was.
        from: String,
        /// As it becomes.
        to: String,
    },
    /// RENAME TO.
    RenameTo(String),
    /// SET SCHEMA.
    SetSchema(String),
    /// ATTACH PARTITION.
    AttachPartition {
        /// The partition.
        partition: Name,
        /// DEFAULT.
        default: bool,
    },
    /// DETACH PARTITION.
    DetachPartition {
        /// The partition.
        partition: Name,
        /// CONCURRENTLY.
        concurrently: bool,
        /// FINALIZE.
        finalize: bool,
    },
    /// ENABLE or DISABLE TRIGGER, in all forms.
    Trigger {
        /// DISABLE.
        disable: bool,
    },
    /// SET LOGGED or UNLOGGED.
    SetLogged(bool),
    /// SET TABLESPACE.
    SetTablespace,
    /// SET ACCESS METHOD.
    SetAccessMethod,
    /// SET (storage parameters), RESET (…), CLUSTER ON and the like: no scan, no strong lock.
    Parameters,
    /// Anything else; its first words, upper case.
    Other(String),
}

impl AlterAction {
    /// Whether the server performs it before all other actions of the same ALTER TABLE, regardless of its position.
    pub(crate) fn is_drop(&self) -> bool {
        matches!(
            self,
            AlterAction::DropColumn(_)
                | AlterAction::DropConstraint(_)
                | AlterAction::AlterColumn { change: ColumnChange::DropNotNull, .. }
        )
    }
}

/// What ALTER COLUMN changes.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnChange {
    /// TYPE.
    Type {
        /// The new type.
        to: DataType,
        /// USING.
        using: Option<Expr>,
        /// COLLATE.
        collate: bool,
    },
    /// SET NOT NULL.
    SetNotNull,
    /// DROP NOT NULL.
    DropNotNull,
    /// SET DEFAULT.
    SetDefault(Expr),
    /// DROP DEFAULT.
    DropDefault,
    /// ADD GENERATED … AS IDENTITY.
    AddIdentity,
    /// SET EXPRESSION AS.
    SetExpression,
    /// SET STATISTICS, SET (…), RESET (…): for the planner only.
    Parameters,
    /// Anything else that changes the catalog only.
    Other,
}
