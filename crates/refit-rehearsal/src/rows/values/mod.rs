//! Values of a type, as SQL over the number of the row (`n.i`, a bigint from 1). Each family of types is a file; what is made
//! of other types is here.

mod numbers;
mod special;
mod text;
mod time;

use postgres_protocol::escape::escape_literal;

use super::catalog::{Catalog, TypeInfo};

/// A way to make values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The value of row `n.i`.
    pub(super) sql: String,
    /// Whether each row gets another one, as far as the type has as many.
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

/// What is known of the values that are wanted.
pub(super) struct Wanted<'a> {
    /// The type.
    pub(super) kind: u32,
    /// Its modifier, -1 for none.
    pub(super) modifier: i32,
    /// The column's name, which texts begin with.
    pub(super) column: &'a str,
    /// Literals in the conditions on the column, as they are written.
    pub(super) literals: &'a [String],
}

/// Types in types are followed this deep.
const DEEPEST: usize = 6;

/// Ways to make values, the most natural first. None for a type that no family knows.
pub(super) fn candidates(catalog: &Catalog, wanted: &Wanted<'_>) -> Vec<Candidate> {
    at_depth(catalog, wanted, 0)
}

fn at_depth(catalog: &Catalog, wanted: &Wanted<'_>, depth: usize) -> Vec<Candidate> {
    let Some(kind) = catalog.types.get(&wanted.kind).filter(|_| depth < DEEPEST) else { return Vec::new() };
    let of = |inner: (u32, i32), literals: &[String]| {
        let wanted = Wanted { kind: inner.0, modifier: inner.1, column: wanted.column, literals };
        at_depth(catalog, &wanted, depth + 1)
    };
    let wrapped = |candidates: Vec<Candidate>, wrap: &dyn Fn(&str) -> String| {
        candidates.into_iter().map(|one| Candidate { sql: wrap(&one.sql), ..one }).collect::<Vec<Candidate>>()
    };
    match kind.class {
        'e' => labels(kind),
        'd' => {
            let own: Vec<String> =
                kind.conditions.iter().flat_map(|text| super::check::literals(text)).collect();
            let literals = [wanted.literals, &own].concat();
            let modifier = if kind.base.1 >= 0 { kind.base.1 } else { wanted.modifier };
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
            let mut arrays = wrapped(of((kind.element, wanted.modifier), wanted.literals), &|sql| {
                format!("ARRAY[{sql}]::{}", kind.written)
            });
            arrays.push(Candidate::same(format!("'{{}}'::{}", kind.written)));
            arrays
        }
        _ => plain(kind, wanted),
    }
}

fn plain(kind: &TypeInfo, wanted: &Wanted<'_>) -> Vec<Candidate> {
    numbers::candidates(&kind.name, wanted)
        .or_else(|| text::candidates(&kind.name, wanted))
        .or_else(|| time::candidates(&kind.name, wanted))
        .or_else(|| special::candidates(&kind.name, wanted))
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

/// Literals one after the other, and each by itself.
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
