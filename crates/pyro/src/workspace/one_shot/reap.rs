//! The end of VMs whose time is over and that no supervisor sees to: they were never started, or are stopped.

use jiff::Timestamp;

use crate::Pyro;
use crate::error::Result;
use crate::id::VmId;
use crate::object::{KeptItem, PruneKind, PrunedItem, Pruning, Reap};
use crate::space::Space;
use crate::workspace::Kind;
use crate::workspace::error::WorkspaceError;
use crate::workspace::state::overdue_since;
use crate::workspace::store::{Found, Store};

impl Pyro {
    /// Removes one-shot VMs whose time is over; those that run remove themselves.
    ///
    /// # Errors
    /// `host-io` if they cannot be listed, or one cannot be removed.
    pub fn reap_expired(&self) -> Result<Reap> {
        let store = Store::of(Kind::Vm, &self.settings().home);
        let now = Timestamp::now();
        let mut deleted_vm_ids = Vec::new();
        for found in store.all()? {
            if overdue(&found, now).is_some() && remove(&store, found.id, now)? {
                deleted_vm_ids.push(found.id);
            }
        }
        Ok(Reap {
            count: deleted_vm_ids.len(),
            deleted_vm_ids,
        })
    }
}

/// Since when a VM is to be gone, if nobody but who finds it sees to that.
pub(crate) fn overdue(found: &Found, now: Timestamp) -> Option<Timestamp> {
    let record = found.record.as_ref().ok()?;
    overdue_since(record, found.live.as_ref(), now)
}

/// Removes a VM, unless it is gone or somebody began to use it meanwhile.
fn remove(store: &Store, id: VmId, now: Timestamp) -> Result<bool, WorkspaceError> {
    let attempt = || {
        let Some(_life) = store.try_lock_life(id)? else {
            return Ok(false);
        };
        let Some(expired_at) = overdue(&store.find(id)?, now) else {
            return Ok(false);
        };
        store.remove_expired(id, expired_at)?;
        Ok(true)
    };
    match attempt() {
        Err(error) if WorkspaceError::is_absence(&error) => Ok(false),
        done => done,
    }
}

/// Removes VMs whose time is over, and what is left of others.
pub(crate) fn prune(store: &Store, dry_run: bool, report: &mut Pruning) -> Result<(), WorkspaceError> {
    let now = Timestamp::now();
    let mut gone = Vec::new();
    for path in store.leftovers() {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bytes = Space::of(&path).used_bytes;
        if !dry_run {
            store.remove_leftover(&path)?;
        }
        gone.push((name, path, bytes, "nobody finished it"));
    }
    for found in store.all()? {
        let (name, path) = (found.id.to_string(), store.dir(found.id));
        let bytes = Space::of(&path).used_bytes;
        if let Err(error) = &found.record {
            report.kept.push(KeptItem {
                kind: PruneKind::Vm,
                name,
                path,
                bytes,
                reason: error.to_string(),
            });
        } else if overdue(&found, now).is_some() && (dry_run || remove(store, found.id, now)?) {
            gone.push((name, path, bytes, "its time is over"));
        }
    }
    for (name, path, bytes, reason) in gone {
        report.freed_bytes += bytes;
        report.removed.push(PrunedItem {
            kind: PruneKind::Vm,
            name,
            path,
            bytes,
            reason: reason.to_owned(),
        });
    }
    Ok(())
}
