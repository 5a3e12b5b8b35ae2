//! Tables, columns, constraints, indexes.

use squawk_parser::SyntaxKind as K;

use super::expr::{expr, expr_in, is_expr};
use super::names::{data_type, name, simple};
use super::tree::NodeRef;
use crate::sql::{Column, Constraint, ConstraintKind, CreateTable, Expr, Generated, Index, Like};

pub(super) fn create_table(node: NodeRef<'_>) -> CreateTable {
    let list = node.child(K::TABLE_ARG_LIST);
    let args = || list.into_iter().flat_map(NodeRef::children);
    CreateTable {
        name: name(node.child(K::TABLE_NAME).unwrap_or(node)),
        temporary: is_temporary(node),
        unlogged: node.children().any(|child| matches!(child.kind(), K::UNLOGGED | K::UNLOGGED_KW)),
        if_not_exists: node.has(K::IF_NOT_EXISTS),
        columns: args().filter(|arg| arg.kind() == K::COLUMN).map(column).collect(),
        constraints: args().filter_map(constraint).collect(),
        partitioned: node.has(K::PARTITION_BY),
        partition_key: node.child(K::PARTITION_BY).map(partition_key).unwrap_or_default(),
        partition_of: node.child(K::PARTITION_OF).map(name),
        default_partition: node.has(K::PARTITION_DEFAULT),
        of_type: node.child(K::OF_TYPE).map(name),
        inherits: node.child(K::INHERITS).into_iter().map(name).collect(),
        like: args().filter(|arg| arg.kind() == K::LIKE_CLAUSE).map(like).collect(),
    }
}

fn like(node: NodeRef<'_>) -> Like {
    // Of INCLUDING and EXCLUDING, the later one wins.
    let includes = |what: K| {
        let options = node.children().filter(|option| option.has(what) || option.has(K::PROPERTY_ALL));
        options.last().is_some_and(|option| option.kind() == K::INCLUDING_PROPERTY)
    };
    Like {
        table: node.child(K::RELATION_NAME_REF).map_or_else(|| name(node), name),
        constraints: includes(K::PROPERTY_CONSTRAINTS),
        indexes: includes(K::PROPERTY_INDEXES),
        generated: includes(K::PROPERTY_GENERATED),
        identity: includes(K::PROPERTY_IDENTITY),
    }
}

pub(super) fn is_temporary(node: NodeRef<'_>) -> bool {
    node.children().any(|child| matches!(child.kind(), K::TEMP | K::TEMP_KW | K::TEMPORARY_KW))
}

/// A column as CREATE TABLE and ADD COLUMN define it.
pub(super) fn column(node: NodeRef<'_>) -> Column {
    let mut column = Column {
        name: node.child(K::COLUMN_NAME).map_or(String::new(), simple),
        span: node.span(),
        data_type: data_type(node),
        default: None,
        generated: None,
        constraints: Vec::new(),
    };
    for child in node.children() {
        match child.kind() {
            K::DEFAULT_CONSTRAINT => column.default = expr_in(child, 0),
            K::GENERATED_CONSTRAINT => column.generated = Some(generated(child)),
            _ => column.constraints.extend(constraint(child)),
        }
    }
    column
}

fn generated(node: NodeRef<'_>) -> Generated {
    if node.descendant(K::IDENTITY_KW).is_some() {
        Generated::Identity
    } else if node.descendant(K::STORED_KW).is_some() {
        Generated::Stored
    } else {
        Generated::Virtual
    }
}

