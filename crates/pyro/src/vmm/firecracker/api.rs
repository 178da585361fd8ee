//! Firecracker's API: HTTP/1.1 over a unix socket, with JSON in both directions.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use super::super::VmmError;

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A connection to the API. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Api {
    requests: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

impl Api {
    /// Speaks HTTP over this stream. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`VmmError::Channel`] if it does not begin.
    pub(super) async fn new(stream: UnixStream) -> Result<Self, VmmError> {
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // How it ended is seen by the next request.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self {
            requests,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// [`VmmError`] if Firecracker is gone or refuses.
    pub(super) async fn get(&mut self, path: &'static str) -> Result<Value, VmmError> {
        self.exchange(Method::GET, path, Bytes::new()).await
    }

    /// Gives a part of the machine, or an order.
    ///
    /// # Errors
    /// [`VmmError`] if Firecracker is gone or refuses.
    pub(super) async fn put(&mut self, path: &'static str, body: &Value) -> Result<(), VmmError> {
        let body = body.to_string().into();
        self.exchange(Method::PUT, path, body).await.map(drop)
    }

    /// Changes something of the machine.
    ///
    /// # Errors
    /// [`VmmError`] if Firecracker is gone or refuses.
    pub(super) async fn patch(&mut self, path: &'static str, body: &Value) -> Result<(), VmmError> {
        let body = body.to_string().into();
        self.exchange(Method::PATCH, path, body).await.map(drop)
    }

    async fn exchange(&mut self, method: Method, path: &'static str, body: Bytes) -> Result<Value, VmmError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("every method and path here is valid");
        self.requests.ready().await.map_err(broken)?;
        let answer = self.requests.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| VmmError::Channel(std::io::Error::other(error)))?;
        let body = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        Err(VmmError::Refused {
            request: path,
            answer: fault(status, &body),
        })
    }
}

/// What an answer says went wrong.
fn fault(status: StatusCode, body: &Value) -> String {
    let message = body.get("fault_message").and_then(Value::as_str);
    message.map_or_else(|| status.to_string(), |message| message.trim().to_owned())
}

fn broken(error: hyper::Error) -> VmmError {
    VmmError::Channel(std::io::Error::other(error))
}
