//! Calls to the agent of a running workspace, which its supervisor passes on.

use pyro_proto::message::Verb;

use super::Workspace;
use crate::error::Result;
use crate::guest::files::Opened;

impl Workspace {
    /// Opens a call to the agent; a workspace that nobody stopped is started for it.
    ///
    /// # Errors
    /// `invalid-state`, `busy`, `guest-lost`.
    pub(super) async fn open_guest(&self, verb: Verb) -> Result<Opened> {
        todo!("{verb:?}")
    }
}
