//! Where the time went.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Measures consecutive phases.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Instant,
    phases: Vec<(&'static str, Duration)>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            last: Instant::now(),
            phases: Vec::new(),
        }
    }

    /// Ends the phase that began with the last call.
    pub(crate) fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.phases.push((name, now - self.last));
        self.last = now;
    }

    /// Adds a phase that was measured elsewhere.
    pub(crate) fn add(&mut self, name: &'static str, duration: Duration) {
        self.phases.push((name, duration));
    }

    /// The phases as `phase.{name}_ms`, in milliseconds with three decimals.
    pub(crate) fn into_metadata(self) -> BTreeMap<String, String> {
        let entry = |(name, duration): (&str, Duration)| {
            (
                format!("phase.{name}_ms"),
                format!("{:.3}", duration.as_secs_f64() * 1000.0),
            )
        };
        self.phases.into_iter().map(entry).collect()
    }
}
