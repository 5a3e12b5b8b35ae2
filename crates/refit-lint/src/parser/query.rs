//! Queries, and the statements that change rows.

use squawk_parser::SyntaxKind as K;

use super::expr::{expr, expr_in, exprs_in, is_expr};
use super::names::{name, simple};
use super::tree::NodeRef;
use crate::sql::{Cte, Dml, DmlKind, Expr, FromItem, Merges, Name, Query};

/// Relation nodes that can follow UPDATE, DELETE and so on.
const RELATION: [K; 4] = [K::RELATION_NAME, K::RELATION_NAME_REF, K::TABLE_RELATION_NAME, K::TABLE_NAME_REF];

pub(super) fn is_query(kind: K) -> bool {
    matches!(
        kind,
        K::SELECT
            | K::SELECT_INTO
            | K::COMPOUND_SELECT
            | K::PAREN_SELECT
            | K::TABLE
            | K::VALUES
            | K::PLPGSQL_EXPR
    )
}

/// The first query directly below a node.
pub(super) fn query_in(node: NodeRef<'_>, depth: usize) -> Option<Query> {
    node.children().find(|child| is_query(child.kind())).map(|child| query(child, depth))
}

pub(super) fn query(node: NodeRef<'_>, depth: usize) -> Query {
    if depth > 200 {
        return Query::default();
    }
    let depth = depth + 1;
    let mut query = Query { ctes: ctes(node, depth), values: node.kind() == K::VALUES, ..Query::default() };
    for child in node.children() {
        match child.kind() {
            K::SELECT_CLAUSE => {
                if let Some(targets) = child.child(K::TARGET_LIST) {
                    query.columns.extend(targets.children().filter_map(|target| expr_in(target, depth)));
                }
            }
            K::TARGET_LIST => {
                query.columns.extend(child.children().filter_map(|target| expr_in(target, depth)))
            }
            K::ROW_LIST => query.columns.extend(child.children().flat_map(|row| exprs_in(row, depth))),
            K::FROM_CLAUSE => from_items(child, depth, &mut query.from, &mut query.on),
            K::RELATION_NAME => query.from.push(FromItem::Table { name: name(child), alias: None }),
            K::WHERE_CLAUSE => query.filter = expr_in(child, depth),
            K::LIMIT_CLAUSE => query.limited |= expr_in(child, depth).is_some(),
            K::FETCH_CLAUSE => query.limited = true,
            kind if is_query(kind) => query.parts.push(self::query(child, depth)),
            _ => {}
        }
    }
    query.one_row = !node.has(K::GROUP_BY_CLAUSE)
        && query.columns.iter().any(|column| calls(column, is_aggregate))
        && !query.columns.iter().any(|column| calls(column, gives_rows))
        && !node.descendants().any(|part| part.kind() == K::OVER_CLAUSE);
    // A LIMIT after a combination or a parenthesis limits all of it.
    if query.limited {
        query.parts.iter_mut().for_each(|part| part.limited = true);
    }
    query
}

fn calls(expr: &Expr, is_match: fn(&str) -> bool) -> bool {
    let mut found = false;
    expr.walk(&mut |part| found |= matches!(part, Expr::Call { name, .. } if is_match(&name.name)));
    found
}

/// The aggregates of PostgreSQL 14 to 18 (manual, "Aggregate Functions").
fn is_aggregate(name: &str) -> bool {
    const PLAIN: [&str; 18] = [
        "any_value",
        "avg",
        "bool_and",
        "bool_or",
        "corr",
        "count",
        "every",
        "max",
        "min",
        "mode",
        "percentile_cont",
        "percentile_disc",
        "range_intersect_agg",
        "stddev",
        "sum",
        "variance",
        "xmlagg",
        "bit_xor",
    ];
    PLAIN.contains(&name)
        || ["_agg", "_agg_strict", "_agg_unique", "_pop", "_samp"].iter().any(|end| name.ends_with(end))
        || name.starts_with("regr_")
        || matches!(name, "bit_and" | "bit_or")
}

