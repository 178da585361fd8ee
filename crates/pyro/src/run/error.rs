//! Why a run did not come to its result.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::{Diagnosis, Error, ErrorCode};
use crate::object::VmExec;

/// The caller ended the run before its command ran.
#[derive(Debug, thiserror::Error)]
#[error("the run was cancelled before its command ran")]
pub(super) struct CancelledEarly;

impl Diagnosis for CancelledEarly {
    fn code(&self) -> ErrorCode {
        ErrorCode::Cancelled
    }

    fn hint(&self) -> Option<String> {
        Some("nothing was left behind; run it again".to_owned())
    }
}

/// The caller ended the run while files were taken out of its VM.
#[derive(Debug, thiserror::Error)]
#[error("it was cancelled")]
pub(super) struct InterruptedExport;

impl Diagnosis for InterruptedExport {
    fn code(&self) -> ErrorCode {
        ErrorCode::Cancelled
    }

    fn hint(&self) -> Option<String> {
        Some("the VM is gone; run the command again".to_owned())
    }
}

/// Two exports go to one place.
#[derive(Debug, thiserror::Error)]
#[error("two exports go to `{}`", path.display())]
pub(super) struct SameTarget {
    pub(super) path: PathBuf,
}

impl Diagnosis for SameTarget {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        Some("give each a target of its own".to_owned())
    }
}

/// A target that cannot be used, found before anything ran.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
struct RefusedTarget {
    #[source]
    source: Error,
}

/// Says of a target that cannot be used what to do about it in a run.
pub(super) fn refused(source: Error) -> Error {
    RefusedTarget { source }.into()
}

impl Diagnosis for RefusedTarget {
    fn code(&self) -> ErrorCode {
        self.source.code()
    }

    fn hint(&self) -> Option<String> {
        match self.source.code() {
            ErrorCode::OutputExists => Some("name another target, or remove what is there".to_owned()),
            _ => self.source.hint(),
        }
    }

    fn details(&self) -> Option<Map<String, Value>> {
        self.source.details()
    }
}

/// An export that was not made.
#[derive(Debug)]
pub(super) struct NotExported {
    path: String,
    target: PathBuf,
    // What kept one from being made may have kept others.
    source: Arc<Error>,
}

impl NotExported {
    pub(super) fn new(path: String, target: PathBuf, source: Arc<Error>) -> Self {
        Self { path, target, source }
    }

    fn to_json(&self) -> Value {
        json!({
            "workspace_path": self.path,
            "output_path": self.target,
            "error": self.source.to_json(),
        })
    }
}

/// A command that ran, and of which not everything was exported.
#[derive(Debug, thiserror::Error)]
#[error("the command {}, but `{}` was not exported", ended(exec), first.path)]
pub(super) struct Unexported {
    exec: Box<VmExec>,
    first: Box<NotExported>,
    others: Vec<NotExported>,
    // As the chain of causes wants it.
    #[source]
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

impl Unexported {
    /// The failure of a run whose exports failed, or its result if none did.
    pub(super) fn unless_empty(exec: VmExec, failures: Vec<NotExported>) -> Result<VmExec, Self> {
        let mut failures = failures.into_iter();
        let Some(first) = failures.next() else {
            return Ok(exec);
        };
        Err(Self {
            exec: Box::new(exec),
            cause: Cause(first.source.message()),
            first: Box::new(first),
            others: failures.collect(),
        })
    }
}

fn ended(exec: &VmExec) -> String {
    match exec.exit_code {
        Some(code) => format!("ended with exit code {code}"),
        None => "ended".to_owned(),
    }
}

impl Diagnosis for Unexported {
    fn code(&self) -> ErrorCode {
        self.first.source.code()
    }

    fn hint(&self) -> Option<String> {
        match self.code() {
            ErrorCode::OutputExists => Some("it came into being meanwhile; name another target".to_owned()),
            ErrorCode::PathNotFound => Some(
                "the VM is gone; see what the command leaves with `find /workspace` at its end".to_owned(),
            ),
            ErrorCode::PathRefused | ErrorCode::WrongFileType => {
                Some("the VM is gone; export a file, directory or link below /workspace".to_owned())
            }
            ErrorCode::GuestLost => Some("the VM is gone; run the command again".to_owned()),
            _ => self.first.source.hint(),
        }
    }

    /// The result is there all the same: the command ran once, and is not to be run again for it.
    fn details(&self) -> Option<Map<String, Value>> {
        let failures = std::iter::once(&*self.first).chain(&self.others);
        let failures: Vec<Value> = failures.map(NotExported::to_json).collect();
        let details = [
            ("exit_code", json!(self.exec.exit_code)),
            ("outcome", json!(self.exec.outcome)),
            ("failed_exports", failures.into()),
            ("result", json!(self.exec)),
        ];
        Some(
            details
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
        )
    }
}
