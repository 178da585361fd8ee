//! What a request over HTTP has to have before it reaches the protocol: the token, and a path that is served.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::Incoming;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use super::token::Token;
use crate::profile::Profile;

/// Where the protocol is served; a profile may follow.
pub(super) const PATH: &str = "/mcp";

/// What is sent back.
pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The protocol, with the tools of one profile.
pub(super) type Service<H> = StreamableHttpService<H, LocalSessionManager>;

/// All that is served. Cheap to clone.
pub(super) struct Gate<H> {
    token: Token,
    /// Of the profile that the server was started with, and of all that have less; the former first.
    services: Arc<[(Profile, Service<H>)]>,
}

impl<H> Clone for Gate<H> {
    fn clone(&self) -> Self {
        Self {
            token: self.token.clone(),
            services: Arc::clone(&self.services),
        }
    }
}

impl<H: ServerHandler> Gate<H> {
    /// In front of these services; the first is that of the path without a profile.
    pub(super) fn new(token: Token, services: Vec<(Profile, Service<H>)>) -> Self {
        Self {
            token,
            services: services.into(),
        }
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        // Whoever has no token learns nothing of what is here.
        if !bearer(request.headers()).is_some_and(|given| self.token.is(given)) {
            return unauthorized();
        }
        match self.service(request.uri().path()) {
            Ok(service) => service.handle(request).await,
            Err((status, message)) => refusal(status, &message),
        }
    }

    /// What serves a path, or why nothing does.
    fn service(&self, path: &str) -> Result<&Service<H>, (StatusCode, String)> {
        let absent = || {
            let message = format!("nothing here: MCP is at {PATH} and {PATH}/PROFILE\n");
            (StatusCode::NOT_FOUND, message)
        };
        let rest = path.strip_prefix(PATH).ok_or_else(absent)?;
        let name = match rest.strip_suffix('/').unwrap_or(rest) {
            "" => self.services.first().map_or("", |(profile, _)| profile.as_str()),
            rest => rest.strip_prefix('/').ok_or_else(absent)?,
        };
        let profile: Profile = name
            .parse()
            .map_err(|error| (StatusCode::NOT_FOUND, format!("{error}\n")))?;
        let found = self.services.iter().find(|(known, _)| *known == profile);
        found.map(|(_, service)| service).ok_or_else(|| {
            let message = format!(
                "this server was started with less than {profile}; a path may only narrow its tools\n"
            );
            (StatusCode::FORBIDDEN, message)
        })
    }
}

impl<H> std::fmt::Debug for Gate<H> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// The token of the one `Authorization` header of the scheme `Bearer`, whose name has no case (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

fn unauthorized() -> Answer {
    let mut answer = refusal(
        StatusCode::UNAUTHORIZED,
        "send the token of the server as `Authorization: Bearer TOKEN`\n",
    );
    let challenge = http::HeaderValue::from_static("Bearer realm=\"pyro\"");
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    answer
}

fn refusal(status: StatusCode, message: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(message.to_owned())).boxed());
    *answer.status_mut() = status;
    let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, text);
    answer
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let pairs = values
            .iter()
            .map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
        pairs.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    #[test]
    fn a_token_is_taken_from_one_header_of_its_scheme() {
        for value in ["Bearer secret", "bearer secret", "BEARER  secret "] {
            assert_eq!(bearer(&headers(&[value])), Some(b"secret".as_slice()), "{value}");
        }
        for values in [
            &[][..],
            &["secret"],
            &["Basic secret"],
            &["Bearer"],
            &["Bearer secret", "Bearer secret"],
        ] {
            assert_eq!(bearer(&headers(values)), None, "{values:?}");
        }
    }
}
