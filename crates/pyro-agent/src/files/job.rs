//! Work that waits for disks, away from the thread on which commands are followed.

use std::sync::{Arc, Weak};

use pyro_proto::message::{Fault, FaultKind};

use crate::call::fault;

/// Tells whether anybody still waits for a job.
#[derive(Debug)]
pub(super) struct Interest(Weak<()>);

impl Interest {
    /// Whether the call is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Does work on a thread of its own. If the future is dropped, the work goes on until it looks at the [`Interest`].
///
/// # Errors
/// Those of the work.
pub(super) async fn run<T: Send + 'static>(
    work: impl FnOnce(&Interest) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let waits = Arc::new(());
    let interest = Interest(Arc::downgrade(&waits));
    let done = tokio::task::spawn_blocking(move || work(&interest)).await;
    drop(waits);
    done.unwrap_or_else(|error| Err(fault(FaultKind::Internal, format!("the work failed: {error}"))))
}

/// The interest of a call that never goes away.
#[cfg(test)]
pub(super) fn lasting_interest() -> (Arc<()>, Interest) {
    let waits = Arc::new(());
    let interest = Interest(Arc::downgrade(&waits));
    (waits, interest)
}
