//! The MCP server.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use pyro::{Diagnosis, Error, ErrorCode, Pyro};
use pyro_mcp::{DEFAULT_LISTEN, HttpOptions, HttpServer, ServerOptions, Token, serve_stdio};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Request;
use crate::context::Context;
use crate::event::Event;
use crate::failure::CallError;
use crate::server_choice::ServerChoice;

/// How long a server has to leave once it is told to; it leaves within a second of a signal.
const LEAVE_WITHIN: Duration = Duration::from_millis(1500);

/// What a server offers, which is checked when it is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    server: ServerChoice,
}

/// What a server offers, and how it is reached.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Serve {
    server: ServerChoice,
    transport: String,
    listen: Option<String>,
    auth_token: Option<String>,
}

impl Request for Check {
    type Output = ();

    async fn run(self, _: Context) -> Result<(), Error> {
        self.server.options().map(drop)
    }
}

impl Request for Serve {
    type Output = ();

    const ENDS_ITSELF: bool = true;

    async fn run(self, context: Context) -> Result<(), Error> {
        let options = self.server.options()?;
        match (self.transport.as_str(), &self.listen, &self.auth_token) {
            ("http", listen, token) => {
                let http = http(&context.pyro, listen.as_deref(), token.as_deref())?;
                let server = HttpServer::bind(context.pyro.clone(), options, http).await?;
                let events = &context.teller.events;
                let _nobody_listens = events.send(Event::Listening(server.url())).await;
                server.serve(asked_to_leave(context.is_cancelled)?).await;
                Ok(())
            }
            ("stdio", None, None) => on_stdio(context, options).await,
            ("stdio", Some(_), _) => {
                Err(CallError::argument("listen", "it is for `transport=\"http\"`").into())
            }
            ("stdio", None, Some(_)) => {
                Err(CallError::argument("auth_token", "it is for `transport=\"http\"`").into())
            }
            _ => Err(CallError::argument("transport", "must be stdio or http").into()),
        }
    }
}

/// Serves on standard input and output, which ends by signals too. Whoever is told to end by other means has as long.
async fn on_stdio(mut context: Context, options: ServerOptions) -> Result<(), Error> {
    let mut serving = pin!(serve_stdio(context.pyro, options));
    tokio::select! {
        served = &mut serving => return Ok(served?),
        Ok(_) = context.is_cancelled.wait_for(|is_cancelled| *is_cancelled) => {}
    }
    match tokio::time::timeout(LEAVE_WITHIN, serving).await {
        Ok(served) => Ok(served?),
        Err(_) => Ok(()),
    }
}

/// Is ready once the caller takes the call back, or TERM arrives; INT is Python's own.
fn asked_to_leave(mut is_cancelled: watch::Receiver<bool>) -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(NoSignals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = is_cancelled.wait_for(|is_cancelled| *is_cancelled) => {}
        }
    })
}

/// Signals cannot be heard.
#[derive(Debug, thiserror::Error)]
#[error("cannot hear signals")]
struct NoSignals(#[source] std::io::Error);

impl Diagnosis for NoSignals {
    fn code(&self) -> ErrorCode {
        ErrorCode::HostIo
    }
}

/// How the server is reached over HTTP. An address that others reach too needs a token that the caller chose.
fn http(pyro: &Pyro, listen: Option<&str>, token: Option<&str>) -> Result<HttpOptions, Error> {
    let given = listen.unwrap_or(DEFAULT_LISTEN);
    let number = given
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = number.as_deref().unwrap_or(given).parse().map_err(|_| {
        CallError::argument(
            "listen",
            "write an address and a port, as 127.0.0.1:8787 or [::1]:8787",
        )
    })?;
    let token = match token {
        Some(token) => Token::new(token).ok_or_else(|| {
            CallError::argument("auth_token", "it must be 16 to 512 letters, digits and `-._~+/=`")
        })?,
        None if address.ip().is_loopback() => Token::read(&pyro.token_file()?)?,
        None => {
            return Err(
                CallError::argument("auth_token", "other hosts reach this address: give a token").into(),
            );
        }
    };
    Ok(HttpOptions::new(address, token))
}
