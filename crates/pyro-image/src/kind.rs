//! What an error of this crate means to a caller.

/// Says what went wrong in terms a caller can act on.
///
/// Every error enum of this crate has a `kind` method that returns one. The mapping to the codes and hints of a
/// user interface is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageErrorKind {
    /// A name, reference or setting is malformed: the caller's mistake.
    InvalidArgument,
    /// The image, tag or file does not exist.
    NotFound,
    /// The registry wants other credentials.
    Unauthorized,
    /// No connection to the registry or its proxy came about.
    Unreachable,
    /// The registry answered but did not deliver: server errors, throttling, bodies cut short.
    Unavailable,
    /// Content differs from the digest or size that announced it.
    DigestMismatch,
    /// A manifest, configuration or archive is malformed or hostile.
    Invalid,
    /// The content is well formed, but of a kind that cannot be run here.
    Unsupported,
    /// The file system or operating system of the host refused.
    HostIo,
    /// The operation was given up because its caller went away.
    Cancelled,
}
