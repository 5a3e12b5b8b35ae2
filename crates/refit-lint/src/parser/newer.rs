//! Syntax that only later major versions support.

use squawk_parser::SyntaxKind as K;

use super::tree::NodeRef;
use crate::sql::Span;

/// Syntax that servers before a major version do not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newer {
    pub(crate) span: Span,
    pub(crate) since: u32,
    pub(crate) what: &'static str,
}

pub(super) fn newer(root: NodeRef<'_>) -> Vec<Newer> {
    root.descendants()
        .filter_map(|node| of(node).map(|(since, what)| Newer { span: node.span(), since, what }))
        .collect()
}

fn of(node: NodeRef<'_>) -> Option<(u32, &'static str)> {
    Some(match node.kind() {
        K::NULLS_NOT_DISTINCT => (15, "NULLS NOT DISTINCT"),
        K::MERGE if node.has(K::RETURNING_CLAUSE) => (17, "MERGE … RETURNING"),
        K::MERGE => (15, "MERGE"),
        K::MERGE_WHEN_NOT_MATCHED_SOURCE => (17, "WHEN NOT MATCHED BY SOURCE"),
        K::SET_ACCESS_METHOD => (15, "SET ACCESS METHOD"),
        K::SET_EXPRESSION => (17, "SET EXPRESSION"),
        K::GENERATED_CONSTRAINT if is_virtual(node) => (18, "a virtual generated column"),
        K::NOT_ENFORCED | K::ENFORCED => (18, "ENFORCED"),
        K::WITHOUT_OVERLAPS => (18, "WITHOUT OVERLAPS"),
        K::NOT_NULL_CONSTRAINT if node.has(K::COLUMN_NAME_REF) => (18, "NOT NULL as a table constraint"),
        K::PAREN_FROM_ITEM if is_nameless(node) => (16, "a subquery without an alias"),
        K::ATTRIBUTE_OPTION if node.text().to_ascii_lowercase().starts_with("security_invoker") => {
            (15, "security_invoker")
        }
        K::INT_NUMBER if is_new_number(node.text()) => (16, "a number such as 0xff or 1_000"),
        _ => return None,
    })
}

fn is_virtual(node: NodeRef<'_>) -> bool {
    node.descendant(K::IDENTITY_KW).is_none() && node.descendant(K::STORED_KW).is_none()
}

fn is_nameless(node: NodeRef<'_>) -> bool {
    node.has(K::PAREN_SELECT) && !node.has(K::FROM_ALIAS)
}

fn is_new_number(text: &str) -> bool {
    let lower = text.as_bytes();
    text.contains('_')
        || (lower.len() > 2
            && lower[0] == b'0'
            && matches!(lower[1].to_ascii_lowercase(), b'x' | b'o' | b'b'))
}
