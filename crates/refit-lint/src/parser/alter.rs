//! ALTER of relations and domains.

use squawk_parser::SyntaxKind as K;

use super::expr::expr_in;
use super::names::{data_type, name, simple};
use super::table::{column, constraint};
use super::tree::NodeRef;
use crate::sql::{AlterAction, AlterTarget, ColumnChange, Expr, StmtKind};

pub(super) fn alter(node: NodeRef<'_>) -> StmtKind {
    let target = match node.kind() {
        K::ALTER_FOREIGN_TABLE => AlterTarget::ForeignTable,
        K::ALTER_INDEX => AlterTarget::Index,
        K::ALTER_VIEW => AlterTarget::View,
        K::ALTER_MATERIALIZED_VIEW => AlterTarget::MaterializedView,
        K::ALTER_SEQUENCE => AlterTarget::Sequence,
        _ => AlterTarget::Table,
    };
    let relation = node.child_of(&[K::TABLE_RELATION_NAME, K::INDEX_REF, K::VIEW_REF, K::SEQUENCE_REF]);
    let Some(relation) = relation else { return StmtKind::Other(node.first_words(3)) };
    let actions = node
        .children()
        .filter(|child| !child.is_token() && child.span().start >= relation.span().end)
        .map(|child| (child.span(), action(child)))
        .collect();
    StmtKind::Alter { target, table: name(relation), actions }
}

pub(super) fn alter_domain(node: NodeRef<'_>) -> StmtKind {
    let relevant = [K::ADD_CONSTRAINT, K::VALIDATE_CONSTRAINT, K::DROP_CONSTRAINT, K::SET_NOT_NULL];
    match (node.child(K::DOMAIN_REF), node.child_of(&relevant)) {
        (Some(domain), Some(change)) if change.kind() == K::SET_NOT_NULL => {
            let constraint = crate::sql::Constraint {
                name: None,
                span: change.span(),
                kind: crate::sql::ConstraintKind::NotNull(None),
                not_valid: false,
                deferrable: false,
            };
            StmtKind::AlterDomain { name: name(domain), action: AlterAction::AddConstraint(constraint) }
        }
        (Some(domain), Some(change)) => StmtKind::AlterDomain { name: name(domain), action: action(change) },
        _ => super::stmt::renamed(node).unwrap_or_else(|| StmtKind::Other(node.first_words(3))),
    }
}

fn action(node: NodeRef<'_>) -> AlterAction {
    let simple_in = |kind: K| node.child(kind).map_or(String::new(), simple);
    let other = || AlterAction::Other(node.first_words(2));
    match node.kind() {
        K::ADD_COLUMN => {
            AlterAction::AddColumn { column: column(node), if_not_exists: node.has(K::IF_NOT_EXISTS) }
        }
        K::DROP_COLUMN => AlterAction::DropColumn(simple_in(K::COLUMN_NAME_REF)),
        K::ALTER_COLUMN => AlterAction::AlterColumn {
            column: simple_in(K::COLUMN_NAME_REF),
            change: node
                .children()
                .filter(|child| !child.is_token() && child.kind() != K::COLUMN_NAME_REF)
                .map(change)
                .next()
                .unwrap_or(ColumnChange::Other),
        },
        K::ADD_CONSTRAINT => match node.children().find_map(constraint) {
            Some(constraint) => AlterAction::AddConstraint(constraint),
            None => other(),
        },
        K::VALIDATE_CONSTRAINT => AlterAction::ValidateConstraint(simple_in(K::CONSTRAINT_NAME_REF)),
        K::DROP_CONSTRAINT => AlterAction::DropConstraint(simple_in(K::CONSTRAINT_NAME_REF)),
        K::RENAME_COLUMN => {
            AlterAction::RenameColumn { from: simple_in(K::COLUMN_NAME_REF), to: simple_in(K::COLUMN_NAME) }
        }
        K::TABLE_RENAME_TO | K::INDEX_RENAME_TO | K::VIEW_RENAME_TO | K::SEQUENCE_RENAME_TO => {
            AlterAction::RenameTo(name(node).name)
        }
        K::SET_SCHEMA => AlterAction::SetSchema(simple_in(K::SCHEMA_REF)),
        K::ATTACH_PARTITION => match node.child(K::TABLE_NAME_REF) {
            Some(partition) => AlterAction::AttachPartition {
                partition: name(partition),
                default: node.has(K::PARTITION_DEFAULT),
            },
            None => other(),
        },
        K::DETACH_PARTITION => match node.child(K::TABLE_NAME_REF) {
            Some(partition) => AlterAction::DetachPartition {
                partition: name(partition),
                concurrently: node.has(K::DETACH_CONCURRENTLY),
                finalize: node.has(K::DETACH_FINALIZE),
            },
            None => other(),
        },
        K::DISABLE_TRIGGER => AlterAction::Trigger { disable: true },
        K::ENABLE_TRIGGER | K::ENABLE_ALWAYS_TRIGGER | K::ENABLE_REPLICA_TRIGGER => {
            AlterAction::Trigger { disable: false }
        }
        K::SET_LOGGED => AlterAction::SetLogged(true),
        K::SET_UNLOGGED => AlterAction::SetLogged(false),
        K::SET_TABLESPACE => AlterAction::SetTablespace,
        K::SET_ACCESS_METHOD => AlterAction::SetAccessMethod,
        K::SET_OPTIONS | K::RESET_OPTIONS | K::CLUSTER_ON | K::SET_WITHOUT_CLUSTER => AlterAction::Parameters,
        _ => other(),
    }
}

fn change(node: NodeRef<'_>) -> ColumnChange {
    match node.kind() {
        K::SET_TYPE => match data_type(node) {
            Some(to) => ColumnChange::Type {
                to,
                using: node.child(K::USING_EXPR).and_then(|using| expr_in(using, 0)),
                collate: node.has(K::COLLATE),
            },
            None => ColumnChange::Other,
        },
        K::SET_NOT_NULL => ColumnChange::SetNotNull,
        K::DROP_NOT_NULL => ColumnChange::DropNotNull,
        K::SET_DEFAULT => ColumnChange::SetDefault(expr_in(node, 0).unwrap_or(Expr::Other(Vec::new()))),
        K::DROP_DEFAULT => ColumnChange::DropDefault,
        K::ADD_GENERATED => ColumnChange::AddIdentity,
        K::SET_EXPRESSION => ColumnChange::SetExpression,
        K::SET_STATISTICS | K::SET_OPTIONS | K::RESET_OPTIONS => ColumnChange::Parameters,
        _ => ColumnChange::Other,
    }
}
