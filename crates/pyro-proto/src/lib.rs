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
//!   │  or, for one command and nothing beside it:│
//!   │    frames of HostMessage ────────────────▶ │   configure, then exec
//!   │ ◀──────────────── frames of AgentMessage   │
//! ```
//!
//! The agent tells the two by the first byte after the handshake: HTTP/2 begins with a `P`, a frame with a zero. What is
//! said in plain frames is the same as in an `exec` call, without standard input. A host that wants anything else while
//! the command runs, and any host once [`PLAIN_OUTPUT_BYTES`] of output have come, opens a new byte stream and finds the
//! command again over HTTP/2.
//!
//! HTTP/2 gives flow control and cancellation per stream; a reset stream ends the call, never a command. The byte
//! stream may break at any moment (a restored snapshot always breaks it). Then both sides forget the HTTP/2
//! connection, the host opens a new byte stream and starts again with the handshake. Commands survive that: each has a
//! request id chosen by the host, is started at most once, and is found again by [`message::Attach`].
//!
//! Everything the guest sends is hostile: frames are bounded by [`frame::MAX_FRAME_BYTES`], messages are typed, and
//! the host allocates nothing on a guest's word.
#![forbid(unsafe_code)]

pub mod file;
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

/// How much output a command in plain frames may have before the agent says [`message::Done`] and ends the
/// conversation, in bytes: nothing bounds there what is under way, and less than is kept may be lost with a broken stream.
pub const PLAIN_OUTPUT_BYTES: u64 = STREAM_WINDOW_BYTES as u64 / 2;

/// The most data in one message, in bytes.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// The name of the virtio-serial port that carries the byte stream where there is no vsock.
pub const PORT_NAME: &str = "pyro.agent.0";

/// The vsock port where there is vsock: the host's, which the agent dials once before each conversation, and the guest's,
/// on which it listens otherwise.
pub const VSOCK_PORT: u32 = 7_470;
