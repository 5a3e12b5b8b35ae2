//! Other types: identifiers, documents, network addresses, shapes, bit strings.

use super::{Candidate, ValueSpec};

pub(super) fn candidates(name: &str, spec: &ValueSpec<'_>) -> Option<Vec<Candidate>> {
    let distinct = |sql: &str| vec![Candidate::distinct(sql)];
    let all = match name {
        "uuid" => distinct("md5('refit ' || n.i)::uuid"),
        "json" | "jsonb" => [
            "jsonb_build_object('number', n.i)",
            "jsonb_build_array(n.i)",
            "to_jsonb(n.i)",
            "to_jsonb(n.i::text)",
        ]
        .map(|sql| Candidate::distinct(format!("({sql})::{name}")))
        .to_vec(),
        "xml" => distinct("('<number>' || n.i || '</number>')::xml"),
        "bytea" => distinct("decode(md5(n.i::text), 'hex')"),
        "inet" => distinct("'10.0.0.0'::inet + n.i % 16777216"),
        "cidr" => distinct("set_masklen('10.0.0.0'::inet + n.i % 16777216, 32)::cidr"),
        "macaddr" => distinct("lpad(to_hex(n.i), 12, '0')::macaddr"),
        "macaddr8" => distinct("lpad(to_hex(n.i), 16, '0')::macaddr8"),
        "point" => distinct("point(n.i, n.i)"),
        "line" => distinct("line(point(0, n.i), point(1, n.i + 1))"),
        "lseg" => distinct("lseg(point(0, 0), point(1, n.i))"),
        "box" => distinct("box(point(n.i, n.i), point(n.i + 1, n.i + 1))"),
        "path" => distinct("path(polygon(box(point(n.i, n.i), point(n.i + 1, n.i + 1))))"),
        "polygon" => distinct("polygon(box(point(n.i, n.i), point(n.i + 1, n.i + 1)))"),
        "circle" => distinct("circle(point(n.i, n.i), 1)"),
        "tsvector" => distinct("to_tsvector('simple', 'word ' || n.i)"),
        "tsquery" => distinct("to_tsquery('simple', 'word' || n.i)"),
        "pg_lsn" => distinct("'0/0'::pg_lsn + n.i"),
        "hstore" => distinct("('number=>' || n.i)::hstore"),
        "ltree" => distinct("('top.n' || n.i)::ltree"),
        "regclass" => vec![Candidate::same("'pg_catalog.pg_class'::regclass")],
        "regtype" => vec![Candidate::same("'pg_catalog.int4'::regtype")],
        "bit" => {
            let length = spec.modifier.max(1);
            distinct(&format!("lpad(right(n.i::bit(64)::text, {length}), {length}, '0')::bit({length})"))
        }
        "varbit" => {
            let length = if spec.modifier > 0 { spec.modifier.min(64) } else { 64 };
            distinct(&format!("right(n.i::bit(64)::text, {length})::varbit"))
        }
        _ => return None,
    };
    Some(all)
}
