//! The uncompressed bytes of a layer: decoded, counted, bounded and hashed.

use std::borrow::BorrowMut;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{LayerError, Monitor};

/// How much of the blob one read takes, in bytes; also how often the wish to stop is looked at.
const INPUT_BUFFER: usize = 128 * 1024;

/// How a blob is stored, told by its first bytes.
///
/// The media type of a descriptor is not asked: it is a claim, and registries hold layers whose claim is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A tar archive as it is.
    Plain,
    /// One or more gzip members (RFC 1952).
    Gzip,
    /// One or more zstd frames (RFC 8878).
    Zstd,
}

impl Compression {
    /// Recognises the format from the first bytes of a blob; what is neither gzip nor zstd is taken as tar.
    pub(crate) fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Whether the uncompressed bytes are hashed on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hashing {
    On,
    Off,
}

/// The uncompressed bytes of one layer.
pub(crate) struct LayerStream<'a> {
    path: PathBuf,
    compression: Compression,
    decoder: Box<dyn Read + 'a>,
    hash: Option<Sha256>,
    offset: u64,
    allowance: u64,
    limit: u64,
}

impl fmt::Debug for LayerStream<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LayerStream")
            .field("path", &self.path)
            .field("compression", &self.compression)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl<'a> LayerStream<'a> {
    /// Opens the blob `path`. No more than `allowance` bytes may come out; `limit` is what the error then names.
    pub(crate) fn open<'b: 'a>(
        path: &Path,
        monitor: impl BorrowMut<Monitor<'b>> + 'a,
        hashing: Hashing,
        allowance: u64,
        limit: u64,
    ) -> Result<Self, LayerError> {
        let read_error = |source| LayerError::Read {
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(read_error)?;
        let mut input = BufReader::with_capacity(INPUT_BUFFER, Source { file, monitor });
        let start = input.fill_buf().map_err(|source| interpret(source, read_error))?;
        let compression = Compression::detect(start);
        let decoder: Box<dyn Read + 'a> = match compression {
            Compression::Plain => Box::new(input),
            // Layers that can be fetched in parts, and those of pigz, have many members.
            Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
            Compression::Zstd => {
                Box::new(zstd::stream::read::Decoder::with_buffer(input).map_err(read_error)?)
            }
        };
        Ok(Self {
            path: path.to_path_buf(),
            compression,
            decoder,
            hash: (hashing == Hashing::On).then(Sha256::new),
            offset: 0,
            allowance,
            limit,
        })
    }

    /// How many uncompressed bytes have been read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads some bytes into `buffer`; zero only at the end of the stream.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        let count = loop {
            match self.decoder.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|source| self.error(source))?,
            }
        };
        self.offset += count as u64;
        if self.offset > self.allowance {
            return Err(LayerError::TooLarge { limit: self.limit });
        }
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..count]);
        }
        Ok(count)
    }

    /// Fills `buffer` as far as the stream reaches and returns the length filled.
    pub(crate) fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Fills `buffer`, or fails because the archive ends early.
    pub(crate) fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), LayerError> {
        if self.read_full(buffer)? < buffer.len() {
            return Err(self.truncated());
        }
        Ok(())
    }

    /// Passes over `count` bytes, or fails because the archive ends early.
    pub(crate) fn skip(&mut self, mut count: u64) -> Result<(), LayerError> {
        let mut scratch = [0; 32 * 1024];
        while count > 0 {
            let step = usize::try_from(count).map_or(scratch.len(), |left| left.min(scratch.len()));
            match self.read(&mut scratch[..step])? {
                0 => return Err(self.truncated()),
                read => count -= read as u64,
            }
        }
        Ok(())
    }

    /// Reads to the end, which also makes the decoder check its trailer. Returns the uncompressed length in bytes and,
    /// when hashing was on, the digest in hexadecimal.
    pub(crate) fn finish(mut self) -> Result<(u64, Option<String>), LayerError> {
        let mut scratch = [0; 32 * 1024];
        while self.read(&mut scratch)? > 0 {}
        let digest = self.hash.map(|hash| hexadecimal(&hash.finalize()));
        Ok((self.offset, digest))
    }

    /// The error of an archive that stops here.
    pub(crate) fn truncated(&self) -> LayerError {
        LayerError::Truncated { offset: self.offset }
    }

    fn error(&self, source: io::Error) -> LayerError {
        let path = self.path.clone();
        let compression = self.compression;
        interpret(source, |source| match compression {
            Compression::Plain => LayerError::Read { path, source },
            Compression::Gzip | Compression::Zstd => LayerError::Decompress {
                path,
                compression,
                source,
            },
        })
    }
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

/// Marks the wish to stop on its way through a decoder, which only passes `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
struct CancelMark;

fn interpret(source: io::Error, other: impl FnOnce(io::Error) -> LayerError) -> LayerError {
    if source.get_ref().is_some_and(|inner| inner.is::<CancelMark>()) {
        LayerError::Cancelled
    } else {
        other(source)
    }
}

/// The blob as stored, watched by the monitor.
struct Source<M> {
    file: File,
    monitor: M,
}

impl<'a, M: BorrowMut<Monitor<'a>>> Read for Source<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.monitor.borrow().is_cancelled() {
            return Err(io::Error::other(CancelMark));
        }
        let count = self.file.read(buffer)?;
        self.monitor.borrow_mut().advance(count);
        Ok(count)
    }
}
