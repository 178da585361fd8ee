//! What a call tells meanwhile and at its end, as Python hears it: a kind, and what goes with it.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyro::{EnvironmentProgress, Phase, TransferProgress};
use pythonize::pythonize;
use serde::Serialize;

use crate::failure::Failure;

/// Makes a result for Python once an interpreter is at hand.
pub(crate) type Made = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Something that a call says.
pub(crate) enum Event {
    /// Bytes of a command's standard output.
    Stdout(bytes::Bytes),
    /// Bytes of a command's standard error.
    Stderr(bytes::Bytes),
    /// It moved on.
    Progress(Progress),
    /// A server can be reached.
    Listening(String),
    /// It is over.
    Done(Made),
    /// It failed.
    Failed(Failure),
}

/// How far a call is. What has no meaning in it is absent.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Progress {
    kind: &'static str,
    message: Option<String>,
    entry_count: Option<u64>,
    bytes_done: Option<u64>,
    bytes_total: Option<u64>,
}

impl Event {
    /// The end of a call that came to one.
    pub(crate) fn done<T: Serialize + Send + 'static>(result: T) -> Self {
        Self::Done(Box::new(move |py| Ok(pythonize(py, &result)?.unbind())))
    }

    /// Kind and content.
    ///
    /// # Errors
    /// What making an object of the content gave.
    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<(&'static str, Py<PyAny>)> {
        let bytes = |bytes: bytes::Bytes| PyBytes::new(py, &bytes).into_any().unbind();
        Ok(match self {
            Self::Stdout(chunk) => ("stdout", bytes(chunk)),
            Self::Stderr(chunk) => ("stderr", bytes(chunk)),
            Self::Progress(progress) => ("progress", pythonize(py, &progress)?.unbind()),
            Self::Listening(url) => ("listening", pythonize(py, &url)?.unbind()),
            Self::Done(make) => ("done", make(py)?),
            Self::Failed(failure) => ("failed", pythonize(py, &failure)?.unbind()),
        })
    }
}

impl From<Phase> for Progress {
    fn from(phase: Phase) -> Self {
        let name = match phase {
            Phase::Environment => "environment",
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Exporting => "exporting",
            Phase::Removing => "removing",
            _ => "working",
        };
        Self {
            kind: "phase",
            message: Some(name.to_owned()),
            ..Self::default()
        }
    }
}

impl From<EnvironmentProgress> for Progress {
    fn from(progress: EnvironmentProgress) -> Self {
        match progress {
            EnvironmentProgress::Bytes { done, total } => Self {
                kind: "bytes",
                bytes_done: Some(done),
                // 0 is for what is not known.
                bytes_total: Some(total).filter(|total| *total > 0),
                ..Self::default()
            },
            EnvironmentProgress::Step(step) => Self {
                kind: "step",
                message: Some(step),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

impl From<TransferProgress> for Progress {
    fn from(progress: TransferProgress) -> Self {
        match progress {
            TransferProgress::Found { entries, bytes } => Self {
                kind: "found",
                entry_count: Some(entries),
                bytes_total: Some(bytes),
                ..Self::default()
            },
            TransferProgress::Moved {
                bytes_done,
                bytes_total,
            } => Self {
                kind: "bytes",
                bytes_done: Some(bytes_done),
                bytes_total: Some(bytes_total),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}
