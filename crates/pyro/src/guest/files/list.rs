//! `list-files`.

use pyro_proto::file::{FileEntry, ListFiles};

use super::Opened;
use crate::guest::GuestError;

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The entries, in the order of their paths.
    pub(crate) entries: Vec<FileEntry>,
    /// Whether there are more behind the last.
    pub(crate) more: bool,
}

/// Lists a directory.
///
/// # Errors
/// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
pub(crate) async fn list_files(call: Opened, request: ListFiles) -> Result<Listed, GuestError> {
    todo!("{call:?} {request:?}")
}
