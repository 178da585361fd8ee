//! `changes`, and what is fetched within it.

use pyro_proto::file::{Changes, Fetch, FileChange, FileEntry};

use super::Opened;
use crate::guest::GuestError;

/// A call in which the tree is compared with its baseline.
#[derive(Debug)]
pub(crate) struct ChangesCall {}

/// One side of a path.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// What is there; its stamp is set for the live side.
    pub(crate) entry: FileEntry,
    /// The content of a file that is no longer than was asked for.
    pub(crate) content: Option<Vec<u8>>,
}

impl ChangesCall {
    /// Asks what changed, and goes on to answer fetches.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn start(call: Opened, request: Changes) -> Result<(Self, Vec<FileChange>), GuestError> {
        todo!("{call:?} {request:?}")
    }

    /// Fetches sides of paths, in this order.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn fetch(&mut self, wanted: &[Fetch]) -> Result<Vec<Fetched>, GuestError> {
        todo!("{self:?} {wanted:?}")
    }
}
