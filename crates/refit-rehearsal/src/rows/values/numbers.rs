//! Numbers and booleans: the row number, and values near the numbers of a condition.

use super::{Candidate, ValueSpec};

pub(super) fn candidates(name: &str, spec: &ValueSpec<'_>) -> Option<Vec<Candidate>> {
    let (cast, at_most) = match name {
        "bool" => return Some(booleans()),
        "int2" => ("int2", 32_000_i64),
        "int4" => ("int4", 2_000_000_000),
        "int8" => ("int8", i64::MAX),
        "oid" => ("int8::oid", 4_000_000_000),
        "float4" | "float8" => (name, 16_000_000),
        "money" => ("numeric::money", 1_000_000_000),
        "numeric" => return Some(numerics(spec)),
        _ => return None,
    };
    Some(around(cast, at_most, spec.literals))
}

fn booleans() -> Vec<Candidate> {
    ["n.i % 2 = 0", "true", "false"].map(Candidate::same).to_vec()
}

fn around(cast: &str, at_most: i64, literals: &[String]) -> Vec<Candidate> {
    let number = if at_most == i64::MAX { "n.i".to_owned() } else { format!("(n.i % {at_most})") };
    let mut all = vec![Candidate::distinct(format!("{number}::{cast}"))];
    for literal in literals.iter().filter(|literal| is_number(literal)) {
        let literal = literal.trim_matches('\'');
        all.push(Candidate::distinct(format!("(({literal})::numeric + {number})::{cast}")));
        all.push(Candidate::distinct(format!("(({literal})::numeric - {number})::{cast}")));
        for step in ["", " + 1", " - 1"] {
            all.push(Candidate::same(format!("(({literal})::numeric{step})::{cast}")));
        }
    }
    all.push(Candidate::distinct(format!("(-{number})::{cast}")));
    let small = [10, 2].map(|size| Candidate::same(format!("(1 + n.i % {size})::{cast}")));
    all.extend(small);
    all.extend([Candidate::same(format!("0::{cast}")), Candidate::same(format!("1::{cast}"))]);
    all
}

/// `numeric(p, s)` has p digits, s of them after the point (`numeric.c`, `numeric_typmod_precision`).
fn numerics(spec: &ValueSpec<'_>) -> Vec<Candidate> {
    if spec.modifier < 4 {
        return around("numeric", i64::MAX, spec.literals);
    }
    let packed = spec.modifier - 4;
    let precision = (packed >> 16) & 0xffff;
    // A signed 11-bit number since PostgreSQL 15.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    let before = u32::try_from(precision - scale.max(0)).unwrap_or(0).min(18);
    let at_most = 10_i64.saturating_pow(before);
    let mut all = around("numeric", at_most, spec.literals);
    if before == 0 {
        let scale = u32::try_from(scale).unwrap_or(0).min(18);
        let all_digits = 10_i64.saturating_pow(scale.min(u32::try_from(precision).unwrap_or(0)));
        let divisor = format!("1{}", "0".repeat(scale as usize));
        all.insert(0, Candidate::distinct(format!("((n.i % {all_digits})::numeric / {divisor})")));
    }
    all
}

fn is_number(literal: &str) -> bool {
    literal.trim_matches('\'').parse::<f64>().is_ok_and(f64::is_finite)
}
