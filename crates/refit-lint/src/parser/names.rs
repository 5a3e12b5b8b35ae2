//! Names, literals and data types.

use squawk_parser::SyntaxKind as K;

use super::tree::NodeRef;
use crate::sql::{DataType, Name};

/// An identifier as PostgreSQL stores it: folded, or as written between quotes.
pub(super) fn identifier(text: &str) -> String {
    refit_model::identifier_name(text)
}

/// The identifier in a node that holds one, such as COLUMN_NAME.
pub(super) fn simple(node: NodeRef<'_>) -> String {
    identifier(node.children().next().map_or_else(|| node.text(), NodeRef::text))
}

/// The qualified name in a node that holds a path.
pub(super) fn name(node: NodeRef<'_>) -> Name {
    let mut segments = std::iter::once(node)
        .chain(node.descendants())
        .filter(|node| matches!(node.kind(), K::PATH_SEGMENT | K::PATH_SEGMENT_REF));
    let Some(first) = segments.next() else {
        return Name { schema: None, name: identifier(node.text()), span: node.span() };
    };
    let (mut before, mut last) = (None, first);
    for segment in segments {
        (before, last) = (Some(last), segment);
    }
    let schema = before.map(|segment| identifier(segment.text()));
    let span = crate::sql::Span { start: first.span().start, end: last.span().end };
    Name { schema, name: identifier(last.text()), span }
}

/// All names of a kind directly below a node.
pub(super) fn names(node: NodeRef<'_>, kinds: &[K]) -> Vec<Name> {
    node.children().filter(|child| kinds.contains(&child.kind())).map(name).collect()
}

/// The data type below a node, if there is one.
pub(super) fn data_type(node: NodeRef<'_>) -> Option<DataType> {
    node.children().find(|child| is_type(child.kind())).map(type_of)
}

pub(super) fn is_type(kind: K) -> bool {
    matches!(
        kind,
        K::ARRAY_TYPE
            | K::PATH_TYPE
            | K::VARCHAR_TYPE
            | K::CHARACTER_TYPE
            | K::BIT_TYPE
            | K::BIT_VARYING_TYPE
            | K::DOUBLE_TYPE
            | K::TIME_TYPE
            | K::TIMESTAMP_TYPE
            | K::INTERVAL_TYPE
    )
}

pub(super) fn type_of(node: NodeRef<'_>) -> DataType {
    if node.kind() == K::ARRAY_TYPE {
        let element = node.children().find(|child| is_type(child.kind())).map(type_of).unwrap_or_default();
        return DataType { array: true, ..element };
    }
    let modifiers = node
        .descendants()
        .filter(|node| node.kind() == K::INT_NUMBER)
        .filter_map(|number| number.text().parse().ok())
        .collect();
    let name = match node.kind() {
        K::VARCHAR_TYPE => "varchar".to_owned(),
        K::CHARACTER_TYPE => "char".to_owned(),
        K::BIT_TYPE => "bit".to_owned(),
        K::BIT_VARYING_TYPE => "varbit".to_owned(),
        K::DOUBLE_TYPE => "double precision".to_owned(),
        K::INTERVAL_TYPE => "interval".to_owned(),
        K::TIME_TYPE => with_zone(node, "time"),
        K::TIMESTAMP_TYPE => with_zone(node, "timestamp"),
        _ => canonical(match node.child(K::PATH_REF).map(name) {
            Some(Name { schema: Some(schema), name, .. }) if schema != "pg_catalog" && schema != "public" => {
                format!("{schema}.{name}")
            }
            Some(Name { name, .. }) => name,
            None => refit_model::fold(node.text()),
        }),
    };
    DataType { name, modifiers, array: false }
}

fn with_zone(node: NodeRef<'_>, base: &str) -> String {
    let zone = node.descendants().any(|node| node.kind() == K::WITH_KW);
    if zone { format!("{base}tz") } else { base.to_owned() }
}

/// The canonical name of a built-in type.
fn canonical(name: String) -> String {
    match name.as_str() {
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "int2" => "smallint",
        "decimal" => "numeric",
        "bool" => "boolean",
        "float4" => "real",
        "float" | "float8" => "double precision",
        "bpchar" => "char",
        // Without quotes, char is a keyword and means another type.
        "char" => "\"char\"",
        "serial4" => "serial",
        "serial8" => "bigserial",
        "serial2" => "smallserial",
        _ => return name,
    }
    .to_owned()
}
