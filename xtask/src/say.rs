//! The one module that prints: progress on stderr, results on stdout.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the only way out")]

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;

/// Whether the last line on stderr still waits for its end.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Does one step and reports its name and its time on one line.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    close_line();
    eprint!("{name} ... ");
    // Progress that nobody can see is no reason to stop.
    drop(std::io::stderr().flush());
    OPEN.store(true, Ordering::Relaxed);
    let outcome = work();
    let word = if outcome.is_ok() { "" } else { "failed after " };
    let seconds = started.elapsed().as_secs_f64();
    if OPEN.swap(false, Ordering::Relaxed) {
        eprintln!("{word}{seconds:.1} s");
    } else {
        eprintln!("{name}: {word}{seconds:.1} s");
    }
    outcome
}

/// A remark within a step.
pub(crate) fn note(text: &str) {
    close_line();
    eprintln!("  {text}");
}

/// A line of a child, as it wrote it.
pub(crate) fn relay(line: &str) {
    close_line();
    eprintln!("{line}");
}

/// What the task was asked for.
pub(crate) fn result(text: &str) {
    close_line();
    println!("{text}");
}

/// Why the task failed.
pub(crate) fn failure(text: &str) {
    close_line();
    eprintln!("error: {text}");
}

fn close_line() {
    if OPEN.swap(false, Ordering::Relaxed) {
        eprintln!();
    }
}
