//! Statements.

use squawk_parser::SyntaxKind as K;

use super::alter::{alter, alter_domain};
use super::body::body;
use super::calls::{calls, routine, runs_calls};
use super::drop::{drop_of, is_drop};
use super::expr::exprs_in;
use super::kinds::is_stmt;
use super::literal::string;
use super::names::{data_type, name, simple};
use super::query::{dml, is_query, query, query_in};
use super::table::{create_index, create_table, is_temporary};
use super::tree::NodeRef;
use crate::sql::{Name, Query, Stmt, StmtKind};

pub(super) fn stmt(node: NodeRef<'_>) -> Stmt {
    let kind = kind(node);
    let calls = if runs_calls(&kind) { calls(node) } else { Vec::new() };
    Stmt { span: without_semicolon(node), kind, calls }
}

fn without_semicolon(node: NodeRef<'_>) -> crate::sql::Span {
    let mut span = node.span();
    if let Some(last) = node.children().last().filter(|last| last.kind() == K::SEMICOLON) {
        span.end = node
            .children()
            .take_while(|child| child.kind() != K::SEMICOLON || child.span() != last.span())
            .last()
            .map_or(span.start, |child| child.span().end);
    }
    span
}

fn kind(node: NodeRef<'_>) -> StmtKind {
    match node.kind() {
        K::CREATE_TABLE => StmtKind::CreateTable(create_table(node)),
        K::CREATE_TABLE_AS => StmtKind::CreateTableAs {
            table: name(node.child(K::TABLE_NAME).unwrap_or(node)),
            temporary: is_temporary(node),
            if_not_exists: node.has(K::IF_NOT_EXISTS),
            query: nested_query(node),
        },
        K::SELECT_INTO => select_into(node),
        K::ALTER_TABLE
        | K::ALTER_FOREIGN_TABLE
        | K::ALTER_INDEX
        | K::ALTER_VIEW
        | K::ALTER_MATERIALIZED_VIEW
        | K::ALTER_SEQUENCE => alter(node),
        K::ALTER_DOMAIN => alter_domain(node),
        K::ALTER_TYPE => alter_type(node),
        K::CREATE_INDEX => StmtKind::CreateIndex(create_index(node)),
        K::REINDEX => reindex(node),
        K::UPDATE | K::DELETE | K::INSERT | K::MERGE => match dml(node, 0) {
            Some(dml) => StmtKind::Dml(Box::new(dml)),
            None => StmtKind::Other(node.first_words(2)),
        },
        K::SET | K::RESET => setting(node),
        K::DO => StmtKind::Do(body(node)),
        K::CREATE_FUNCTION | K::CREATE_PROCEDURE => routine(node),
        K::CALL => StmtKind::Call {
            name: node.child(K::PROCEDURE_NAME_REF).map_or_else(|| name(node), name),
            args: node
                .child(K::ARG_LIST)
                .map(|list| list.children().flat_map(|arg| exprs_in(arg, 0)).collect())
                .unwrap_or_default(),
        },
        K::COPY => StmtKind::Copy {
            source: node
                .child(K::COPY_QUERY)
                .and_then(|copy| copy.children().find(|child| is_stmt(child.kind())))
                .map(|inner| Box::new(kind(inner))),
            table: node.child(K::COPY_TABLE).and_then(|copy| copy.child(K::TABLE_NAME_REF)).map(name),
            from: node.has(K::COPY_FROM),
            through_client: node.descendants().any(|n| matches!(n.kind(), K::STDIN_KW | K::STDOUT_KW)),
        },
        K::ROLLBACK_TO_SAVEPOINT => StmtKind::Other("ROLLBACK TO".to_owned()),
        K::BEGIN
        | K::COMMIT_TRANSACTION
        | K::COMMIT_PREPARED
        | K::ROLLBACK_TRANSACTION
        | K::ROLLBACK_PREPARED
        | K::PREPARE_TRANSACTION => StmtKind::Transaction(node.first_words(1)),
        K::EXPLAIN | K::PREPARE => executed(node),
        kind if is_query(kind) => StmtKind::Select(query(node, 0)),
        kind if is_drop(kind) => drop_of(node),
        _ => maintenance(node)
            .or_else(|| creation(node))
            .unwrap_or_else(|| StmtKind::Other(node.first_words(6))),
    }
}

