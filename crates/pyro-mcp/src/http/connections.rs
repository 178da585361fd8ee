//! Connections over TCP, from the first to the last.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::ServerHandler;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::Gate;

/// How many connections there may be at once; more wait for one to end.
const AT_ONCE: usize = 512;

/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// How long to wait where the host has no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Those that are open after the last was accepted.
#[derive(Debug)]
pub(super) struct Connections {
    tasks: TaskTracker,
    finish: CancellationToken,
}

impl Connections {
    /// Lets each end after what it is sending now.
    pub(super) fn finish(&self) {
        self.finish.cancel();
    }

    /// Waits for the end of all.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Accepts and serves connections until `stop` is ready; what is open then is served on.
pub(super) async fn accept<H: ServerHandler>(
    listener: TcpListener,
    gate: Gate<H>,
    stop: impl Future<Output = ()>,
) -> Connections {
    let connections = Connections {
        tasks: TaskTracker::new(),
        finish: CancellationToken::new(),
    };
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => return connections,
        };
        match accepted {
            Ok((stream, peer)) => {
                tracing::debug!(%peer, "connected");
                let served = serve(stream, gate.clone(), connections.finish.clone());
                connections.tasks.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve<H: ServerHandler>(stream: TcpStream, gate: Gate<H>, finish: CancellationToken) {
    // Small messages go out as they are, not when there are more of them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(move |request| {
        let gate = gate.clone();
        async move { Ok::<_, Infallible>(gate.answer(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .serve_connection(TokioIo::new(stream), service)
    );
    let served = tokio::select! {
        served = &mut connection => served,
        () = finish.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
