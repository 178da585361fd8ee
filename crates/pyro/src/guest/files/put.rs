//! `put`.

use bytes::Bytes;
use pyro_proto::file::{Put, PutEntry, PutResult};

use super::Opened;
use crate::guest::GuestError;

/// A call in which entries are put into the tree. Dropped before [`commit`](Self::commit), it changes nothing.
#[derive(Debug)]
pub(crate) struct PutCall {}

impl PutCall {
    /// Begins to put entries.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke.
    pub(crate) async fn start(call: Opened, request: Put) -> Result<Self, GuestError> {
        todo!("{call:?} {request:?}")
    }

    /// Sends an entry other than a file.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn entry(&mut self, entry: PutEntry) -> Result<(), GuestError> {
        todo!("{self:?} {entry:?}")
    }

    /// Sends a file; its content follows by [`data`](Self::data) and [`end_data`](Self::end_data).
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn file(&mut self, entry: PutEntry) -> Result<(), GuestError> {
        todo!("{self:?} {entry:?}")
    }

    /// Sends more of the last file's content, of any length.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn data(&mut self, content: Bytes) -> Result<(), GuestError> {
        todo!("{self:?} {content:?}")
    }

    /// Ends the last file.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn end_data(&mut self) -> Result<(), GuestError> {
        todo!("{self:?}")
    }

    /// Has everything put in place at once, or, in a dry run, checked.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn commit(self, dry_run: bool) -> Result<PutResult, GuestError> {
        todo!("{self:?} {dry_run}")
    }
}
