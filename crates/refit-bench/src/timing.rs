//! Fair measurements: contenders alternate, each turn starts with another one; medians, and ratios within a turn.

use std::time::Duration;

/// The times of a few contenders.
#[derive(Debug)]
pub(crate) struct Times(Vec<Vec<Duration>>);

impl Times {
    /// No times yet, for that many contenders.
    pub(crate) fn new(contenders: usize) -> Times {
        Times(vec![Vec::new(); contenders])
    }

    /// Adds one time.
    pub(crate) fn add(&mut self, contender: usize, time: Duration) {
        self.0[contender].push(time);
    }

    /// The median of a contender; zero if it never ran.
    pub(crate) fn median(&self, contender: usize) -> Duration {
        Duration::from_secs_f64(middle(self.0[contender].iter().map(Duration::as_secs_f64).collect()))
    }

    /// The median ratio of one contender's times to another's in the same turn: a machine that is slower for a while is slower for
    /// both. Zero if either never ran.
    pub(crate) fn ratio(&self, contender: usize, other: usize) -> f64 {
        let turns = self.0[contender].iter().zip(&self.0[other]);
        middle(turns.map(|(time, other)| time.as_secs_f64() / other.as_secs_f64()).collect())
    }
}

/// The median; the mean of the two in the middle when there are two.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => 0.0,
        (length, middle) if length % 2 == 1 => values[middle],
        (_, middle) => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// The sequence of contenders: `turns` times each, in an order that rotates so that none always follows the same one.
pub(crate) fn by_turns(turns: usize, contenders: usize) -> impl Iterator<Item = usize> {
    (0..turns).flat_map(move |turn| (0..contenders).map(move |place| (turn + place) % contenders))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_rotates() {
        assert_eq!(by_turns(3, 3).collect::<Vec<_>>(), [0, 1, 2, 1, 2, 0, 2, 0, 1]);
    }

    #[test]
    fn the_median_is_the_middle() {
        let mut times = Times::new(2);
        for milliseconds in [9, 1, 5] {
            times.add(0, Duration::from_millis(milliseconds));
        }
        assert_eq!(times.median(0), Duration::from_millis(5));
        times.add(0, Duration::from_millis(7));
        assert_eq!(times.median(0), Duration::from_millis(6));
        assert_eq!(times.median(1), Duration::ZERO);
    }

    #[test]
    fn ratios_are_computed_per_turn() {
        let mut times = Times::new(2);
        for (one, other) in [(1, 2), (10, 20), (300, 100)] {
            times.add(0, Duration::from_millis(one));
            times.add(1, Duration::from_millis(other));
        }
        assert!((times.ratio(0, 1) - 0.5).abs() < 1e-9);
    }
}
