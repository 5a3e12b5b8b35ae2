//! Times, taken fairly: contenders by turns, each turn beginning with another one, and medians.

use std::time::Duration;

/// The times of a few contenders.
#[derive(Debug)]
pub(crate) struct Times(Vec<Vec<Duration>>);

impl Times {
    /// For that many contenders.
    pub(crate) fn new(contenders: usize) -> Times {
        Times(vec![Vec::new(); contenders])
    }

    /// Notes one time.
    pub(crate) fn add(&mut self, contender: usize, time: Duration) {
        self.0[contender].push(time);
    }

    /// The median of a contender; the mean of the two in the middle when there are two. Zero when it never ran.
    pub(crate) fn median(&self, contender: usize) -> Duration {
        let mut times = self.0[contender].clone();
        times.sort();
        match (times.len(), times.len() / 2) {
            (0, _) => Duration::ZERO,
            (length, middle) if length % 2 == 1 => times[middle],
            (_, middle) => (times[middle - 1] + times[middle]) / 2,
        }
    }
}

/// Whose turn it is: `turns` times every contender, in an order that rotates so that none always follows the same.
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
}
