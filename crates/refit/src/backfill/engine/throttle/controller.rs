//! The control controller: additive increase, multiplicative decrease, on the worst of the signals.

use std::time::Duration;

/// A signal against its threshold: 1 is the threshold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signal {
    /// What is shown: name, value, threshold.
    pub(crate) says: String,
    pub(crate) load: f64,
}

/// What workers may do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Allowance {
    /// Workers of this process that may be at work.
    pub(crate) workers: u32,
    /// Sleep after each batch, as a share of how long it took.
    pub(crate) sleep: f64,
    /// Nobody works.
    pub(crate) stopped: bool,
    /// Why there is less than there could be.
    pub(crate) reason: Option<String>,
}

/// The state of the controller.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    most: u32,
    smoothed: f64,
    allowance: Allowance,
}

/// Below this load there is room for more.
const ROOM: f64 = 0.4;
/// Up to this load nothing changes.
const HOLD: f64 = 0.7;
/// Where work stops, and where it goes on.
const STOP: f64 = 1.0;
const GO_ON: f64 = 0.8;
/// Sleep at most, as a share of a batch.
const SLEEP: f64 = 8.0;

impl Controller {
    pub(crate) fn new(workers: u32) -> Controller {
        let allowance = Allowance { workers, sleep: 0.0, stopped: false, reason: None };
        Controller { most: workers, smoothed: 0.0, allowance }
    }

    /// One sample a second. A list without signals is a quiet system.
    pub(crate) fn sample(&mut self, signals: &[Signal]) -> Allowance {
        let worst = signals.iter().max_by(|a, b| a.load.total_cmp(&b.load));
        let load = worst.map_or(0.0, |signal| signal.load);
        // Going up counts at once, going down by and by.
        self.smoothed = if load > self.smoothed { load } else { f64::midpoint(self.smoothed, load) };
        let load = self.smoothed;
        let allowance = &mut self.allowance;
        if load >= STOP || (allowance.stopped && load >= GO_ON) {
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
            _ => "coming back after a slow-down".to_owned(),
        });
        allowance.clone()
    }
}

impl Allowance {
    /// What workers may do before the first sample: nothing.
    pub(crate) fn none(workers: u32) -> Allowance {
        Allowance { workers, sleep: 0.0, stopped: true, reason: None }
    }

    /// The pause after a batch that took so long.
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
        // It goes on below 0.8 of the smoothed load only.
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
