//! Text: the column's name and the row number, cut to the type's length; and common formats that conditions require.

use postgres_protocol::escape::escape_literal;

use super::{Candidate, ValueSpec, of_literals};

pub(super) fn candidates(name: &str, spec: &ValueSpec<'_>) -> Option<Vec<Candidate>> {
    let length = match name {
        "text" | "citext" => None,
        "name" => Some(63),
        "char" => Some(1),
        // The modifier is the length plus 4.
        "varchar" | "bpchar" if spec.modifier > 4 => Some(spec.modifier - 4),
        "varchar" => None,
        "bpchar" => Some(1),
        _ => return None,
    };
    let cast = if name == "char" { "\"char\"" } else { name };
    let fits = |sql: &str| match length {
        Some(length) => format!("right({sql}, {length})::{cast}"),
        None => format!("({sql})::{cast}"),
    };
    let column = escape_literal(spec.column).trim_start().to_owned();
    let natural = match length {
        // As many distinct values as fit.
        Some(length) if length < 12 => format!("lpad(n.i::text, {length}, '0')"),
        _ => format!("{column} || ' ' || n.i"),
    };
    let mut all = vec![Candidate::distinct(fits(&natural))];
    all.extend(of_literals(&texts(spec.literals), cast));
    for form in [
        "'a' || n.i",
        "'A' || n.i",
        "'person-' || n.i || '@example.org'",
        "'https://example.org/' || n.i",
        "'page-' || n.i",
        "n.i::text",
        "'+49301' || lpad(n.i::text, 7, '0')",
        "lpad(n.i::text, 10, '0')",
        "md5(n.i::text)",
        "'/' || n.i",
        "'#' || lpad(to_hex(n.i), 6, '0')",
    ] {
        all.push(Candidate::distinct(fits(form)));
    }
    for letters in (1..=5).rev() {
        let upper = base26(letters, 'A');
        all.push(Candidate::distinct(fits(&upper)));
        all.push(Candidate::distinct(fits(&base26(letters, 'a'))));
    }
    all.extend(prefixed(spec.literals).into_iter().map(|sql| Candidate::distinct(fits(&sql))));
    all.push(Candidate::same(format!("''::{cast}")));
    Some(all)
}

/// A base-26 counter of that many letters.
fn base26(letters: u32, first: char) -> String {
    let letter = |place: u32| format!("chr({} + (n.i / {} % 26)::int)", u32::from(first), 26_u64.pow(place));
    (0..letters).rev().map(letter).collect::<Vec<String>>().join(" || ")
}

/// The string literals of a condition.
fn texts(literals: &[String]) -> Vec<String> {
    literals.iter().filter(|literal| literal.starts_with('\'')).cloned().collect()
}

/// Values for LIKE patterns: `%` is replaced by the row number.
fn prefixed(literals: &[String]) -> Vec<String> {
    let texts = texts(literals);
    let patterns = texts.iter().filter(|literal| literal.contains('%'));
    patterns.map(|literal| format!("replace({literal}, '%', 'x' || n.i)")).collect()
}