/// Statements about tables as a whole.
fn maintenance(node: NodeRef<'_>) -> Option<StmtKind> {
    Some(match node.kind() {
        K::TRUNCATE => StmtKind::Truncate { tables: relations(node), cascade: cascades(node) },
        K::LOCK => StmtKind::Lock { tables: relations(node), mode: lock_mode(node) },
        K::VACUUM => {
            StmtKind::Vacuum { full: node.has(K::FULL_KW) || is_on(node, "full"), tables: relations(node) }
        }
        K::CLUSTER => StmtKind::Cluster { table: node.child(K::TABLE_NAME_REF).map(name) },
        K::REFRESH => StmtKind::Refresh {
            view: node.child(K::VIEW_REF).map_or_else(|| name(node), name),
            concurrently: node.has(K::CONCURRENTLY_KW),
            no_data: node.has(K::WITH_NO_DATA),
        },
        _ => return None,
    })
}

/// CREATE of objects other than tables and indexes.
fn creation(node: NodeRef<'_>) -> Option<StmtKind> {
    Some(match node.kind() {
        K::CREATE_TRIGGER => StmtKind::CreateTrigger {
            name: node.child(K::TRIGGER).map_or(String::new(), simple),
            instead: node.descendant(K::INSTEAD_KW).is_some(),
            table: node.child(K::ON_RELATION).map_or_else(|| name(node), name),
        },
        K::CREATE_DOMAIN => StmtKind::CreateDomain {
            name: node.child(K::DOMAIN).map_or_else(|| name(node), name),
            base: data_type(node).unwrap_or_default(),
            constrained: node.has(K::CHECK_CONSTRAINT) || node.has(K::NOT_NULL_CONSTRAINT),
        },
        K::CREATE_TYPE => create_type(node),
        K::CREATE_POLICY | K::ALTER_POLICY | K::CREATE_RULE => table_rule(node)?,
        K::ALTER_FUNCTION | K::ALTER_PROCEDURE | K::ALTER_ROUTINE | K::ALTER_SCHEMA => renamed(node)?,
        K::CREATE_VIEW | K::CREATE_MATERIALIZED_VIEW => StmtKind::CreateView {
            name: node.child(K::VIEW).map_or_else(|| name(node), name),
            materialized: node.kind() == K::CREATE_MATERIALIZED_VIEW,
            or_replace: node.has(K::OR_REPLACE),
            no_data: node.has(K::WITH_NO_DATA),
            query: nested_query(node),
        },
        K::CREATE_SEQUENCE => {
            StmtKind::CreateSequence { name: node.child(K::SEQUENCE).map_or_else(|| name(node), name) }
        }
        K::CREATE_SCHEMA => StmtKind::CreateSchema {
            name: node.descendants().find(|n| n.kind() == K::SCHEMA).map_or(String::new(), simple),
        },
        _ => return None,
    })
}

fn table_rule(node: NodeRef<'_>) -> Option<StmtKind> {
    let (what, on) = match node.kind() {
        K::CREATE_RULE => ("RULE", node.child(K::RULE_ON)?.child(K::RELATION_NAME_REF)?),
        _ => ("POLICY", node.child(K::ON_TABLE)?),
    };
    Some(StmtKind::TableRule { what, table: name(on) })
}

