//! A model server of this host, over plain HTTP.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::http::uri::Scheme;
use hyper::{Method, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use pyro::{Diagnosis, ErrorCode, Result};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::chat::{Completion, Refusal, Request};
use crate::failure::Failure;

/// How long it may take to reach the server.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long an answer may take: a model that was not used for a while is loaded first.
const ANSWER_LIMIT: Duration = Duration::from_secs(600);

/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// The port of `http` where none is given.
const HTTP_PORT: u16 = 80;

/// Where a model is asked.
#[derive(Debug)]
pub(super) struct ModelServer {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// Why a model did not answer.
#[derive(Debug, thiserror::Error)]
enum ModelServerError {
    /// Nobody is there.
    #[error("no model server answers at `{authority}`: {problem}")]
    Unreachable { authority: String, problem: String },
    /// It does not do it.
    #[error("the model server at `{authority}` answered {status}: {message}")]
    Refused {
        authority: String,
        status: StatusCode,
        message: String,
    },
    /// It says something else.
    #[error("the model server at `{authority}` does not speak Chat Completions: {problem}")]
    Nonsense { authority: String, problem: String },
    /// It takes too long.
    #[error("the model server at `{authority}` did not answer in {} s", ANSWER_LIMIT.as_secs())]
    Slow { authority: String },
}

impl Diagnosis for ModelServerError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Slow { .. } => ErrorCode::TimeLimit,
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Nonsense { .. } => ErrorCode::ModelFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Unreachable { .. } => "start it: `ollama serve`; or name another with `--base-url`",
                Self::Refused { .. } => {
                    "fetch the model with `ollama pull NAME`, or choose another with `--model`; it must be able to call tools"
                }
                Self::Nonsense { .. } => "`--base-url` ends before `/chat/completions`, as in http://127.0.0.1:11434/v1",
                Self::Slow { .. } => "choose a smaller model with `--model`",
            }
            .to_owned(),
        )
    }
}

impl ModelServer {
    /// The server whose API begins at a URL.
    ///
    /// # Errors
    /// If that is no URL of plain HTTP.
    pub(super) fn new(base_url: &str) -> Result<Self, Failure> {
        let refused = || {
            Failure::invalid(
                format!("`--base-url` must be http://HOST[:PORT]/PATH, got `{base_url}`"),
                "name a server of this host, as http://127.0.0.1:11434/v1; TLS is not spoken",
            )
        };
        let uri: Uri = base_url.parse().map_err(|_| refused())?;
        let authority = uri.authority().ok_or_else(refused)?;
        if uri.scheme() != Some(&Scheme::HTTP) || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(refused());
        }
        Ok(Self {
            // An address of IPv6 is in brackets there, which a socket does not take.
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(HTTP_PORT),
            authority: authority.to_string(),
            path: format!("{}/chat/completions", uri.path().trim_end_matches('/')),
        })
    }

    /// Asks a model how to go on.
    ///
    /// # Errors
    /// `model-failed`, `time-limit`.
    pub(super) async fn complete(&self, request: &Request<'_>) -> Result<Completion> {
        let answered = timeout(ANSWER_LIMIT, self.exchange(request)).await;
        let answered = answered.unwrap_or_else(|_| {
            let authority = self.authority.clone();
            Err(ModelServerError::Slow { authority })
        });
        Ok(answered?)
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<Completion, ModelServerError> {
        let stream = timeout(CONNECT_LIMIT, TcpStream::connect((self.host.as_str(), self.port))).await;
        let stream = stream
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(|error| self.unreachable(&error))?;
        let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connected.map_err(|error| self.unreachable(&error))?;
        let body = serde_json::to_vec(request).map_err(|error| self.nonsense(&error))?;
        let request = hyper::Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.nonsense(&error))?;
        let answer = async {
            let response = sender.send_request(request).await;
            let response = response.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await;
            let body = body.map_err(|error| self.nonsense(&error))?.to_bytes();
            self.read(status, &body)
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answered = &mut answer => answered,
            // The last of the answer may come with the end of the connection.
            _ended = connection => answer.await,
        }
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Completion, ModelServerError> {
        if status.is_success() {
            return serde_json::from_slice(body).map_err(|error| self.nonsense(&error));
        }
        let said = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.error.message);
        Err(ModelServerError::Refused {
            authority: self.authority.clone(),
            status,
            message: said.unwrap_or_else(|_| "no reason is given".to_owned()),
        })
    }

    fn unreachable(&self, problem: &dyn std::fmt::Display) -> ModelServerError {
        ModelServerError::Unreachable {
            authority: self.authority.clone(),
            problem: problem.to_string(),
        }
    }

    fn nonsense(&self, problem: &dyn std::fmt::Display) -> ModelServerError {
        ModelServerError::Nonsense {
            authority: self.authority.clone(),
            problem: problem.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_where_its_url_says() {
        let at = |url: &str| {
            ModelServer::new(url)
                .map(|server| (server.host, server.port, server.path))
                .ok()
        };
        let completions = |base: &str| format!("{base}/chat/completions");
        assert_eq!(
            at("http://127.0.0.1:11434/v1"),
            Some(("127.0.0.1".to_owned(), 11434, completions("/v1")))
        );
        assert_eq!(
            at("http://[::1]:80/"),
            Some(("::1".to_owned(), 80, completions("")))
        );
        assert_eq!(
            at("http://models"),
            Some(("models".to_owned(), 80, completions("")))
        );
        for refused in [
            "https://127.0.0.1/v1",
            "127.0.0.1:11434",
            "http://u:p@h/v1",
            "http://h/v1?x=1",
            "",
        ] {
            assert_eq!(at(refused), None, "{refused}");
        }
    }
}
