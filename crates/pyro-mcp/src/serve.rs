//! The life of a server on a transport, from its first message to its end.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use pyro::{Diagnosis, ErrorCode, Pyro};
use rmcp::service::{ServerInitializeError, ServiceExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::http::{HttpOptions, HttpServer};
use crate::options::ServerOptions;
use crate::server::Server;
use crate::stdio;
use crate::watched::Watched;

/// How long calls and answers may take once the server leaves; the process must be gone after 1 s.
pub(crate) const LEAVE_WITHIN: Duration = Duration::from_millis(800);

/// How long the last bytes may take to be written after that.
pub(crate) const WRITE_WITHIN: Duration = Duration::from_millis(100);

/// A server that could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The operating system refused a thread or a signal handler.
    #[error("cannot take over standard input, output and signals")]
    Setup {
        /// Why.
        source: io::Error,
    },
    /// The client did not open the session as the protocol says.
    #[error("the client did not open an MCP session")]
    Handshake {
        /// Why.
        source: Box<ServerInitializeError>,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl Diagnosis for ServeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Setup { .. } | Self::Listen { .. } => ErrorCode::HostIo,
            Self::Handshake { .. } => ErrorCode::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Setup { .. } => None,
            Self::Handshake { .. } => {
                Some("this command is started by an MCP client, not by hand".to_owned())
            }
            Self::Listen { .. } => Some("choose another with `--listen`, or end what uses it".to_owned()),
        }
    }
}

/// Serves on the process's standard input and output until the input ends, or TERM or INT arrives.
///
/// Returns within 1 s of that; calls still under way are cancelled and their VMs removed.
///
/// # Errors
/// [`ServeError`] if the session never began.
pub async fn serve_stdio(pyro: Pyro, options: ServerOptions) -> Result<(), ServeError> {
    let setup = |source| ServeError::Setup { source };
    let stop = asked_to_leave()?;
    let server = Server::new(pyro, options);
    let (input, output, written) = stdio::take_over(server.ended().clone()).map_err(setup)?;
    let served = serve(server, input, output, stop).await;
    // Whoever does not read its answers cannot keep the server.
    let _ = tokio::time::timeout(WRITE_WITHIN, written).await;
    served
}

/// Serves over HTTP until TERM or INT arrives, and says where once it can be reached.
///
/// Returns within 1 s of that; calls still under way are cancelled and their VMs removed.
///
/// # Errors
/// [`ServeError`] if the port or the signals cannot be had.
pub async fn serve_http(
    pyro: Pyro,
    options: ServerOptions,
    http: HttpOptions,
    on_listen: impl FnOnce(&str),
) -> Result<(), ServeError> {
    let stop = asked_to_leave()?;
    let server = HttpServer::bind(pyro, options, http).await?;
    on_listen(&server.url());
    server.serve(stop).await;
    Ok(())
}

/// Is ready when TERM or INT arrives, from now on.
fn asked_to_leave() -> Result<impl Future<Output = ()>, ServeError> {
    let setup = |source| ServeError::Setup { source };
    let mut terminate = signal(SignalKind::terminate()).map_err(setup)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(setup)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Serves on any pair of streams until the input ends, the output fails or `stop` is ready.
///
/// Returns within 1 s of that; calls still under way are cancelled and their VMs removed.
///
/// # Errors
/// [`ServeError::Handshake`] if the session never began.
pub async fn serve<R, W>(
    server: Server,
    input: R,
    output: W,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let ended = server.ended().clone();
    let aborted = CancellationToken::new();
    let streams = (
        Watched::new(input, ended.clone()),
        Watched::new(output, ended.clone()),
    );
    let mut session = pin!(session(server.clone(), streams, aborted.clone()));
    let served = tokio::select! {
        result = &mut session => Some(result),
        // Answers that are ready still go out: rmcp itself sees the end of input and drains.
        () = ended.cancelled() => None,
        () = stop => {
            aborted.cancel();
            None
        }
    };
    ended.cancel();
    let drained = async {
        match served {
            Some(result) => result,
            None => {
                let result = tokio::time::timeout(LEAVE_WITHIN, session).await;
                result.unwrap_or_else(|_| {
                    tracing::warn!("left before every call had ended");
                    Ok(())
                })
            }
        }
    };
    let (result, ()) = tokio::join!(drained, server.end_runs());
    result
}

async fn session<R, W>(
    server: Server,
    streams: (Watched<R>, Watched<W>),
    aborted: CancellationToken,
) -> Result<(), ServeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    match server.serve_with_ct(streams, aborted).await {
        Ok(running) => {
            let reason = running.waiting().await;
            tracing::debug!(?reason, "the session ended");
            Ok(())
        }
        // A client that leaves before it says anything has not failed.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(source) => Err(ServeError::Handshake {
            source: Box::new(source),
        }),
    }
}
