//! Expressions.

use squawk_parser::SyntaxKind as K;

use super::literal::string;
use super::names::{identifier, is_type, type_of};
use super::query::{is_query, query};
use super::tree::NodeRef;
use crate::sql::{Compare, Expr, Literal, Name};

/// Maximum depth of expressions and queries; deeper ones, which do not occur in practice, are cut off.
const DEEPEST: usize = 200;

/// The first expression directly below a node.
pub(super) fn expr_in(node: NodeRef<'_>, depth: usize) -> Option<Expr> {
    node.children().find(|child| is_expr(child.kind())).map(|child| expr(child, depth))
}

/// All expressions directly below a node.
pub(super) fn exprs_in(node: NodeRef<'_>, depth: usize) -> Vec<Expr> {
    node.children().filter(|child| is_expr(child.kind())).map(|child| expr(child, depth)).collect()
}

pub(super) fn is_expr(kind: K) -> bool {
    matches!(
        kind,
        K::CALL_EXPR
            | K::CAST_EXPR
            | K::COLLATE
            | K::ARRAY_EXPR
            | K::LITERAL
            | K::NAME_REF
            | K::BIN_EXPR
            | K::CASE_EXPR
            | K::FIELD_EXPR
            | K::INDEX_EXPR
            | K::SLICE_EXPR
            | K::BETWEEN_EXPR
            | K::PAREN_EXPR
            | K::TUPLE_EXPR
            | K::PREFIX_EXPR
            | K::POSTFIX_EXPR
    )
}

pub(super) fn expr(node: NodeRef<'_>, depth: usize) -> Expr {
    if depth > DEEPEST {
        return Expr::Other(Vec::new());
    }
    let depth = depth + 1;
    match node.kind() {
        K::NAME_REF => name_ref(node),
        K::LITERAL => literal(node),
        K::FIELD_EXPR => field(node, depth),
        K::BIN_EXPR => binary(node, depth),
        K::PREFIX_EXPR if node.has(K::NOT_KW) => negate(expr_in(node, depth)),
        K::POSTFIX_EXPR => postfix(node, depth),
        K::BETWEEN_EXPR => between(node, depth),
        K::PAREN_EXPR => match node.children().find(|child| is_query(child.kind())) {
            Some(inner) => Expr::Subquery(Box::new(query(inner, depth))),
            None => expr_in(node, depth).unwrap_or(Expr::Other(Vec::new())),
        },
        K::TUPLE_EXPR => Expr::Row(exprs_in(node, depth)),
        K::CALL_EXPR => call(node, depth),
        K::CAST_EXPR => cast(node, depth),
        _ => parts(node, depth),
    }
}

/// Any other node, with the expressions and queries found below it.
fn parts(node: NodeRef<'_>, depth: usize) -> Expr {
    let mut found = Vec::new();
    collect(node, depth, &mut found);
    Expr::Other(found)
}

fn collect(node: NodeRef<'_>, depth: usize, found: &mut Vec<Expr>) {
    if depth > DEEPEST {
        return;
    }
    for child in node.children() {
        if is_expr(child.kind()) {
            found.push(expr(child, depth));
        } else if is_query(child.kind()) {
            found.push(Expr::Subquery(Box::new(query(child, depth))));
        } else if !child.is_token() {
            collect(child, depth + 1, found);
        }
    }
}

/// A bare word: a column, or one of the functions that are written without parentheses.
fn name_ref(node: NodeRef<'_>) -> Expr {
    let text = identifier(node.text());
    let is_function = matches!(
        node.children().next().map(NodeRef::kind),
        Some(
            K::CURRENT_CATALOG_KW
                | K::CURRENT_DATE_KW
                | K::CURRENT_ROLE_KW
                | K::CURRENT_SCHEMA_KW
                | K::CURRENT_TIME_KW
                | K::CURRENT_TIMESTAMP_KW
                | K::CURRENT_USER_KW
                | K::LOCALTIME_KW
                | K::LOCALTIMESTAMP_KW
                | K::SESSION_USER_KW
                | K::SYSTEM_USER_KW
                | K::USER_KW
        )
    );
    if is_function {
        let span = node.span();
        return Expr::Call { name: Name { schema: None, name: text, span }, args: Vec::new(), span };
    }
    Expr::Column { table: None, name: text }
}

