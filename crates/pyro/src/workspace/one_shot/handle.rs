//! What callers do with one-shot VMs, but for their command.

use jiff::Timestamp;

use super::{info, overdue};
use crate::Pyro;
use crate::error::Result;
use crate::id::VmId;
use crate::object::{CleanupReason, VmDeletion, VmInfo, VmNetwork, VmSummary};
use crate::workspace::Kind;
use crate::workspace::error::WorkspaceError;
use crate::workspace::handle::Workspace;
use crate::workspace::record::State;
use crate::workspace::store::{Found, Store};

/// A one-shot VM that was created. A handle owns nothing: dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Vm {
    /// What keeps it.
    pub(super) kept: Workspace,
}

impl Pyro {
    /// A one-shot VM that was created, by whichever process.
    ///
    /// # Errors
    /// `vm-not-found`.
    pub fn vm(&self, id: &VmId) -> Result<Vm> {
        let vm = Vm::of(Workspace::of(Kind::Vm, self, *id));
        vm.find()?;
        Ok(vm)
    }

    /// All one-shot VMs that were created and are not gone, the one last used first.
    ///
    /// # Errors
    /// `host-io` if they cannot be listed.
    pub fn vms(&self) -> Result<Vec<VmSummary>> {
        let store = Store::of(Kind::Vm, &self.settings().home);
        let now = Timestamp::now();
        let there = store
            .all()?
            .into_iter()
            .filter(|found| overdue(found, now).is_none());
        let mut summaries: Vec<VmSummary> = there.map(|found| info::summary(&found)).collect();
        summaries.sort_by(|a, b| b.last_activity_at.cmp(&a.last_activity_at));
        Ok(summaries)
    }
}

impl Vm {
    pub(super) fn of(kept: Workspace) -> Self {
        Self { kept }
    }

    /// Its id.
    pub fn id(&self) -> VmId {
        self.kept.id()
    }

    /// It as it is on disk, unless its time is over.
    pub(super) fn find(&self) -> Result<Found, WorkspaceError> {
        let found = self.kept.store().find(self.id())?;
        match overdue(&found, Timestamp::now()) {
            None => Ok(found),
            expired_at => Err(WorkspaceError::VmNotFound {
                id: self.id(),
                expired_at,
            }),
        }
    }

    /// Whether its command is to run on this host itself, isolated by nothing.
    ///
    /// # Errors
    /// `vm-not-found`, `state-damaged`.
    pub fn is_on_host(&self) -> Result<bool> {
        self.kept.is_on_host()
    }

    /// What is known of it, without asking its guest.
    ///
    /// # Errors
    /// `vm-not-found`, `state-damaged`.
    pub fn status(&self) -> Result<VmInfo> {
        info::describe(self.find()?)
    }

    /// What its network is.
    ///
    /// # Errors
    /// `vm-not-found`, `state-damaged`.
    pub fn network_info(&self) -> Result<VmNetwork> {
        self.find()?.record?;
        Ok(info::no_network(self.id()))
    }

    /// Starts it, for the first time or on the disk that it has; one that runs is left alone.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `vm-not-found`, `busy`, and whatever keeps the VM from starting; it is then as before.
    pub async fn start(&self) -> Result<VmInfo> {
        self.find()?.record?;
        self.kept.start_if_stopped().await?;
        self.status()
    }

    /// Powers its guest off; its disk is kept until it is deleted or expires. One that does not run is left alone.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `vm-not-found`, also if its command ended meanwhile, which deletes it; `busy`, `host-io`.
    pub async fn stop(&self) -> Result<VmInfo> {
        self.find()?.record?;
        self.kept.stop().await?;
        self.kept.store().update(self.id(), |record| {
            if record.state == State::Stopped {
                record.last_activity_at = Timestamp::now();
            }
            Ok(())
        })?;
        self.status()
    }

    /// Ends whatever runs in it, and removes it.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `vm-not-found`, `busy`, `host-io`.
    pub async fn delete(&self) -> Result<VmDeletion> {
        let found = self.kept.store().find(self.id())?;
        let reason = match overdue(&found, Timestamp::now()) {
            Some(_) => CleanupReason::Expired,
            None => CleanupReason::ExplicitDelete,
        };
        self.kept.delete().await?;
        Ok(VmDeletion {
            vm_id: self.id(),
            deleted: true,
            reason,
        })
    }
}
