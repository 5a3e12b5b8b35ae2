//! Texts: the column's name and the number of the row, as long as the type allows; and the forms that conditions ask for.

use postgres_protocol::escape::escape_literal;

use super::{Candidate, Wanted, of_literals};

pub(super) fn candidates(name: &str, wanted: &Wanted<'_>) -> Option<Vec<Candidate>> {
    let length = match name {
        "text" | "citext" => None,
        "name" => Some(63),
        "char" => Some(1),
        // The modifier counts four bytes of its own.
        "varchar" | "bpchar" if wanted.modifier > 4 => Some(wanted.modifier - 4),
        "varchar" => None,
        "bpchar" => Some(1),
        _ => return None,
    };
    let cast = if name == "char" { "\"char\"" } else { name };
    let fits = |sql: &str| match length {
        Some(length) => format!("right({sql}, {length})::{cast}"),
        None => format!("({sql})::{cast}"),
    };
    let column = escape_literal(wanted.column).trim_start().to_owned();
    let natural = match length {
        // As many different ones as there is room for.
        Some(length) if length < 12 => format!("lpad(n.i::text, {length}, '0')"),
        _ => format!("{column} || ' ' || n.i"),
    };
    let mut all = vec![Candidate::distinct(fits(&natural))];
    all.extend(of_literals(&texts(wanted.literals), cast));
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
    all.extend(prefixed(wanted.literals).into_iter().map(|sql| Candidate::distinct(fits(&sql))));
    all.push(Candidate::same(format!("''::{cast}")));
    Some(all)
}

/// So many letters that count upwards.
fn base26(letters: u32, first: char) -> String {
    let letter = |place: u32| format!("chr({} + (n.i / {} % 26)::int)", u32::from(first), 26_u64.pow(place));
    (0..letters).rev().map(letter).collect::<Vec<String>>().join(" || ")
}

/// Literals of a condition that are texts.
fn texts(literals: &[String]) -> Vec<String> {
    literals.iter().filter(|literal| literal.starts_with('\'')).cloned().collect()
}

/// What a pattern with `%` begins or ends with, and the number between.
fn prefixed(literals: &[String]) -> Vec<String> {
    let texts = texts(literals);
    let patterns = texts.iter().filter(|literal| literal.contains('%'));
    patterns.map(|literal| format!("replace({literal}, '%', 'x' || n.i)")).collect()
}