/// RENAME TO of objects other than relations.
pub(super) fn renamed(node: NodeRef<'_>) -> Option<StmtKind> {
    let (what, action, old, new) = match node.kind() {
        K::ALTER_FUNCTION => ("FUNCTION", K::FUNCTION_RENAME_TO, K::FUNCTION_NAME_REF, K::FUNCTION_NAME),
        K::ALTER_PROCEDURE => ("PROCEDURE", K::PROCEDURE_RENAME_TO, K::PROCEDURE_NAME_REF, K::PROCEDURE_NAME),
        K::ALTER_ROUTINE => ("ROUTINE", K::ROUTINE_RENAME_TO, K::ROUTINE_NAME_REF, K::ROUTINE_NAME),
        K::ALTER_SCHEMA => ("SCHEMA", K::SCHEMA_RENAME_TO, K::SCHEMA_REF, K::SCHEMA),
        K::ALTER_TYPE => ("TYPE", K::TYPE_RENAME_TO, K::TYPE_NAME_REF, K::TYPE_NAME),
        _ => ("DOMAIN", K::DOMAIN_RENAME_TO, K::DOMAIN_REF, K::DOMAIN),
    };
    let to = node.child(action)?.descendants().find(|part| part.kind() == new)?;
    let of_schema = |part: NodeRef<'_>| Name { schema: None, name: simple(part), span: part.span() };
    let name_of = |part| if what == "SCHEMA" { of_schema(part) } else { name(part) };
    let old = node.descendants().find(|part| part.kind() == old).map(name_of)?;
    Some(StmtKind::Rename { what, name: old, to: name_of(to).name })
}

/// The statement that EXPLAIN ANALYZE or PREPARE executes.
fn executed(node: NodeRef<'_>) -> StmtKind {
    let runs =
        node.kind() == K::PREPARE || node.descendant(K::EXPLAIN_ANALYZE).is_some() || is_on(node, "analyze");
    match node.children().find(|child| is_stmt(child.kind())) {
        // A nested one is not followed: it does not occur in practice.
        Some(inner) if runs && !matches!(inner.kind(), K::EXPLAIN | K::PREPARE) => kind(inner),
        _ => StmtKind::Other(node.first_words(4)),
    }
}

fn nested_query(node: NodeRef<'_>) -> Query {
    query_in(node, 0).unwrap_or_default()
}

fn select_into(node: NodeRef<'_>) -> StmtKind {
    let into = node.child(K::INTO_CLAUSE);
    match into.and_then(|into| into.child(K::TABLE_NAME)) {
        Some(table) => StmtKind::CreateTableAs {
            table: name(table),
            temporary: into.is_some_and(is_temporary),
            if_not_exists: false,
            query: query(node, 0),
        },
        // In a body, it fills a variable.
        None => StmtKind::Select(query(node, 0)),
    }
}

fn alter_type(node: NodeRef<'_>) -> StmtKind {
    let Some(type_name) = node.child(K::TYPE_NAME_REF).map(name) else {
        return StmtKind::Other(node.first_words(3));
    };
    let first_string =
        |action: NodeRef<'_>| action.child(K::LITERAL).and_then(|literal| string(literal.text()));
    if let Some(add) = node.child(K::ADD_VALUE) {
        return StmtKind::AddEnumValue { name: type_name, value: first_string(add).unwrap_or_default() };
    }
    match node.child(K::RENAME_VALUE) {
        Some(rename) => {
            StmtKind::RenameEnumValue { name: type_name, from: first_string(rename).unwrap_or_default() }
        }
        None => match node.child(K::ALTER_TYPE_ATTRIBUTE_ACTION_LIST) {
            Some(list) => StmtKind::AlterComposite { name: type_name, retypes: list.has(K::ALTER_ATTRIBUTE) },
            None => renamed(node).unwrap_or_else(|| StmtKind::Other(node.first_words(4))),
        },
    }
}

fn create_type(node: NodeRef<'_>) -> StmtKind {
    match (node.child(K::TYPE_NAME), node.child(K::ENUM_TYPE)) {
        (Some(type_name), Some(kind)) => StmtKind::CreateEnum {
            name: name(type_name),
            values: kind
                .descendants()
                .filter(|node| node.kind() == K::LITERAL)
                .filter_map(|literal| string(literal.text()))
                .collect(),
        },
        _ => StmtKind::Other(node.first_words(2)),
    }
}

fn reindex(node: NodeRef<'_>) -> StmtKind {
    let targets = [
        K::REINDEX_TARGET_INDEX,
        K::REINDEX_TARGET_TABLE,
        K::REINDEX_TARGET_SCHEMA,
        K::REINDEX_TARGET_DATABASE,
        K::REINDEX_TARGET_SYSTEM,
    ];
    let target = node.child_of(&targets).unwrap_or(node);
    StmtKind::Reindex {
        what: target.first_words(1),
        name: target.children().find(|child| !child.is_token()).map(name),
        concurrently: is_on(node, "concurrently") || says_concurrently(node),
    }
}

