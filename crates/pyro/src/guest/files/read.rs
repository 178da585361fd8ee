//! `read-file`.

use pyro_proto::file::{FileEntry, ReadEnd, ReadFile};

use super::Opened;
use crate::guest::GuestError;

/// A part of a file.
#[derive(Debug)]
pub(crate) struct ReadPart {
    /// The file.
    pub(crate) entry: FileEntry,
    /// The part of its content, at most as long as was asked for.
    pub(crate) content: Vec<u8>,
    /// Where the part is in the file.
    pub(crate) end: ReadEnd,
}

/// Reads a part of a file.
///
/// # Errors
/// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
pub(crate) async fn read_file(call: Opened, request: ReadFile) -> Result<ReadPart, GuestError> {
    todo!("{call:?} {request:?}")
}