/// The constraint that a node represents, unless it is DEFAULT or GENERATED.
pub(super) fn constraint(node: NodeRef<'_>) -> Option<Constraint> {
    let columns = || -> Vec<String> {
        let list = node
            .descendants()
            .find(|node| matches!(node.kind(), K::CONSTRAINT_COLUMN_REF_LIST | K::FOREIGN_KEY_COLUMN_LIST));
        let names = list.into_iter().flat_map(NodeRef::descendants);
        names.filter(|node| node.kind() == K::COLUMN_NAME_REF).map(simple).collect()
    };
    let using_index =
        || node.child(K::USING_INDEX_NAME).and_then(|using| using.child(K::INDEX_REF)).map(name);
    let referenced = || node.child(K::TABLE_NAME_REF).map(name);
    // The columns after the table's name; those before it are the referencing ones.
    let keys = || -> Vec<String> {
        let table = node.child(K::TABLE_NAME_REF).map_or(0, |table| table.span().end);
        let behind = node.descendants().filter(|part| part.span().start >= table);
        behind.filter(|part| part.kind() == K::COLUMN_NAME_REF).map(simple).collect()
    };
    let kind = match node.kind() {
        K::NOT_NULL_CONSTRAINT => ConstraintKind::NotNull(node.child(K::COLUMN_NAME_REF).map(simple)),
        K::NULL_CONSTRAINT => ConstraintKind::Null,
        K::CHECK_CONSTRAINT => {
            ConstraintKind::Check(expr_in(node, 0).unwrap_or(Expr::Other(Vec::new())).into())
        }
        K::UNIQUE_CONSTRAINT => ConstraintKind::Unique { columns: columns(), using_index: using_index() },
        K::PRIMARY_KEY_CONSTRAINT => {
            ConstraintKind::PrimaryKey { columns: columns(), using_index: using_index() }
        }
        K::FOREIGN_KEY_CONSTRAINT => {
            ConstraintKind::ForeignKey { columns: columns(), table: referenced()?, referenced: keys() }
        }
        K::REFERENCES_CONSTRAINT => {
            ConstraintKind::ForeignKey { columns: Vec::new(), table: referenced()?, referenced: keys() }
        }
        K::EXCLUDE_CONSTRAINT => ConstraintKind::Exclude,
        _ => return None,
    };
    let given = node.child(K::CONSTRAINT_NAME_CLAUSE).and_then(|clause| clause.child(K::CONSTRAINT_NAME));
    Some(Constraint {
        name: given.map(simple),
        span: node.span(),
        kind,
        not_valid: node.has(K::NOT_VALID),
        deferrable: node.children().any(|child| {
            matches!(child.kind(), K::DEFERRABLE_CONSTRAINT_OPTION | K::INITIALLY_DEFERRED_CONSTRAINT_OPTION)
        }),
    })
}

pub(super) fn create_index(node: NodeRef<'_>) -> Index {
    let relation = node.child(K::TABLE_RELATION_NAME).unwrap_or(node);
    Index {
        name: node.child(K::INDEX).map(name),
        table: name(relation),
        only: relation.has(K::ONLY_KW),
        unique: node.has(K::UNIQUE_KW),
        concurrently: node.has(K::CONCURRENTLY_KW),
        if_not_exists: node.has(K::IF_NOT_EXISTS),
        columns: item_columns(node),
        called: called(node),
        computed_from: computed_from(node),
        filter: node.child(K::WHERE_CLAUSE).and_then(|filter| expr_in(filter, 0)),
    }
}

/// The names that the server gives to the columns of an index (`FigureIndexColname`).
fn called(node: NodeRef<'_>) -> Vec<String> {
    let lists = node.children().filter(|child| {
        matches!(
            child.kind(),
            K::PARTITION_ITEM_LIST | K::INDEX_INCLUDE_CLAUSE | K::CONSTRAINT_INCLUDE_CLAUSE
        )
    });
    let items = lists.flat_map(|list| list.topmost(is_expr).collect::<Vec<_>>());
    items.map(|value| figured(&expr(value, 0)).unwrap_or_else(|| "expr".to_owned())).collect()
}

fn figured(value: &Expr) -> Option<String> {
    match value {
        Expr::Column { name, .. } => Some(name.clone()),
        Expr::Call { name, .. } => Some(name.name.clone()),
        Expr::Cast { value, to } => figured(value).or_else(|| Some(to.clone())),
        Expr::Row(parts) | Expr::Other(parts) if parts.len() == 1 => figured(&parts[0]),
        _ => None,
    }
}

/// The columns in expressions of an index, and in its WHERE.
fn computed_from(node: NodeRef<'_>) -> Vec<String> {
    let items = node.child(K::PARTITION_ITEM_LIST).into_iter().flat_map(NodeRef::children);
    let values = items.filter_map(|item| item.children().find(|child| is_expr(child.kind())));
    let filter = node.child(K::WHERE_CLAUSE).and_then(|filter| expr_in(filter, 0));
    let computed = values.map(|value| expr(value, 0)).filter(|value| !matches!(value, Expr::Column { .. }));
    let mut columns = Vec::new();
    for part in computed.chain(filter) {
        part.walk(&mut |part| match part {
            Expr::Column { name, .. } if !columns.contains(name) => columns.push(name.clone()),
            _ => {}
        });
    }
    columns
}

fn partition_key(node: NodeRef<'_>) -> Vec<String> {
    item_columns(node).into_iter().flatten().collect()
}

/// The columns of an index or partition key; `None` in place of an expression.
fn item_columns(node: NodeRef<'_>) -> Vec<Option<String>> {
    let items = node.child(K::PARTITION_ITEM_LIST).into_iter().flat_map(NodeRef::children);
    let column = |item: NodeRef<'_>| {
        let value = item.children().find(|child| is_expr(child.kind())).map(|value| expr(value, 0));
        match value {
            Some(Expr::Column { name, .. }) => Some(name),
            _ => None,
        }
    };
    items.filter(|item| item.kind() == K::PARTITION_ITEM).map(column).collect()
}
