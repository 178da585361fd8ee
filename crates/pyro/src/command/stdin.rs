//! A command's standard input, as a caller gives it.

use std::fmt;

use tokio::io::AsyncRead;

/// A command's standard input.
pub enum Stdin {
    /// Nothing: the command reads the end at once.
    Empty,
    /// Whatever the reader gives, to its end.
    Reader(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

impl fmt::Debug for Stdin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "Empty",
            Self::Reader(_) => "Reader",
        })
    }
}
