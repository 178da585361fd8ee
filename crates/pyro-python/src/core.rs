//! The way in: settings from Python, and operations begun.

use std::io::Cursor;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use pyo3::prelude::*;
use pyro::{Error, Pyro, Settings, Stdin};
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};

use crate::call::Call;
use crate::context::{Context, Teller};
use crate::event::Event;
use crate::failure::{CallError, Failure, NativeError};
use crate::request::{self, HostText};
use crate::{runtime, work};

/// How many events wait for a caller who is busy; each holds at most one chunk of output.
const EVENT_QUEUE: usize = 16;

/// How much standard input waits for a command that is busy, in bytes.
const STDIN_BYTES: usize = 64 << 10;

/// What pyro is opened with, on top of the environment variables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    base_dir: Option<HostText>,
    cache_dir: Option<HostText>,
    isolation: String,
    /// Where the package has kernel and agent, and the program that supervises workspaces.
    runtime_dir: Option<HostText>,
    program: Option<HostText>,
}

/// The way in.
#[pyclass(module = "pyro_mcp._native", frozen)]
pub(crate) struct Core {
    pyro: Pyro,
}

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

#[pymethods]
impl Core {
    /// Opens pyro. Touches nothing on disk.
    #[new]
    fn new(choice: &Bound<'_, PyAny>) -> PyResult<Self> {
        let settings = settings(choice).map_err(raised)?;
        Ok(Self {
            pyro: Pyro::open(settings),
        })
    }

    /// Begins an operation.
    fn begin(&self, name: &str, arguments: &Bound<'_, PyAny>, manner: &Bound<'_, PyAny>) -> PyResult<Call> {
        self.try_begin(name, arguments, manner).map_err(raised)
    }
}

impl Core {
    fn try_begin(
        &self,
        name: &str,
        arguments: &Bound<'_, PyAny>,
        manner: &Bound<'_, PyAny>,
    ) -> Result<Call, Error> {
        let work = work::ask(name, arguments)?;
        let manner: Manner = request::read(manner)?;
        let runtime = runtime::handle(arguments.py())?;
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
            pyro: self.pyro.clone(),
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
}

fn settings(choice: &Bound<'_, PyAny>) -> Result<Settings, Error> {
    let choice: Choice = request::read(choice)?;
    let mut settings = Settings::from_env()?;
    if let Some(dir) = choice.base_dir {
        settings.home = absolute("base_dir", dir)?;
    }
    if let Some(dir) = choice.cache_dir {
        settings.cache_dir = absolute("cache_dir", dir)?;
    }
    // Where the caller has no wish of its own, the variable decides.
    if choice.isolation != "auto" {
        settings.isolation = choice.isolation.parse()?;
    }
    if settings.runtime_dir.is_none() {
        settings.runtime_dir = choice.runtime_dir.map(HostText::into_path);
    }
    settings.program = choice.program.map(HostText::into_path);
    Ok(settings)
}

fn absolute(name: &str, dir: HostText) -> Result<std::path::PathBuf, Error> {
    std::path::absolute(dir.into_path()).map_err(|error| CallError::argument(name, error.to_string()).into())
}

/// The exception that the Python sources turn into their own.
fn raised(error: Error) -> PyErr {
    let failure = Failure::from(error);
    Python::attach(|py| match pythonize::pythonize(py, &failure) {
        Ok(content) => NativeError::new_err(content.unbind()),
        Err(error) => error.into(),
    })
}
