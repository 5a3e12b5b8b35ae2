//! The controller: additive increase, multiplicative decrease, driven by the worst signal.

use std::time::Duration;

/// A signal as a share of its threshold: 1 is the threshold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signal {
    /// The message for status and logs.
    pub(crate) says: String,
    pub(crate) load: f64,
}

/// What workers may do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Allowance {
    /// Workers of this process that may run.
    pub(crate) workers: u32,
    /// Sleep after each batch, as a share of how long it took.
    pub(crate) sleep: f64,
    /// No worker may run.
    pub(crate) stopped: bool,
    /// Why work is limited, if it is.
    pub(crate) reason: Option<String>,
}

/// The state of the controller.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    most: u32,
    smoothed: f64,
    allowance: Allowance,
}

/// Below this load, work increases.
const ROOM: f64 = 0.4;
/// Up to this load, nothing changes.
const HOLD: f64 = 0.7;
/// The loads at which work stops and resumes.
const STOP: f64 = 1.0;
const RESUME: f64 = 0.8;
/// Maximum sleep, as a share of a batch.
const SLEEP: f64 = 8.0;

impl Controller {
    pub(crate) fn new(workers: u32) -> Controller {
        let allowance = Allowance { workers, sleep: 0.0, stopped: false, reason: None };
        Controller { most: workers, smoothed: 0.0, allowance }
    }

    /// Takes one sample per second. No signals means no load.
    pub(crate) fn sample(&mut self, signals: &[Signal]) -> Allowance {
        let worst = signals.iter().max_by(|a, b| a.load.total_cmp(&b.load));
        let load = worst.map_or(0.0, |signal| signal.load);
        // Increases count at once, decreases gradually.
        self.smoothed = if load > self.smoothed { load } else { f64::midpoint(self.smoothed, load) };
        let load = self.smoothed;
        let allowance = &mut self.allowance;
        if load >= STOP || (allowance.stopped && load >= RESUME) {
            allowance.stopped = true;
            allowance.workers = allowance.workers.div_ceil(2).max(1);
        } else if load > HOLD {
            allowance.stopped = false;
            if allowance.workers > 1 {
                allowance.workers -= 1;
            } else {
                allowance.sleep = (allowance.sleep * 2.0).clamp((load - HOLD) / (STOP - HOLD), SLEEP);
            }
        } else if load < ROOM {
            allowance.stopped = false;
            if allowance.sleep > 0.05 {
                allowance.sleep /= 2.0;
            } else {
                allowance.sleep = 0.0;
                allowance.workers = (allowance.workers + 1).min(self.most);
            }
        } else {
            allowance.stopped = false;
        }
        let less = allowance.stopped || allowance.sleep > 0.0 || allowance.workers < self.most;
        allowance.reason = less.then(|| match worst {
            Some(signal) if signal.load >= ROOM => signal.says.clone(),
            _ => "recovering after throttling".to_owned(),
        });
        allowance.clone()
    }
}

impl Allowance {
    /// What workers may do before the first sample: nothing.
    pub(crate) fn none(workers: u32) -> Allowance {
        Allowance { workers, sleep: 0.0, stopped: true, reason: None }
    }

    /// The pause after a batch that took this long.
    pub(crate) fn pause(&self, batch: Duration) -> Duration {
        batch.mul_f64(self.sleep.clamp(0.0, SLEEP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(load: f64) -> [Signal; 1] {
        [Signal { says: format!("load {load}"), load }]
    }

    #[test]
    fn it_slows_down_stops_and_comes_back() {
        let mut controller = Controller::new(4);
        assert_eq!(
            controller.sample(&[]),
            Allowance { workers: 4, sleep: 0.0, stopped: false, reason: None }
        );
        assert_eq!(controller.sample(&signal(0.8)).workers, 3);
        let stopped = controller.sample(&signal(1.5));
        assert!(stopped.stopped && stopped.workers == 2 && stopped.reason.unwrap() == "load 1.5");
        // It resumes only when the smoothed load is below 0.8.
        assert!(controller.sample(&signal(0.5)).stopped);
        assert!(!controller.sample(&signal(0.3)).stopped);
        let mut workers = Vec::new();
        for _ in 0..6 {
            workers.push(controller.sample(&[]).workers);
        }
        assert_eq!(workers.last(), Some(&4), "{workers:?}");
        assert_eq!(controller.sample(&[]).reason, None);
    }

    #[test]
    fn one_worker_sleeps() {
        let mut controller = Controller::new(1);
        let first = controller.sample(&signal(0.85));
        assert!(!first.stopped && first.sleep > 0.4 && first.sleep < 0.6, "{first:?}");
        let second = controller.sample(&signal(0.85));
        assert!(second.sleep > first.sleep);
        assert_eq!(
            second.pause(Duration::from_millis(100)),
            Duration::from_millis(100).mul_f64(second.sleep)
        );
    }
}