fn field(node: NodeRef<'_>, depth: usize) -> Expr {
    let words: Vec<_> = node.children().filter(|child| child.kind() != K::DOT).collect();
    match words[..] {
        [base, field] if base.kind() == K::NAME_REF && field.kind() == K::NAME_REF => {
            Expr::Column { table: Some(identifier(base.text())), name: identifier(field.text()) }
        }
        // schema.table.column
        [base, field] if base.kind() == K::FIELD_EXPR && field.kind() == K::NAME_REF => {
            match expr(base, depth) {
                Expr::Column { table: Some(_), name } => {
                    Expr::Column { table: Some(name), name: identifier(field.text()) }
                }
                other => Expr::Other(vec![other]),
            }
        }
        _ => parts(node, depth),
    }
}

fn literal(node: NodeRef<'_>) -> Expr {
    let Some(token) = node.children().next() else { return Expr::Other(Vec::new()) };
    let text = token.text();
    Expr::Literal(match token.kind() {
        K::NULL_KW => Literal::Null,
        K::TRUE_KW => Literal::Bool(true),
        K::FALSE_KW => Literal::Bool(false),
        K::DEFAULT_KW => Literal::Default,
        K::POSITIONAL_PARAM => return Expr::Param(text.trim_start_matches('$').parse().unwrap_or(0)),
        K::INT_NUMBER | K::NUMERIC_NUMBER => Literal::Number(text.to_owned()),
        _ => Literal::String(string(text).unwrap_or_else(|| text.to_owned())),
    })
}

fn negate(inner: Option<Expr>) -> Expr {
    match inner {
        Some(Expr::InList { negated, value, items }) => Expr::InList { negated: !negated, value, items },
        Some(Expr::InQuery { negated, value, query }) => Expr::InQuery { negated: !negated, value, query },
        Some(Expr::IsNull { negated, value }) => Expr::IsNull { negated: !negated, value },
        Some(inner) => Expr::Not(Box::new(inner)),
        None => Expr::Other(Vec::new()),
    }
}

fn binary(node: NodeRef<'_>, depth: usize) -> Expr {
    let operands: Vec<_> = node.children().filter(|child| is_expr(child.kind())).collect();
    let operator = node.children().find(|child| !is_expr(child.kind())).map(NodeRef::kind);
    let [left, right] = operands[..] else { return parts(node, depth) };
    match operator {
        Some(K::AND_KW) => flatten(left, right, depth, true),
        Some(K::OR_KW) => flatten(left, right, depth, false),
        Some(K::IN_KW) => membership(left, right, false, depth),
        Some(K::NOT_IN) => membership(left, right, true, depth),
        Some(K::IS_KW | K::IS_NOT) => is_test(left, right, operator == Some(K::IS_NOT), depth),
        Some(operator) => match compare(operator) {
            Some(op) => comparison(op, left, right, depth),
            None => Expr::Other(vec![expr(left, depth), expr(right, depth)]),
        },
        None => parts(node, depth),
    }
}

fn compare(operator: K) -> Option<Compare> {
    Some(match operator {
        K::EQ => Compare::Eq,
        K::NEQ | K::NEQB => Compare::Ne,
        K::L_ANGLE => Compare::Lt,
        K::LTEQ => Compare::Le,
        K::R_ANGLE => Compare::Gt,
        K::GTEQ => Compare::Ge,
        _ => return None,
    })
}

/// `a = ANY (…)` is a membership test; everything else compares two values.
fn comparison(op: Compare, left: NodeRef<'_>, right: NodeRef<'_>, depth: usize) -> Expr {
    let any = right.child_of(&[K::ANY_FN, K::SOME_FN]);
    if let (Compare::Eq, Some(any)) = (op, any) {
        let value = Box::new(expr(left, depth));
        return match any.children().find(|child| is_query(child.kind())) {
            Some(inner) => Expr::InQuery { negated: false, value, query: Box::new(query(inner, depth)) },
            None => Expr::InList { negated: false, value, items: exprs_in(any, depth) },
        };
    }
    Expr::Compare { op, left: Box::new(expr(left, depth)), right: Box::new(expr(right, depth)) }
}

