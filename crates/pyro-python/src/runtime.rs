//! The threads on which the library works: one tokio runtime for the process, made when it is first needed.

use std::sync::{Mutex, PoisonError};

use pyro::{Diagnosis, Error, ErrorCode};
use tokio::runtime::{Builder, Handle, Runtime};

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
}

impl Diagnosis for NoRuntime {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Threads(_) => ErrorCode::HostIo,
            Self::Forked => ErrorCode::InvalidState,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Forked).then(|| {
            "use pyro in the child alone, or start it by `multiprocessing.set_start_method(\"spawn\")`"
                .to_owned()
        })
    }
}

/// The runtime of this process.
///
/// # Errors
/// `host-io` if it cannot be had, `invalid-state` in a process forked from one that has one.
pub(crate) fn handle() -> Result<Handle, Error> {
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
