//! Values of a type, as SQL expressions of the row number (`n.i`, a bigint from 1). Each family of types has a file; types
//! made of other types are here.

mod numbers;
mod special;
mod text;
mod time;

use postgres_protocol::escape::escape_literal;

use super::catalog::{Catalog, TypeInfo};

/// An expression that generates values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The SQL expression for row `n.i`.
    pub(super) sql: String,
    /// Whether the values are distinct, as far as the type has enough values.
    pub(super) distinct: bool,
}

impl Candidate {
    fn distinct(sql: impl Into<String>) -> Candidate {
        Candidate { sql: sql.into(), distinct: true }
    }

    fn same(sql: impl Into<String>) -> Candidate {
        Candidate { sql: sql.into(), distinct: false }
    }
}

/// The values to generate.
pub(super) struct ValueSpec<'a> {
    /// The type.
    pub(super) kind: u32,
    /// Its modifier, -1 for none.
    pub(super) modifier: i32,
    /// The column's name, the prefix of text values.
    pub(super) column: &'a str,
    /// Literals in the conditions on the column, as written.
    pub(super) literals: &'a [String],
}

/// Maximum nesting depth of types.
const MAX_DEPTH: usize = 6;

/// The candidates for a type, the most natural first. Empty for an unsupported type.
pub(super) fn candidates(catalog: &Catalog, spec: &ValueSpec<'_>) -> Vec<Candidate> {
    at_depth(catalog, spec, 0)
}

fn at_depth(catalog: &Catalog, spec: &ValueSpec<'_>, depth: usize) -> Vec<Candidate> {
    let Some(kind) = catalog.types.get(&spec.kind).filter(|_| depth < MAX_DEPTH) else { return Vec::new() };
    let of = |inner: (u32, i32), literals: &[String]| {
        let spec = ValueSpec { kind: inner.0, modifier: inner.1, column: spec.column, literals };
        at_depth(catalog, &spec, depth + 1)
    };
    let wrapped = |candidates: Vec<Candidate>, wrap: &dyn Fn(&str) -> String| {
        candidates.into_iter().map(|one| Candidate { sql: wrap(&one.sql), ..one }).collect::<Vec<Candidate>>()
    };
    match kind.class {
        'e' => labels(kind),
        'd' => {
            let own: Vec<String> =
                kind.conditions.iter().flat_map(|text| super::check::literals(text)).collect();
            let literals = [spec.literals, &own].concat();
            let modifier = if kind.base.1 >= 0 { kind.base.1 } else { spec.modifier };
            wrapped(of((kind.base.0, modifier), &literals), &|sql| format!("({sql})::{}", kind.written))
        }
        'r' => wrapped(of((kind.subtype, -1), &[]), &|sql| format!("{}({sql}, {sql}, '[]')", kind.written)),
        'm' => {
            let range = kind.range.as_deref().unwrap_or_default();
            let wrap = |sql: &str| format!("{}({range}({sql}, {sql}, '[]'))", kind.written);
            wrapped(of((kind.subtype, -1), &[]), &wrap)
        }
        'c' => {
            let fields: Vec<Vec<Candidate>> = kind.fields.iter().map(|field| of(*field, &[])).collect();
            let first = |field: &Vec<Candidate>| field.first().map(|one| one.sql.clone());
            match fields.iter().map(first).collect::<Option<Vec<String>>>() {
                Some(fields) => {
                    vec![Candidate::distinct(format!("ROW({})::{}", fields.join(", "), kind.written))]
                }
                None => Vec::new(),
            }
        }
        _ if kind.element != 0 => {
            let mut arrays = wrapped(of((kind.element, spec.modifier), spec.literals), &|sql| {
                format!("ARRAY[{sql}]::{}", kind.written)
            });
            arrays.push(Candidate::same(format!("'{{}}'::{}", kind.written)));
            arrays
        }
        _ => plain(kind, spec),
    }
}

fn plain(kind: &TypeInfo, spec: &ValueSpec<'_>) -> Vec<Candidate> {
    numbers::candidates(&kind.name, spec)
        .or_else(|| text::candidates(&kind.name, spec))
        .or_else(|| time::candidates(&kind.name, spec))
        .or_else(|| special::candidates(&kind.name, spec))
        .unwrap_or_default()
}

fn labels(kind: &TypeInfo) -> Vec<Candidate> {
    if kind.labels.is_empty() {
        return Vec::new();
    }
    let labels: Vec<String> =
        kind.labels.iter().map(|label| escape_literal(label).trim_start().to_owned()).collect();
    let mut all = vec![Candidate::same(format!(
        "((ARRAY[{}])[1 + (n.i - 1) % {}])::{}",
        labels.join(", "),
        labels.len(),
        kind.written
    ))];
    all.extend(labels.iter().map(|label| Candidate::same(format!("{label}::{}", kind.written))));
    all
}

/// Candidates that rotate through the literals, and one for each literal.
fn of_literals(literals: &[String], cast: &str) -> Vec<Candidate> {
    let mut all = Vec::new();
    if literals.len() > 1 {
        let list = literals.join(", ");
        all.push(Candidate::same(format!(
            "((ARRAY[{list}]::text[])[1 + (n.i - 1) % {}])::{cast}",
            literals.len()
        )));
    }
    all.extend(literals.iter().map(|literal| Candidate::same(format!("{literal}::text::{cast}"))));
    all
}
