//! When a call must end early, and how long its work may take to do so.

use std::time::Duration;

use pyro::{Diagnosis, ErrorCode};
use tokio_util::sync::CancellationToken;

/// How long a cancelled call's run may take to end by itself: TERM, KILL after 2 s, removal of the VM. The contract
/// allows 3 s in all.
const CANCEL_GRACE: Duration = Duration::from_millis(2800);

/// The same when the server leaves, which it does within 1 s.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// A call that ended before its work did.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Cancelled {
    /// A command in a VM of its own.
    #[error("the call was cancelled before its command ended; its VM is removed")]
    Run,
    /// The command of a VM that was made ahead of it.
    #[error("the call was cancelled before its command ended; its VM is deleted")]
    VmExec,
    /// A command in a workspace.
    #[error("the call was cancelled before its command ended; the workspace is kept")]
    Exec,
    /// Anything else.
    #[error("the call was cancelled before it was done")]
    Other,
}

impl Diagnosis for Cancelled {
    fn code(&self) -> ErrorCode {
        ErrorCode::Cancelled
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Run => "call again to run the command from the beginning".to_owned(),
            Self::VmExec => "create another VM with vm_create, and start it".to_owned(),
            Self::Exec => "see what it printed with workspace_logs".to_owned(),
            Self::Other => "call again".to_owned(),
        })
    }
}

/// When one call must end early: its client cancels it, or the server leaves.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// Fires when the client cancels the call.
    pub(crate) call: CancellationToken,
    /// Fires when the server leaves.
    pub(crate) server: CancellationToken,
}

impl Ending {
    /// Waits until the call must end.
    pub(crate) async fn asked(&self) {
        tokio::select! {
            () = self.call.cancelled() => {}
            () = self.server.cancelled() => {}
        }
    }

    /// Whether the call must end.
    pub(crate) fn is_asked(&self) -> bool {
        self.call.is_cancelled() || self.server.is_cancelled()
    }

    /// Does work that leaves nothing half done when it is dropped, which happens as soon as the client cancels the call.
    ///
    /// A server that leaves lets it go on for as long as it can: a client may close its end right after its last request.
    pub(crate) async fn unless_asked<T>(
        &self,
        work: impl Future<Output = pyro::Result<T>>,
    ) -> pyro::Result<T> {
        tokio::select! {
            biased;
            () = self.call.cancelled() => Err(Cancelled::Other.into()),
            result = work => result,
            () = async {
                self.server.cancelled().await;
                tokio::time::sleep(SHUTDOWN_GRACE).await;
            } => Err(Cancelled::Other.into()),
        }
    }

    /// Waits, once the call must end, until it must have ended.
    pub(crate) async fn overdue(&self) {
        tokio::select! {
            () = tokio::time::sleep(CANCEL_GRACE) => {}
            () = async {
                self.server.cancelled().await;
                tokio::time::sleep(SHUTDOWN_GRACE).await;
            } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn ending() -> Ending {
        Ending {
            call: CancellationToken::new(),
            server: CancellationToken::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_call_is_overdue_before_three_seconds_are_over() {
        let ending = ending();
        ending.call.cancel();
        ending.asked().await;
        assert!(ending.is_asked());
        let begin = Instant::now();
        ending.overdue().await;
        assert_eq!(begin.elapsed(), CANCEL_GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_leaves_shortens_the_wait() {
        let ending = ending();
        ending.call.cancel();
        let begin = Instant::now();
        let server = ending.server.clone();
        tokio::join!(ending.overdue(), async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            server.cancel();
        });
        assert_eq!(begin.elapsed(), Duration::from_secs(1) + SHUTDOWN_GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_with_its_call_and_finished_by_a_server_that_leaves() {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(())
        };
        let left = ending();
        left.server.cancel();
        left.unless_asked(slow()).await.unwrap();
        let cancelled = ending();
        cancelled.call.cancel();
        let error = cancelled.unless_asked(slow()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Cancelled);
    }
}
