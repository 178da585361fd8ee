//! Layers or a seed in, one EROFS image out: what is in it, and what is refused.
//!
//! Every image is judged by `fsck.erofs` (Debian: `erofs-utils`) and read by a small reader of its own, which shares
//! no code with the writer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is the point of a test, in its helpers too"
)]

mod accounts;
mod format;
mod hostile;
mod image;
mod layer;
mod merge;
mod random;
mod seed;
