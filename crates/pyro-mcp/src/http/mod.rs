//! The server on Streamable HTTP, for clients that show its token.
//!
//! `/mcp` has the tools of the profile that the server was started with; `/mcp/PROFILE` may only have less.

mod connections;
mod gate;
mod token;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pyro::Pyro;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::gate::{Gate, PATH, Service};
pub use self::token::{Token, TokenError};
use crate::options::ServerOptions;
use crate::profile::Profile;
use crate::serve::{LEAVE_WITHIN, ServeError, WRITE_WITHIN};
use crate::server::Server;

/// Where `pyro mcp serve --transport http` listens unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8787";

/// The longest body of a request, in bytes.
const BODY_BYTES: usize = 16 << 20;

/// How long a session may be silent. A call is no sign of life in itself, so this is longer than the longest of them.
const SESSION_SILENT: Duration = Duration::from_secs(25 * 60 * 60);

/// The names by which this host calls itself.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How a server is reached over HTTP.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The address and port; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// What every request has to show.
    pub token: Token,
    /// Names in the `Host` header that are served besides those of loopback and the address itself.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may use the server besides those of loopback, as `SCHEME://HOST:PORT`.
    pub allowed_origins: Vec<String>,
}

impl HttpOptions {
    /// On an address, for clients with this token.
    pub fn new(listen: SocketAddr, token: Token) -> Self {
        Self {
            listen,
            token,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
        }
    }

    fn config(&self, address: SocketAddr, ended: CancellationToken) -> StreamableHttpServerConfig {
        let own = address.ip().to_string();
        let hosts = LOOPBACK_NAMES.map(str::to_owned).into_iter();
        let hosts = hosts.chain([own]).chain(self.allowed_hosts.iter().cloned());
        let origins = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].map(str::to_owned);
        let origins = origins.into_iter().chain(self.allowed_origins.iter().cloned());
        let mut config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts)
            .with_allowed_origins(origins);
        config.max_request_body_bytes = BODY_BYTES;
        config.cancellation_token = ended;
        config
    }
}

/// A server that has its port, and does not yet answer.
#[derive(Debug)]
pub struct HttpServer<H = Server> {
    listener: TcpListener,
    address: SocketAddr,
    gate: Gate<H>,
    server: Server,
    /// Ends what is under way once all calls are over.
    aborted: CancellationToken,
}

impl HttpServer {
    /// Takes the port.
    ///
    /// # Errors
    /// [`ServeError::Listen`] if the address cannot be had.
    pub async fn bind(pyro: Pyro, options: ServerOptions, http: HttpOptions) -> Result<Self, ServeError> {
        Self::bind_within(pyro, options, http, |server| server).await
    }
}

impl<H: ServerHandler + Clone> HttpServer<H> {
    /// Takes the port, for a program with a handler of its own around pyro's: `around` gets one for each path. What that
    /// handler does itself ends without notice when the server leaves.
    ///
    /// # Errors
    /// [`ServeError::Listen`] if the address cannot be had.
    pub async fn bind_within(
        pyro: Pyro,
        options: ServerOptions,
        http: HttpOptions,
        around: impl Fn(Server) -> H,
    ) -> Result<Self, ServeError> {
        let failed = |source: io::Error| ServeError::Listen {
            address: http.listen,
            source,
        };
        let listener = TcpListener::bind(http.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let aborted = CancellationToken::new();
        let config = http.config(address, aborted.clone());
        let server = Server::new(pyro, options).without_announced_roots();
        let own = server.profile();
        let less = Profile::ALL.iter().copied().filter(|profile| *profile < own);
        let services = [own].into_iter().chain(less);
        let services = services.map(|profile| (profile, service(around(server.narrowed(profile)), &config)));
        Ok(Self {
            gate: Gate::new(http.token, services.collect()),
            listener,
            address,
            server,
            aborted,
        })
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Serves until `stop` is ready, and returns within 1 s of that; calls under way are cancelled, their VMs removed.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let connections = connections::accept(self.listener, self.gate, stop).await;
        self.server.ended().cancel();
        let ended = async {
            tokio::join!(self.server.calls_ended(), self.server.end_runs());
            connections.finish();
            // Streams that wait for news of a session never end by themselves.
            let _ = tokio::time::timeout(WRITE_WITHIN, connections.ended()).await;
            self.aborted.cancel();
            connections.ended().await;
        };
        if tokio::time::timeout(LEAVE_WITHIN, ended).await.is_err() {
            tracing::warn!("left before every call had ended");
        }
    }
}

fn service<H: ServerHandler + Clone>(server: H, config: &StreamableHttpServerConfig) -> Service<H> {
    let mut session = SessionConfig::default();
    session.keep_alive = Some(SESSION_SILENT);
    let mut sessions = LocalSessionManager::default();
    sessions.session_config = session;
    Service::new(move || Ok(server.clone()), Arc::new(sessions), config.clone())
}
