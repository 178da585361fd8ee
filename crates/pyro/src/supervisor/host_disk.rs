//! A host whose disk is full, as the cause of what a guest's programs report.

use crate::space;
use crate::supervisor::Supervisor;
use crate::workspace::Record;

impl Supervisor {
    /// Says, in the record too, that the guest could not write if that may be so.
    pub(super) fn watch_host_disk(&self) -> Option<String> {
        if !space::is_full(&self.dir) {
            return None;
        }
        self.host_disk_was_full.set(true);
        let recorded = self.store.update(self.id, |record| {
            self.note_full_disk(record);
            Ok(())
        });
        if let Err(error) = recorded {
            // There is no space for that either: it is noted at the end, if there is some then.
            tracing::warn!(%error, "that the disk of the host is full was not recorded");
        }
        Some(space::FULL.to_owned())
    }

    /// Notes that the disk of the host was full, if it was.
    pub(super) fn note_full_disk(&self, record: &mut Record) {
        if self.host_disk_was_full.get() {
            record.last_error = Some(space::FULL.to_owned());
        }
    }
}
