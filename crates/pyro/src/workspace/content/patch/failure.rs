//! Patches that cannot be read, or do not fit.

use pyro_diff::{Failure, PatchFailed, PatchInvalid};
use serde_json::{Map, Value, json};

use crate::error::{Diagnosis, ErrorCode};

/// Bytes that are no patch.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Invalid(pub(super) PatchInvalid);

impl Diagnosis for Invalid {
    fn code(&self) -> ErrorCode {
        ErrorCode::PatchInvalid
    }

    fn hint(&self) -> Option<String> {
        use pyro_diff::Problem;

        let hint = match &self.0.problem {
            Problem::PathLeaves(_) | Problem::PathUnusable(_) => {
                "name files relative to /workspace, as in `--- a/src/main.c`"
            }
            Problem::ForeignFormat | Problem::NoDiff => {
                "send a unified diff: `--- a/FILE`, `+++ b/FILE`, then hunks that begin with `@@`"
            }
            _ => "send the whole hunk with its header; `git diff` writes such patches",
        };
        Some(hint.to_owned())
    }

    fn details(&self) -> Option<Map<String, Value>> {
        Some(Map::from_iter([("line".to_owned(), self.0.line.into())]))
    }
}

/// A patch that does not fit. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{}; nothing was changed", .0)]
pub(super) struct NotFit(pub(super) PatchFailed);

impl Diagnosis for NotFit {
    fn code(&self) -> ErrorCode {
        ErrorCode::PatchFailed
    }

    fn hint(&self) -> Option<String> {
        let first = self.0.failures.first()?;
        let file = String::from_utf8_lossy(&first.path);
        Some(format!(
            "read `{file}` as it is and make the hunk anew; `details.hunks` has the nearest lines"
        ))
    }

    fn details(&self) -> Option<Map<String, Value>> {
        let hunks = self.0.failures.iter().map(hunk).collect();
        Some(Map::from_iter([("hunks".to_owned(), Value::Array(hunks))]))
    }
}

fn hunk(failure: &Failure) -> Value {
    let nearest: Vec<Value> = failure
        .nearest
        .iter()
        .map(|near| json!({"line": near.line, "text": String::from_utf8_lossy(&near.text)}))
        .collect();
    json!({
        "file": String::from_utf8_lossy(&failure.path),
        "hunk": failure.hunk,
        "reason": failure.reason.to_string(),
        "nearest": nearest,
    })
}

/// A file that a patch cannot be for.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` {problem}")]
pub(super) struct Unpatchable {
    path: String,
    problem: &'static str,
    code: ErrorCode,
}

impl Unpatchable {
    /// A socket, pipe or device.
    pub(super) fn special(path: &[u8]) -> Self {
        Self {
            path: String::from_utf8_lossy(path).into_owned(),
            problem: "is neither a file nor a link",
            code: ErrorCode::WrongFileType,
        }
    }

    /// A file over the limit.
    pub(super) fn large(path: &[u8]) -> Self {
        Self {
            path: String::from_utf8_lossy(path).into_owned(),
            problem: "has more than 64 MiB",
            code: ErrorCode::TooLarge,
        }
    }
}

impl Diagnosis for Unpatchable {
    fn code(&self) -> ErrorCode {
        self.code
    }

    fn hint(&self) -> Option<String> {
        Some("change it by a command: `pyro workspace exec`".to_owned())
    }
}
