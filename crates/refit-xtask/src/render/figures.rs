//! Numbers, sizes, rates and durations for people.

/// `2,060,000`
pub(crate) fn count(number: i64) -> String {
    indicatif::HumanCount(u64::try_from(number).unwrap_or(0)).to_string()
}

/// `2.1 MB`
pub(crate) fn size(bytes: i64) -> String {
    format!("{:.1}", indicatif::DecimalBytes(u64::try_from(bytes).unwrap_or(0)))
}

/// `1 row failed`, `20 rows failed`
pub(crate) fn failed(rows: i64) -> String {
    format!("{} {} failed", count(rows), if rows == 1 { "row" } else { "rows" })
}

/// A rate as a whole number: `268,410`.
pub(crate) fn rate(per_second: f64) -> String {
    let rounded = format!("{:.0}", per_second.max(0.0));
    count(rounded.parse().unwrap_or(i64::MAX))
}

/// `11 s`, `3 min 20 s`, `2 h 5 min`
pub(crate) fn span(seconds: f64) -> String {
    let all = format!("{:.0}", seconds.max(0.0)).parse::<u64>().unwrap_or(u64::MAX);
    match all {
        0..10 => format!("{seconds:.1} s"),
        10..120 => format!("{all} s"),
        120..7_200 => format!("{} min {} s", all / 60, all % 60),
        _ => format!("{} h {} min", all / 3_600, all / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_formatted_for_people() {
        assert_eq!(
            (count(2_060_000), count(-1), rate(268_410.4)),
            ("2,060,000".into(), "0".into(), "268,410".into())
        );
        let spans = [0.0, 9.44, 11.2, 200.0, 7_500.0].map(span);
        assert_eq!(spans, ["0.0 s", "9.4 s", "11 s", "3 min 20 s", "2 h 5 min"]);
    }
}
