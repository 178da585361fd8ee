//! What a pyro host and the agent in its guest say to each other.
//!
//! ```text
//!  host                                         guest
//!   │  handshake: HostHello ───────────────────▶ │   raw frames on the fresh byte stream
//!   │ ◀─────────────────────────── AgentHello    │
//!   │  HTTP/2 (RFC 9113), host is the client     │
//!   │  POST /pyro.v1/{verb}, one stream a call:  │
//!   │    request body  = frames of HostMessage   │
//!   │    response body = frames of AgentMessage  │
//! ```
//!
//! HTTP/2 gives flow control and cancellation per stream; a reset stream ends the call, never a command. The byte
//! stream may break at any moment (a restored snapshot always breaks it). Then both sides forget the HTTP/2
//! connection, the host opens a new byte stream and starts again with the handshake. Commands survive that: each has a
//! request id chosen by the host, is started at most once, and is found again by [`message::Attach`].
//!
//! Everything the guest sends is hostile: frames are bounded by [`frame::MAX_FRAME_BYTES`], messages are typed, and
//! the host allocates nothing on a guest's word.
#![forbid(unsafe_code)]

pub mod frame;
pub mod handshake;
pub mod message;
pub mod replay;

/// The version of this protocol. A host and an agent talk only if their [`handshake`] finds a common one.
pub const PROTOCOL_VERSION: u32 = 1;

/// The oldest version that this build still speaks.
pub const OLDEST_PROTOCOL_VERSION: u32 = 1;

/// The most bytes of unread data either side may have under way on one stream, in bytes.
///
/// It is the HTTP/2 window of every stream, and so the amount that [`replay::Replay`] must keep to lose nothing when a
/// connection breaks.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// The most data in one message, in bytes.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// The name of the virtio-serial port that carries the byte stream where there is no vsock.
pub const PORT_NAME: &str = "pyro.agent.0";

/// The vsock port where there is vsock: the host's, which the agent dials once before each conversation, and the guest's,
/// on which it listens otherwise.
pub const VSOCK_PORT: u32 = 7_470;
