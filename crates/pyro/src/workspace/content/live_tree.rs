//! The tree in a guest that runs, whosever guest that is.

use pyro_proto::message::Verb;

use crate::error::Result;
use crate::guest::files::Opened;
use crate::id::WorkspaceId;
use crate::object::GuestUse;
use crate::workspace::Workspace;

/// A guest with a tree, as whoever reads that needs it: a workspace's, or a one-shot VM's.
pub(crate) trait LiveTree: Sync {
    /// What results call it by.
    fn id(&self) -> WorkspaceId;

    /// Opens a call to the agent of its guest, and says which guest that is.
    ///
    /// # Errors
    /// `guest-lost`, and whatever keeps the guest from being there.
    fn call(&self, verb: Verb) -> impl Future<Output = Result<(GuestUse, Opened)>> + Send;

    /// What the tree can hold, in bytes: the guest's disk, and the seed, which is not on that.
    ///
    /// # Errors
    /// If that is not known.
    fn capacity_bytes(&self) -> Result<u64>;
}

impl LiveTree for Workspace {
    fn id(&self) -> WorkspaceId {
        Self::id(self)
    }

    async fn call(&self, verb: Verb) -> Result<(GuestUse, Opened)> {
        let (guest, call) = self.call_guest(verb).await?;
        Ok((guest.used, call))
    }

    fn capacity_bytes(&self) -> Result<u64> {
        let info = self.status()?;
        let disk = u64::from(info.disk_gib) << 30;
        Ok(disk.saturating_add(info.workspace_seed.bytes_written))
    }
}
