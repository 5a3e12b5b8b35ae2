//! Dates and times: from 2026 on, one step per row, and values near the times of a condition.

use super::{Candidate, ValueSpec};

pub(super) fn candidates(name: &str, spec: &ValueSpec<'_>) -> Option<Vec<Candidate>> {
    let (start, step) = match name {
        "timestamptz" => ("timestamptz '2026-01-01 00:00:00+00'", "interval '1 minute'"),
        "timestamp" => ("timestamp '2026-01-01 00:00:00'", "interval '1 minute'"),
        "date" => ("date '2026-01-01'", "interval '1 day'"),
        "time" => return Some(vec![Candidate::distinct("time '00:00' + n.i * interval '1 second'")]),
        "timetz" => return Some(vec![Candidate::distinct("timetz '00:00+00' + n.i * interval '1 second'")]),
        "interval" => {
            let mut all = vec![Candidate::distinct("n.i * interval '1 second'")];
            all.extend(spec.literals.iter().map(|literal| Candidate::same(format!("{literal}::interval"))));
            return Some(all);
        }
        _ => return None,
    };
    // Stay within the range of the type: about 10,000 years.
    let number = if name == "date" { "(n.i % 3650000)" } else { "n.i" };
    let after = |start: &str| Candidate::distinct(format!("({start} + {number} * {step})::{name}"));
    let mut all = vec![after(start)];
    for literal in spec.literals.iter().filter(|literal| literal.starts_with('\'')) {
        let start = format!("{literal}::{name}");
        // Small steps stay within bounds.
        let small =
            if name == "date" { "(n.i % 28) * interval '1 day'" } else { "n.i * interval '1 second'" };
        all.push(Candidate { sql: format!("({start} + {small})::{name}"), distinct: name != "date" });
        all.push(Candidate::distinct(format!("({start} - n.i * interval '1 second')::{name}")));
        all.push(Candidate::same(start));
    }
    all.push(Candidate::distinct(format!("({start} - {number} * {step})::{name}")));
    all.push(after(&format!("{name} '2000-01-01'")));
    Some(all)
}
