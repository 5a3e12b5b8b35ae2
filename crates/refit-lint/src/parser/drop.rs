//! DROP of anything that a rule asks about.

use squawk_parser::SyntaxKind as K;

use super::names::names;
use super::stmt::cascades;
use super::tree::NodeRef;
use crate::sql::StmtKind;

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
            | K::DROP_TRIGGER
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
        _ => ("FUNCTION", &[K::FUNCTION_SIG_LIST]),
    };
    StmtKind::Drop {
        what: what.to_owned(),
        names: names(node, kinds),
        concurrently: node.has(K::CONCURRENTLY_KW),
        cascade: cascades(node),
    }
}
