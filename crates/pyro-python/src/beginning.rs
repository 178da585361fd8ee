//! How work is begun, and what it is begun with.

use std::io::Cursor;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use pyo3::prelude::*;
use pyro::{Error, Pyro, Stdin};
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};

use crate::call::Call;
use crate::context::{Context, Teller};
use crate::event::Event;
use crate::failure::{CallError, Failure};
use crate::request::{self, HostText};
use crate::runtime;
use crate::work::Work;

/// How many events wait for a caller who is busy; each holds at most one chunk of output.
const EVENT_QUEUE: usize = 16;

/// How much standard input waits for a command that is busy, in bytes.
const STDIN_BYTES: usize = 64 << 10;

/// What is asked of an operation besides its arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manner {
    wants_output: bool,
    wants_progress: bool,
    /// All of a command's standard input.
    stdin: Option<HostText>,
    /// Whether it comes bit by bit.
    feeds_stdin: bool,
}

/// Begins work.
///
/// # Errors
/// `invalid-argument` for the manner, and what [`runtime::handle`] gives.
pub(crate) fn begin(pyro: &Pyro, work: Work, manner: &Bound<'_, PyAny>) -> Result<Call, Error> {
    let runtime = runtime::handle(manner.py())?;
    let manner: Manner = request::read(manner)?;
    let (events, receiver) = mpsc::channel(EVENT_QUEUE);
    let (cancel, is_cancelled) = watch::channel(false);
    let (stdin, feeder) = match (manner.stdin, manner.feeds_stdin) {
        (Some(bytes), _) => (Stdin::Reader(Box::new(Cursor::new(bytes.into_bytes()))), None),
        (None, true) => {
            let (writer, reader) = tokio::io::duplex(STDIN_BYTES);
            (Stdin::Reader(Box::new(reader)), Some(writer))
        }
        (None, false) => (Stdin::Empty, None),
    };
    let context = Context {
        pyro: pyro.clone(),
        stdin,
        teller: Teller {
            events: events.clone(),
            wants_output: manner.wants_output,
            wants_progress: manner.wants_progress,
        },
        is_cancelled,
    };
    let task = runtime.spawn(async move {
        // What a panic leaves behind is this call's own, and is dropped with it.
        let end = match AssertUnwindSafe(work(context)).catch_unwind().await {
            Ok(end) => end,
            Err(_) => Err(CallError::Panicked.into()),
        };
        let end = end.unwrap_or_else(|error| Event::Failed(Failure::from(error)));
        let _nobody_listens = events.send(end).await;
    });
    Ok(Call {
        runtime,
        events: Arc::new(AsyncMutex::new(receiver)),
        cancel,
        task: task.abort_handle(),
        stdin: Mutex::new(feeder),
    })
}