/// A chain of AND or OR becomes one node: chains nest to the left, so they are unwound without recursion.
fn flatten(left: NodeRef<'_>, right: NodeRef<'_>, depth: usize, all: bool) -> Expr {
    let operator = if all { K::AND_KW } else { K::OR_KW };
    let (mut sides, mut first) = (vec![right], left);
    while first.kind() == K::BIN_EXPR && first.has(operator) {
        let operands: Vec<_> = first.children().filter(|child| is_expr(child.kind())).collect();
        let [left, right] = operands[..] else { break };
        sides.push(right);
        first = left;
    }
    sides.push(first);
    let mut items = Vec::with_capacity(sides.len());
    for side in sides.into_iter().rev() {
        match (expr(side, depth), all) {
            (Expr::And(inner), true) | (Expr::Or(inner), false) => items.extend(inner),
            (other, _) => items.push(other),
        }
    }
    if all { Expr::And(items) } else { Expr::Or(items) }
}

fn membership(left: NodeRef<'_>, right: NodeRef<'_>, negated: bool, depth: usize) -> Expr {
    let value = Box::new(expr(left, depth));
    match expr(right, depth) {
        Expr::Subquery(query) => Expr::InQuery { negated, value, query },
        Expr::Row(items) => Expr::InList { negated, value, items },
        item => Expr::InList { negated, value, items: vec![item] },
    }
}

fn is_test(left: NodeRef<'_>, right: NodeRef<'_>, negated: bool, depth: usize) -> Expr {
    let value = expr(left, depth);
    match expr(right, depth) {
        Expr::Literal(Literal::Null) => Expr::IsNull { negated, value: Box::new(value) },
        right => Expr::Other(vec![value, right]),
    }
}

fn postfix(node: NodeRef<'_>, depth: usize) -> Expr {
    match (node.child_of(&[K::ISNULL_KW, K::NOTNULL_KW]), expr_in(node, depth)) {
        (Some(operator), Some(value)) => {
            Expr::IsNull { negated: operator.kind() == K::NOTNULL_KW, value: Box::new(value) }
        }
        _ => parts(node, depth),
    }
}

fn between(node: NodeRef<'_>, depth: usize) -> Expr {
    let negated = node.has(K::NOT_KW);
    let mut operands = exprs_in(node, depth).into_iter().map(Box::new);
    match (operands.next(), operands.next(), operands.next()) {
        (Some(value), Some(low), Some(high)) => Expr::Between { negated, value, low, high },
        _ => parts(node, depth),
    }
}

fn cast(node: NodeRef<'_>, depth: usize) -> Expr {
    let to =
        node.children().find(|child| is_type(child.kind())).map_or(String::new(), |node| type_of(node).name);
    match expr_in(node, depth) {
        Some(value) => Expr::Cast { value: Box::new(value), to },
        None => parts(node, depth),
    }
}

fn call(node: NodeRef<'_>, depth: usize) -> Expr {
    let span = node.span();
    let Some(first) = node.children().next() else { return Expr::Other(Vec::new()) };
    if first.kind() == K::EXISTS_FN {
        let inner = first.children().find(|child| is_query(child.kind()));
        return inner.map_or(Expr::Other(Vec::new()), |inner| Expr::Exists(Box::new(query(inner, depth))));
    }
    let name = match first.kind() {
        K::NAME_REF => Name { schema: None, name: identifier(first.text()), span: first.span() },
        K::FIELD_EXPR => match field(first, depth) {
            Expr::Column { table, name } => Name { schema: table, name, span: first.span() },
            _ => return parts(node, depth),
        },
        // EXTRACT, TRIM and the like have their keyword first.
        _ => {
            let word = first.descendants().next().map_or("", NodeRef::text);
            Name { schema: None, name: refit_model::fold(word), span: first.span() }
        }
    };
    let mut args = Vec::new();
    // A function has its arguments after its name; a special form has them inside its node.
    for child in node.children().filter(|child| !matches!(child.kind(), K::NAME_REF | K::FIELD_EXPR)) {
        collect(child, depth, &mut args);
    }
    Expr::Call { name, args, span }
}
