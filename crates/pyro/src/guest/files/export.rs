//! `export`.

use bytes::Bytes;
use pyro_proto::file::{Export, FileEntry};

use super::Opened;
use crate::guest::GuestError;

/// A call in which a file, a link or a directory is sent.
#[derive(Debug)]
pub(crate) struct ExportCall {}

impl ExportCall {
    /// Asks for a path.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke.
    pub(crate) async fn start(call: Opened, request: Export) -> Result<Self, GuestError> {
        todo!("{call:?} {request:?}")
    }

    /// The next entry, whose path is relative to the tree; what is left of the content before it is passed over. `None`
    /// after the last, and only if the agent said so.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn next_entry(&mut self) -> Result<Option<FileEntry>, GuestError> {
        todo!("{self:?}")
    }

    /// More of the content of the file that was the last entry; `None` at its end.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn next_data(&mut self) -> Result<Option<Bytes>, GuestError> {
        todo!("{self:?}")
    }
}
