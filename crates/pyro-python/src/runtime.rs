//! The threads on which the library works: one tokio runtime for the process, made when it is first needed.

use std::sync::{Mutex, PoisonError};

use pyo3::Python;
use pyro::{Diagnosis, Error, ErrorCode};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::interpreter;

/// How many calls make progress at once. They wait more than they work.
const WORKERS: usize = 2;

/// The runtime and the process that it belongs to.
static RUNTIME: Mutex<Option<(u32, Runtime)>> = Mutex::new(None);

/// Nothing can be done in this process.
#[derive(Debug, thiserror::Error)]
enum NoRuntime {
    /// The system refused.
    #[error("cannot start the threads that pyro works on")]
    Threads(#[source] std::io::Error),
    /// It was copied while pyro was at work in it, and its threads were not.
    #[error("this process was forked from one that already used pyro")]
    Forked,
    /// Its end has come so far that nothing could be told any more.
    #[error("the interpreter is at its end")]
    Ending,
}

impl Diagnosis for NoRuntime {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Threads(_) => ErrorCode::HostIo,
            Self::Forked | Self::Ending => ErrorCode::InvalidState,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Threads(_) => return None,
            Self::Forked => {
                "use pyro in the child alone, or start it by `multiprocessing.set_start_method(\"spawn\")`"
            }
            Self::Ending => "register with `atexit` after `pyro_mcp` has been imported",
        };
        Some(hint.to_owned())
    }
}

/// The runtime of this process.
///
/// # Errors
/// `host-io` if it cannot be had, `invalid-state` in a process forked from one that has one, and at the interpreter's end.
pub(crate) fn handle(py: Python<'_>) -> Result<Handle, Error> {
    if interpreter::is_ending(py) {
        return Err(NoRuntime::Ending.into());
    }
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let own = std::process::id();
    match &*runtime {
        Some((process, runtime)) if *process == own => Ok(runtime.handle().clone()),
        Some(_) => Err(NoRuntime::Forked.into()),
        None => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(WORKERS).thread_name("pyro").enable_all();
            let made = builder.build().map_err(NoRuntime::Threads)?;
            let handle = made.handle().clone();
            *runtime = Some((own, made));
            Ok(handle)
        }
    }
}
