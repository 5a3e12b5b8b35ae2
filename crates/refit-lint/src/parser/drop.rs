//! DROP statements that rules check.

use squawk_parser::SyntaxKind as K;

use super::names::{name, names};
use super::stmt::cascades;
use super::tree::NodeRef;
use crate::sql::{Name, StmtKind};

pub(super) fn is_drop(kind: K) -> bool {
    matches!(
        kind,
        K::DROP_TABLE
            | K::DROP_INDEX
            | K::DROP_VIEW
            | K::DROP_MATERIALIZED_VIEW
            | K::DROP_SCHEMA
            | K::DROP_TYPE
            | K::DROP_DOMAIN
            | K::DROP_SEQUENCE
            | K::DROP_FUNCTION
            | K::DROP_PROCEDURE
            | K::DROP_TRIGGER
            | K::DROP_POLICY
            | K::DROP_RULE
    )
}

pub(super) fn drop_of(node: NodeRef<'_>) -> StmtKind {
    let (what, kinds): (&str, &[K]) = match node.kind() {
        K::DROP_TABLE => ("TABLE", &[K::TABLE_NAME_REF]),
        K::DROP_INDEX => ("INDEX", &[K::INDEX_REF]),
        K::DROP_VIEW => ("VIEW", &[K::VIEW_REF]),
        K::DROP_MATERIALIZED_VIEW => ("MATERIALIZED VIEW", &[K::VIEW_REF]),
        K::DROP_SCHEMA => ("SCHEMA", &[K::SCHEMA_REF]),
        K::DROP_TYPE => ("TYPE", &[K::TYPE_NAME_REF]),
        K::DROP_DOMAIN => ("DOMAIN", &[K::DOMAIN_REF]),
        K::DROP_SEQUENCE => ("SEQUENCE", &[K::SEQUENCE_REF]),
        K::DROP_TRIGGER => ("TRIGGER", &[K::ON_RELATION]),
        K::DROP_POLICY => ("POLICY", &[K::ON_TABLE]),
        K::DROP_RULE => ("RULE", &[K::ON_RELATION]),
        K::DROP_PROCEDURE => ("PROCEDURE", &[K::PROCEDURE_SIG]),
        _ => ("FUNCTION", &[K::FUNCTION_SIG]),
    };
    // Routines are named in a list of signatures, whose arguments contain type names.
    let list = node.child_of(&[K::FUNCTION_SIG_LIST, K::PROCEDURE_SIG_LIST]);
    let names = match list {
        Some(list) => signatures(list, kinds),
        None => names(node, kinds),
    };
    StmtKind::Drop {
        what: what.to_owned(),
        names,
        concurrently: node.has(K::CONCURRENTLY_KW),
        cascade: cascades(node),
    }
}

/// The names of routines, without their arguments.
fn signatures(list: NodeRef<'_>, kinds: &[K]) -> Vec<Name> {
    let signatures = list.children().filter(|child| kinds.contains(&child.kind()));
    signatures
        .filter_map(|signature| signature.child_of(&[K::FUNCTION_NAME_REF, K::PROCEDURE_NAME_REF]))
        .map(name)
        .collect()
}
