//! A host whose disk is full, as the cause of what a guest's programs report.

use crate::space::free_bytes;
use crate::supervisor::Supervisor;

/// With less than this left, in bytes, a guest's disk cannot grow.
const FULL_BELOW_BYTES: u64 = 1 << 20;

/// What is said of it.
const MESSAGE: &str = "the disk of the host is full: writes of the guest may have failed; free space, then stop and start the workspace";

impl Supervisor {
    /// Says, in the record too, that the guest could not write if that may be so.
    pub(super) fn warn_of_full_disk(&self) -> Option<String> {
        let is_full = free_bytes(&self.dir).is_ok_and(|free| free < FULL_BELOW_BYTES);
        if !is_full {
            return None;
        }
        let recorded = self.store.update(self.id, |record| {
            record.last_error = Some(MESSAGE.to_owned());
            Ok(())
        });
        if let Err(error) = recorded {
            // There is no space for that either.
            tracing::warn!(%error, "that the disk of the host is full was not recorded");
        }
        Some(MESSAGE.to_owned())
    }
}
