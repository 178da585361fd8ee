//! When a call must end early, and how long its work may take to do so.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long a cancelled call's run may take to end by itself: TERM, KILL after 2 s, removal of the VM. The contract
/// allows 3 s in all.
const CANCEL_GRACE: Duration = Duration::from_millis(2800);

/// The same when the server leaves, which it does within 1 s.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

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
}
