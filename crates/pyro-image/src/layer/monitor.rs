//! How far the work is, and whether it shall stop.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often the caller hears about progress, in bytes of input.
const REPORT_STEP: u64 = 1 << 20;

/// Counts the input, tells the caller, and passes on the wish to stop.
pub(crate) struct Monitor<'a> {
    report: Option<&'a mut dyn FnMut(u64, u64)>,
    cancel: &'a AtomicBool,
    done: u64,
    reported: u64,
    total: u64,
}

impl fmt::Debug for Monitor<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Monitor")
            .field("done", &self.done)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl<'a> Monitor<'a> {
    /// Watches work on `total` bytes; `report` receives bytes done and `total`.
    pub(crate) fn new(report: &'a mut dyn FnMut(u64, u64), cancel: &'a AtomicBool, total: u64) -> Self {
        Self {
            report: Some(report),
            cancel,
            done: 0,
            reported: 0,
            total,
        }
    }

    /// Watches for nothing but the wish to stop.
    pub(crate) fn silent(cancel: &'a AtomicBool) -> Self {
        Self {
            report: None,
            cancel,
            done: 0,
            reported: 0,
            total: u64::MAX,
        }
    }

    /// Whether the caller asked to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Counts `bytes` of input as done.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.done = self.done.saturating_add(bytes as u64).min(self.total);
        if self.done - self.reported >= REPORT_STEP {
            self.publish();
        }
    }

    /// Puts the count to `done`, for input that need not be read to its end.
    pub(crate) fn jump(&mut self, done: u64) {
        self.done = done.min(self.total).max(self.done);
        self.publish();
    }

    fn publish(&mut self) {
        self.reported = self.done;
        if let Some(report) = &mut self.report {
            report(self.done, self.total);
        }
    }
}
