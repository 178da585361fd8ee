//! An operation under way, as Python holds it.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyBrokenPipeError, PyRuntimeError};
use pyo3::prelude::*;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::task::AbortHandle;

use crate::event::Event;
use crate::failure::{CallError, Failure};
use crate::interpreter;

/// An operation under way. It ends at once when nobody holds it any more.
#[pyclass(module = "pyro_mcp._native", frozen)]
pub(crate) struct Call {
    pub(crate) runtime: Handle,
    pub(crate) events: Arc<AsyncMutex<mpsc::Receiver<Event>>>,
    pub(crate) cancel: watch::Sender<bool>,
    pub(crate) task: AbortHandle,
    /// The writing end of a command's standard input that comes bit by bit.
    pub(crate) stdin: Mutex<Option<DuplexStream>>,
}

#[pymethods]
impl Call {
    /// Has `take((kind, content))` called, on another thread, with what the operation says next. The last kinds are `done`
    /// and `failed`; until the first thing has come, a second must not be asked for.
    fn next(&self, take: Py<PyAny>) {
        let events = Arc::clone(&self.events);
        self.runtime.spawn(async move {
            let event = events.lock().await.recv().await;
            let event = event
                .unwrap_or_else(|| Event::Failed(Failure::from(pyro::Error::from(CallError::Cancelled))));
            // A thread waits for the interpreter here, and others must be able to go on meanwhile.
            let told = tokio::task::spawn_blocking(move || {
                // At the end of the interpreter there is nobody left to be told.
                let visit = interpreter::visit()?;
                Python::attach(|py| deliver(py, event, take));
                drop(visit);
                Some(())
            });
            drop(told.await);
        });
    }

    /// Asks the operation to end soon; `failed` or `done` still comes. A command is ended with all its processes.
    fn cancel(&self) {
        self.cancel.send_replace(true);
    }

    /// Ends the operation now.
    fn abort(&self) {
        self.task.abort();
    }

    /// Hands bytes to the command's standard input, and waits until there is room for them.
    ///
    /// Raises BrokenPipeError once the command reads no more.
    fn feed(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        let fed = interpreter::outside(py, || {
            let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
            let stdin = stdin.as_mut()?;
            Some(self.runtime.block_on(stdin.write_all(bytes)))
        });
        match fed {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(PyBrokenPipeError::new_err("the command reads no more")),
        }
    }

    /// Ends the command's standard input.
    fn end_stdin(&self, py: Python<'_>) {
        interpreter::outside(py, || {
            drop(self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take());
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what it owns of Python's ends while it has the interpreter"
)]
fn deliver(py: Python<'_>, event: Event, take: Py<PyAny>) {
    let (kind, content) = match event.into_python(py) {
        Ok(told) => told,
        Err(error) => (
            "raised",
            PyRuntimeError::new_err(error.to_string())
                .into_value(py)
                .into_any(),
        ),
    };
    // The caller's loop may be closed meanwhile, which is its own affair.
    drop(take.call1(py, ((kind, content),)));
}
