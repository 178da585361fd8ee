//! The way of pyro's threads into the interpreter, shut before the interpreter ends.
//!
//! A thread that is in the interpreter, or on its way in, while the main thread takes it down is stopped in the middle of
//! what it does, or touches what is no longer there: see the caution at `PyGILState_Ensure` in Python's C API. Between
//! asking whether the interpreter ends and going in, it can begin to; hence the threads are counted, and waited for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::ThreadId;

use pyo3::prelude::*;
use pyo3::types::PyCFunction;

/// Who is inside.
struct Guests {
    count: usize,
    /// Who has shut the way, and goes on in there alone.
    shut_by: Option<ThreadId>,
}

static GUESTS: Mutex<Guests> = Mutex::new(Guests {
    count: 0,
    shut_by: None,
});
static LEFT: Condvar = Condvar::new();

/// The process that the count is of, or 0. One forked from it has the count and not the threads.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Leave to be in the interpreter.
pub(crate) struct Visit(());

/// Whether nobody is let in any more. Only the thread on which the interpreter ends is told so; all others are at their end.
pub(crate) fn is_ending(py: Python<'_>) -> bool {
    let shut_by = GUESTS.lock().unwrap_or_else(PoisonError::into_inner).shut_by;
    let is_other = shut_by.is_some_and(|thread| thread != std::thread::current().id());
    if is_other {
        outside(py, || ());
    }
    shut_by.is_some()
}

/// Leave for this thread to go into the interpreter, unless that ends.
pub(crate) fn visit() -> Option<Visit> {
    let mut guests = GUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    guests.shut_by.is_none().then(|| {
        PROCESS.store(std::process::id(), Ordering::Relaxed);
        guests.count += 1;
        Visit(())
    })
}

impl Drop for Visit {
    fn drop(&mut self) {
        GUESTS.lock().unwrap_or_else(PoisonError::into_inner).count -= 1;
        LEFT.notify_all();
    }
}

/// Does what takes time while other threads have the interpreter. At its end this thread does not come back from here,
/// as any other thread of Python's that waits.
pub(crate) fn outside<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    let (done, visit) = py.detach(|| {
        let done = work();
        let visit = visit();
        while visit.is_none() {
            std::thread::park();
        }
        (done, visit)
    });
    drop(visit);
    done
}

/// Has the way shut when the interpreter ends, after what programs themselves have registered for that moment.
///
/// # Errors
/// What Python's `atexit` raised.
pub(crate) fn shut_at_exit(py: Python<'_>) -> PyResult<()> {
    let shut = PyCFunction::new_closure(py, None, None, |arguments, _| {
        arguments.py().detach(shut);
    })?;
    py.import("atexit")?.call_method1("register", (shut,))?;
    Ok(())
}

/// Lets nobody in any more, and waits for those who are inside.
fn shut() {
    let is_forked = PROCESS.load(Ordering::Relaxed) != std::process::id();
    if is_forked {
        return;
    }
    let mut guests = GUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    guests.shut_by = Some(std::thread::current().id());
    let waited = LEFT.wait_while(guests, |guests| guests.count > 0);
    drop(waited);
}
