//! Numbers, nouns and durations as people read them.
//!
//! ```
//! use refit_model::wording::{counted, grouped, plural, span};
//!
//! assert_eq!(counted(1, "row"), "1 row");
//! assert_eq!(counted(1_234, "batch"), "1,234 batches");
//! assert_eq!(format!("{} {}", grouped(2), plural(2, "row was", "rows were")), "2 rows were");
//! assert_eq!(span(200.0), "3 min 20 s");
//! ```

use std::time::Duration;

/// A number with commas as thousands separators: `2,060,000`. A negative number is 0.
pub fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(0).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The form of a noun, or of a noun and its verb, for a count.
pub fn plural<'a, N: PartialEq + From<u8>>(count: N, one: &'a str, many: &'a str) -> &'a str {
    if count == N::from(1) { one } else { many }
}

/// A count with its noun, which has a regular plural: `1 row`, `1,234 rows`, `2 mismatches`.
pub fn counted<N: Copy + PartialEq + From<u8> + TryInto<u64>>(count: N, noun: &str) -> String {
    let hisses = ["s", "x", "ch", "sh"].iter().any(|ending| noun.ends_with(ending));
    let ending = plural(count, "", if hisses { "es" } else { "s" });
    format!("{} {noun}{ending}", grouped(count))
}

/// A rate as a whole number: `268,410`.
pub fn rate(per_second: f64) -> String {
    grouped(whole(per_second))
}

/// How long something takes that people wait for: `9.4 s`, `3 min 20 s`, `2 h 5 min`.
pub fn span(seconds: f64) -> String {
    let all = whole(seconds);
    match all {
        0..10 => format!("{seconds:.1} s"),
        10..120 => format!("{all} s"),
        120..7_200 => format!("{} min {} s", all / 60, all % 60),
        _ => format!("{} h {} min", all / 3_600, all / 60 % 60),
    }
}

/// How long a step or a run took: `12.3 ms`, `1.25 s`.
pub fn elapsed(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds < 1e3 {
        true => format!("{milliseconds:.1} ms"),
        false => format!("{:.2} s", milliseconds / 1e3),
    }
}

/// How long a statement took or a session waited, in at most five digits: `12.3 ms`, `1250 ms`, `12.5 s`.
pub fn measured(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds {
        long if long >= 10_000.0 => format!("{:.1} s", long / 1e3),
        some if some >= 100.0 => format!("{some:.0} ms"),
        little => format!("{little:.1} ms"),
    }
}

/// Rounded; a negative number is 0.
fn whole(number: f64) -> u64 {
    // A cast would be shorter, and silent about what it loses.
    format!("{:.0}", number.max(0.0)).parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let numbers = [0_u64, 999, 1_000, 200_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "200,000", "1,234,567"]);
        assert_eq!((grouped(-1), rate(268_410.4)), ("0".to_owned(), "268,410".to_owned()));
    }

    #[test]
    fn nouns_have_their_plural() {
        let counts = [0_i64, 1, 2, 1_000].map(|count| counted(count, "row"));
        assert_eq!(counts, ["0 rows", "1 row", "2 rows", "1,000 rows"]);
        assert_eq!(
            [counted(1_usize, "mismatch"), counted(2_usize, "mismatch")],
            ["1 mismatch", "2 mismatches"]
        );
    }

    #[test]
    fn durations_are_in_the_unit_that_fits() {
        let spans = [0.0, 9.44, 11.2, 200.0, 7_500.0].map(span);
        assert_eq!(spans, ["0.0 s", "9.4 s", "11 s", "3 min 20 s", "2 h 5 min"]);
        let times = [12_340_u64, 137_400, 1_250_000, 12_500_000].map(Duration::from_micros);
        assert_eq!(times.map(elapsed), ["12.3 ms", "137.4 ms", "1.25 s", "12.50 s"]);
        assert_eq!(times.map(measured), ["12.3 ms", "137 ms", "1250 ms", "12.5 s"]);
    }
}
