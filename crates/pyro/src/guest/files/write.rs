//! `write-file`.

use bytes::Bytes;
use pyro_proto::file::{FileWritten, WriteFile};

use super::Opened;
use crate::guest::GuestError;

/// Writes a file.
///
/// # Errors
/// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
pub(crate) async fn write_file(
    call: Opened,
    request: WriteFile,
    content: Bytes,
) -> Result<FileWritten, GuestError> {
    todo!("{call:?} {request:?} {content:?}")
}
