//! Calls to a supervisor.

use std::fs::File;
use std::io;
use std::path::Path;

use tokio::net::UnixStream;

use super::error::io_error;
use super::socket_path;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::supervisor::{Answer, Call, Frame, Hello, VERSION, receive, send};

/// A supervisor that went away during a call, or says what none would.
#[derive(Debug, thiserror::Error)]
#[error("its supervisor went away")]
pub(super) struct SupervisorGone(#[source] io::Error);

impl Diagnosis for SupervisorGone {
    fn code(&self) -> ErrorCode {
        ErrorCode::GuestLost
    }

    fn hint(&self) -> Option<String> {
        Some(
            "of a workspace its disk is kept, and the next operation starts it; a one-shot VM is gone"
                .to_owned(),
        )
    }
}

/// Opens a connection to the supervisor of the workspace in a directory, and says what is wanted.
///
/// # Errors
/// If there is none.
pub(super) async fn open(dir: &Path, call: Call) -> Result<UnixStream> {
    let handle = File::open(dir).map_err(io_error("open", dir))?;
    let mut stream = UnixStream::connect(socket_path(&handle))
        .await
        .map_err(SupervisorGone)?;
    let hello = Hello {
        api: VERSION,
        pyro: env!("CARGO_PKG_VERSION").to_owned(),
        call,
    };
    send(&mut stream, &Frame::json(&hello))
        .await
        .map_err(SupervisorGone)?;
    Ok(stream)
}

/// Makes a call that is answered once.
///
/// # Errors
/// What the supervisor refuses with, or that there is none.
pub(super) async fn call(dir: &Path, call: Call) -> Result<()> {
    let mut stream = open(dir, call).await?;
    match receive(&mut stream).await.map_err(SupervisorGone)? {
        Some(Frame::Json(bytes)) => match answer(&bytes)? {
            Answer::Failed(error) => Err(error.into()),
            Answer::Done | Answer::Began { .. } | Answer::Ended(_) => Ok(()),
        },
        Some(_) | None => Err(SupervisorGone(io::ErrorKind::UnexpectedEof.into()).into()),
    }
}

/// Reads an answer.
///
/// # Errors
/// If it is none.
pub(super) fn answer(bytes: &[u8]) -> Result<Answer> {
    Ok(serde_json::from_slice(bytes).map_err(|error| SupervisorGone(io::Error::other(error)))?)
}

/// Makes out an error of a connection.
pub(super) fn gone(error: io::Error) -> SupervisorGone {
    SupervisorGone(error)
}