/// Whether a function returns a set of rows, so that its argument's single row may become many.
fn gives_rows(name: &str) -> bool {
    matches!(
        name,
        "unnest" | "generate_series" | "generate_subscripts" | "regexp_matches" | "jsonb_path_query"
    ) || ["_elements", "_elements_text", "_each", "_each_text", "_keys", "_to_table", "_recordset"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn ctes(node: NodeRef<'_>, depth: usize) -> Vec<Cte> {
    let Some(with) = node.child(K::WITH_CLAUSE) else { return Vec::new() };
    with.children()
        .filter(|child| child.kind() == K::WITH_TABLE)
        .map(|item| Cte {
            name: item.child(K::CTE_NAME).map_or(String::new(), simple),
            query: query_in(item, depth),
            dml: item.children().find_map(|child| dml(child, depth)).map(Box::new),
        })
        .collect()
}

/// All items of FROM or USING, with joins flattened.
fn from_items(node: NodeRef<'_>, depth: usize, items: &mut Vec<FromItem>, on: &mut Vec<Expr>) {
    if depth > 200 {
        return;
    }
    for child in node.children() {
        let alias = || child.descendant(K::TABLE_ALIAS).map(simple);
        match child.kind() {
            K::RELATION_FROM_ITEM => {
                if let Some(relation) = child.child(K::RELATION_NAME_REF) {
                    items.push(FromItem::Table { name: name(relation), alias: alias() });
                }
            }
            K::PAREN_FROM_ITEM => {
                let alias =
                    child.child(K::FROM_ALIAS).and_then(|alias| alias.child(K::TABLE_ALIAS)).map(simple);
                match query_in(child, depth) {
                    Some(query) => items.push(FromItem::Query { query: Box::new(query), alias }),
                    None => from_items(child, depth + 1, items, on),
                }
            }
            K::FUNCTION_FROM_ITEM | K::EXPR_FROM_ITEM => {
                let alias = child.child(K::FROM_ALIAS).and_then(|alias| alias.child(K::TABLE_ALIAS));
                let alias = alias.map(simple);
                items.extend(expr_in(child, depth).map(|call| FromItem::Function { call, alias }));
            }
            K::PAREN_EXPR => match query_in(child, depth) {
                Some(query) => items.push(FromItem::Query { query: Box::new(query), alias: None }),
                None => from_items(child, depth + 1, items, on),
            },
            K::JOIN_EXPR | K::JOIN => from_items(child, depth + 1, items, on),
            K::ON_CLAUSE => on.extend(expr_in(child, depth)),
            K::JSON_TABLE_FROM_ITEM | K::XML_TABLE_FROM_ITEM | K::ROWS_FROM_ITEM => {
                items.push(FromItem::Function { call: Expr::Other(Vec::new()), alias: alias() });
            }
            _ => {}
        }
    }
}

/// The change that a node represents, if any.
pub(super) fn dml(node: NodeRef<'_>, depth: usize) -> Option<Dml> {
    let kind = match node.kind() {
        K::UPDATE => DmlKind::Update,
        K::DELETE => DmlKind::Delete,
        K::INSERT => DmlKind::Insert,
        K::MERGE => DmlKind::Merge,
        _ => return None,
    };
    let empty = || Name { schema: None, name: String::new(), span: node.span() };
    let mut dml = Dml {
        kind,
        span: node.span(),
        table: node.child_of(&RELATION).map_or_else(empty, name),
        alias: node
            .child_of(&[K::OPTIONAL_AS_ALIAS, K::REQUIRED_AS_ALIAS])
            .and_then(|alias| alias.child(K::TABLE_ALIAS))
            .map(simple),
        ctes: ctes(node, depth),
        columns: Vec::new(),
        from: Vec::new(),
        on: Vec::new(),
        filter: None,
        source: query_in(node, depth),
        updates_on_conflict: node
            .child(K::ON_CONFLICT_CLAUSE)
            .is_some_and(|clause| clause.descendant(K::CONFLICT_DO_UPDATE_SET).is_some()),
        returning: node.has(K::RETURNING_CLAUSE),
        merges: Merges {
            matched: node.descendant(K::MERGE_WHEN_MATCHED).is_some(),
            lacking: node.descendant(K::MERGE_WHEN_NOT_MATCHED_SOURCE).is_some(),
        },
        in_body: false,
    };
    for child in node.children() {
        match child.kind() {
            K::SET_CLAUSE => set_columns(child, depth, &mut dml.columns),
            K::COLUMN_TARGET_LIST => {
                dml.columns.extend(targets(child).into_iter().map(|column| (column, None)))
            }
            K::FROM_CLAUSE | K::USING_CLAUSE | K::USING_ON_CLAUSE => {
                from_items(child, depth, &mut dml.from, &mut dml.on);
            }
            K::WHERE_CLAUSE => dml.filter = expr_in(child, depth),
            // The row at a cursor's position.
            K::WHERE_CURRENT_OF => dml.filter = Some(Expr::Literal(crate::sql::Literal::Bool(false))),
            _ => {}
        }
    }
    Some(dml)
}

fn set_columns(node: NodeRef<'_>, depth: usize, columns: &mut Vec<(String, Option<Expr>)>) {
    let Some(list) = node.child(K::SET_COLUMN_LIST) else { return };
    for item in list.children() {
        match item.kind() {
            K::SET_SINGLE_COLUMN => {
                let value = item.child(K::SET_EXPR).and_then(|set| expr_in(set, depth));
                let column = item.descendant(K::COLUMN_NAME_REF).map_or(String::new(), simple);
                columns.push((column, value));
            }
            K::SET_MULTIPLE_COLUMNS => {
                let values: Vec<Expr> = match item.child(K::SET_EXPR_LIST) {
                    Some(list) => list
                        .descendants()
                        .filter(|node| node.kind() == K::SET_EXPR)
                        .filter_map(|set| set.children().find(|child| is_expr(child.kind())))
                        .map(|value| expr(value, depth))
                        .collect(),
                    None => Vec::new(),
                };
                let rest = query_in(item, depth).map(|query| Expr::Subquery(Box::new(query)));
                let mut values = values.into_iter().chain(rest);
                let list = item.child(K::COLUMN_TARGET_LIST);
                for column in list.map(targets).unwrap_or_default() {
                    columns.push((column, values.next()));
                }
            }
            _ => {}
        }
    }
}

fn targets(list: NodeRef<'_>) -> Vec<String> {
    list.children()
        .filter(|child| child.kind() == K::COLUMN_TARGET)
        .filter_map(|target| target.child(K::COLUMN_NAME_REF))
        .map(simple)
        .collect()
}
