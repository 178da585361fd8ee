//! Input over a limit.

use crate::error::{Diagnosis, ErrorCode};

/// Input over a limit.
#[derive(Debug, thiserror::Error)]
#[error("{what} has {:.1} MiB, the limit is {} MiB", mebibytes(*.given), .limit >> 20)]
pub(super) struct TooLarge {
    what: &'static str,
    given: usize,
    limit: usize,
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl TooLarge {
    /// Checks a length, in bytes, against its limit.
    ///
    /// # Errors
    /// [`TooLarge`] if it is over.
    pub(super) fn check(what: &'static str, given: usize, limit: usize) -> Result<(), Self> {
        if given <= limit {
            return Ok(());
        }
        Err(Self { what, given, limit })
    }
}

impl Diagnosis for TooLarge {
    fn code(&self) -> ErrorCode {
        ErrorCode::TooLarge
    }

    fn hint(&self) -> Option<String> {
        Some("split it, or use `pyro workspace sync push`".to_owned())
    }
}