/// Whether CONCURRENTLY is written outside parentheses.
fn says_concurrently(node: NodeRef<'_>) -> bool {
    let mut found = node.topmost(|kind| matches!(kind, K::CONCURRENTLY_KW | K::REINDEX_OPTION_LIST));
    found.any(|part| part.kind() == K::CONCURRENTLY_KW)
}

/// Whether an option in parentheses is on: its last occurrence has no value, or one that means yes.
fn is_on(node: NodeRef<'_>, option: &str) -> bool {
    let options = node.descendants().filter(|node| {
        matches!(node.kind(), K::VACUUM_OPTION | K::EXPLAIN_OPTION | K::REINDEX_OPTION_CONCURRENTLY)
    });
    let words = |node: NodeRef<'_>| {
        let tokens = node.descendants().filter(|part| part.is_token() && part.kind() != K::EQ);
        tokens
            .map(|part| string(part.text()).unwrap_or(part.text().to_owned()).to_ascii_lowercase())
            .collect()
    };
    let named =
        options.map(words).filter(|words: &Vec<String>| words.first().is_some_and(|word| word == option));
    named.last().is_some_and(|words| !matches!(words.last().map(String::as_str), Some("false" | "off" | "0")))
}

fn relations(node: NodeRef<'_>) -> Vec<Name> {
    node.descendants()
        .filter(|node| matches!(node.kind(), K::TABLE_NAME_REF | K::RELATION_NAME_REF))
        .map(name)
        .collect()
}

fn lock_mode(node: NodeRef<'_>) -> String {
    let Some(clause) = node.child(K::LOCK_MODE_CLAUSE) else { return "ACCESS EXCLUSIVE".to_owned() };
    let words: Vec<&str> = clause.descendants().filter(|node| node.is_token()).map(NodeRef::text).collect();
    // IN … MODE, either of which may be missing in a text that does not parse.
    words.get(1..words.len().saturating_sub(1)).unwrap_or_default().join(" ").to_ascii_uppercase()
}

pub(super) fn cascades(node: NodeRef<'_>) -> bool {
    node.descendants().any(|node| node.kind() == K::CASCADE_KW)
}

fn setting(node: NodeRef<'_>) -> StmtKind {
    let local = node.has(K::LOCAL_SCOPE);
    if let Some(zone) = node.child(K::SET_TIME_ZONE) {
        let written = zone.descendants().filter(|part| part.is_token()).last().map_or("", NodeRef::text);
        let value = Some(string(written).unwrap_or(written.to_owned()));
        let value = value.filter(|value| !matches!(value.to_ascii_lowercase().as_str(), "default" | "local"));
        return StmtKind::Set { name: "timezone".to_owned(), value, local };
    }
    let Some(parameter) = node.descendant(K::CONFIG_PARAMETER_REF) else {
        return StmtKind::Other(node.first_words(3));
    };
    let value = node.descendant(K::TO_CONFIG_VALUE).and_then(|value| {
        let text = value.children().skip(1).map(NodeRef::text).collect::<String>();
        (!text.eq_ignore_ascii_case("default")).then(|| string(&text).unwrap_or(text))
    });
    let Name { schema, name, .. } = name(parameter);
    let name = schema.map_or(name.clone(), |schema| format!("{schema}.{name}"));
    StmtKind::Set { name, value, local }
}

/// Whether the parser accepts a statement that servers reject because it is incomplete.
pub(super) fn is_cut_short(node: NodeRef<'_>, stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Alter { actions, .. } => actions.is_empty(),
        StmtKind::Drop { names, .. } => names.is_empty(),
        StmtKind::CreateTable(_) => {
            node.child_of(&[K::TABLE_ARG_LIST, K::PARTITION_OF, K::OF_TYPE]).is_none()
        }
        StmtKind::Copy { .. } => node.child_of(&[K::COPY_FROM, K::COPY_TO]).is_none(),
        StmtKind::Dml(_) => {
            node.topmost(|kind| kind == K::SET_COLUMN_LIST).any(|list| list.children().next().is_none())
        }
        _ => false,
    }
}
