//! Failures on their way to Python, where they become exceptions.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyro::{Diagnosis, Error, ErrorCode};
use serde::Serialize;
use serde_json::{Map, Value};

create_exception!(
    pyro_mcp._native,
    NativeError,
    PyException,
    "A failure before an operation began; its argument says which."
);

/// A failure as the Python sources take it.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    code: &'static str,
    message: String,
    hint: Option<String>,
    details: Option<Map<String, Value>>,
    /// The exit status that the command line would give, which tells what kind of exception it is.
    exit_status: u8,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: error.code().as_str(),
            message: error.message(),
            hint: error.hint(),
            details: error.details(),
            exit_status: error.code().exit_status(),
        }
    }
}

/// What a caller of this package can do wrong, or asks to end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The method is none of the library's.
    #[error("pyro has no operation `{0}`")]
    Unknown(String),
    /// An argument is not what it should be.
    #[error("{}{problem}", at(path))]
    Argument {
        /// Which, from the outside in.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A fault of pyro.
    #[error("the call stopped unexpectedly")]
    Panicked,
    /// The caller took it back.
    #[error("the call was cancelled")]
    Cancelled,
    /// There is no such snapshot.
    #[error("no snapshot `{0}`")]
    NoSnapshot(String),
}

fn at(path: &str) -> String {
    if path.is_empty() || path == "." {
        String::new()
    } else {
        format!("`{path}` cannot be used: ")
    }
}

impl CallError {
    /// An argument that cannot be used.
    pub(crate) fn argument(path: &str, problem: impl Into<String>) -> Self {
        Self::Argument {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

impl Diagnosis for CallError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown(_) => ErrorCode::UnknownArgument,
            Self::Argument { .. } => ErrorCode::InvalidArgument,
            Self::Panicked => ErrorCode::Internal,
            Self::Cancelled => ErrorCode::Cancelled,
            Self::NoSnapshot(_) => ErrorCode::ItemNotFound,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::NoSnapshot(_)).then(|| "snapshots: baseline".to_owned())
    }

    fn details(&self) -> Option<Map<String, Value>> {
        matches!(self, Self::NoSnapshot(_))
            .then(|| Map::from_iter([("kind".to_owned(), Value::from("snapshot"))]))
    }
}

/// The exception that the Python sources turn into their own.
pub(crate) fn raised(error: Error) -> PyErr {
    let failure = Failure::from(error);
    Python::attach(|py| match pythonize::pythonize(py, &failure) {
        Ok(content) => NativeError::new_err(content.unbind()),
        Err(error) => error.into(),
    })
}
