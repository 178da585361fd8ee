//! The roots that a client announces.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::RequestContext;

/// How long a client may take to name its roots; without them the call goes on.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(2);

/// Asks the client for its roots; those that are there, or `None` if it does not answer.
#[expect(
    deprecated,
    reason = "sessions of the handshake revisions have no other way to say it"
)]
pub(super) async fn ask(context: &RequestContext<RoleServer>) -> Option<Vec<PathBuf>> {
    match tokio::time::timeout(ANNOUNCED_WITHIN, context.peer.list_roots()).await {
        Ok(Ok(listed)) => Some(
            listed
                .roots
                .iter()
                .filter_map(|root| path_of(&root.uri)?.canonicalize().ok())
                .collect(),
        ),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the client did not name its roots");
            None
        }
        Err(_) => {
            tracing::debug!("the client did not name its roots in time");
            None
        }
    }
}

/// The path of a `file:` URI of this host (RFC 8089).
pub(super) fn path_of(uri: &str) -> Option<PathBuf> {
    let (scheme, rest) = uri.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("file") {
        return None;
    }
    let (host, _) = rest.split_at(rest.find('/')?);
    if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
        return None;
    }
    let mut bytes = rest[host.len()..].bytes();
    let mut path = Vec::new();
    while let Some(byte) = bytes.next() {
        path.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            plain => plain,
        });
    }
    Some(PathBuf::from(OsString::from_vec(path)))
}
