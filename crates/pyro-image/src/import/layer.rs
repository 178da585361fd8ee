//! One tar on its way into the store: copied, hashed as it is and as it is without compression, in one pass.

use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::ImportError;
use crate::blob::{BlobError, BlobStore, CHUNK, Partial};
use crate::digest::{Digest, DigestHasher};
use crate::file_error::{FileAction, FileError};
use crate::image::{Compression, Layer, LayerMediaType};

/// Stores the tar that `source` delivers. `inspect` sees it without compression, and `accept` what came of it; either
/// may refuse it. `inspect` need not read to the end.
pub(super) fn import(
    store: &BlobStore,
    source: impl Read,
    path: &Path,
    inspect: impl FnOnce(&mut dyn Read) -> Result<(), ImportError>,
    accept: impl FnOnce(&Layer) -> Result<(), ImportError>,
) -> Result<Layer, ImportError> {
    let mut partial = Partial::create(&store.partial_dir(), u64::MAX)?;
    let mut tee = Tee {
        source,
        partial: &mut partial,
        failure: None,
    };
    let examined = examine(&mut tee, path, inspect);
    let outcome = match tee.failure {
        Some(Failure::Write(error)) => Err(error.into()),
        Some(Failure::Read(source)) => Err(FileError {
            action: FileAction::Read,
            path: path.to_path_buf(),
            source,
        }
        .into()),
        None => examined,
    };
    let outcome = outcome.and_then(|(compression, diff_id)| {
        let (digest, size_bytes) = (partial.digest(), partial.written());
        let layer = Layer {
            digest,
            diff_id,
            size_bytes,
            media_type: media_type(compression),
        };
        accept(&layer).map(|()| layer)
    });
    match outcome {
        Ok(layer) => {
            partial.publish(store, None)?;
            Ok(layer)
        }
        Err(error) => {
            partial.discard()?;
            Err(error)
        }
    }
}

fn examine(
    tee: &mut Tee<'_, impl Read>,
    path: &Path,
    inspect: impl FnOnce(&mut dyn Read) -> Result<(), ImportError>,
) -> Result<(Compression, Digest), ImportError> {
    let unreadable = |source| ImportError::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let (compression, mut decoded) = decode(&mut *tee).map_err(unreadable)?;
    let mut hashed = Hashed {
        source: &mut decoded,
        hasher: DigestHasher::new(),
    };
    inspect(&mut hashed)?;
    io::copy(&mut hashed, &mut io::sink()).map_err(unreadable)?;
    let diff_id = hashed.hasher.finish();
    drop(decoded);
    // What follows the compressed stream belongs to the blob all the same.
    io::copy(tee, &mut io::sink()).map_err(unreadable)?;
    Ok((compression, diff_id))
}

/// Recognises and removes the compression of a stream.
pub(super) fn decode<'a>(mut source: impl Read + 'a) -> io::Result<(Compression, Box<dyn Read + 'a>)> {
    let mut head = Vec::new();
    source.by_ref().take(4).read_to_end(&mut head)?;
    let compression = Compression::of_magic(&head);
    let whole = BufReader::with_capacity(CHUNK, Cursor::new(head).chain(source));
    let decoded: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(whole)?),
    };
    Ok((compression, decoded))
}

fn media_type(compression: Compression) -> LayerMediaType {
    match compression {
        Compression::None => LayerMediaType::OciTar,
        Compression::Gzip => LayerMediaType::OciTarGzip,
        Compression::Zstd => LayerMediaType::OciTarZstd,
    }
}

enum Failure {
    Read(io::Error),
    Write(BlobError),
}

/// Writes what is read to a partial blob, and keeps the error that decoders would disguise.
struct Tee<'a, R> {
    source: R,
    partial: &'a mut Partial,
    failure: Option<Failure>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let failure = match self.source.read(buffer) {
            Ok(count) => match self.partial.write(&buffer[..count]) {
                Ok(()) => return Ok(count),
                Err(error) => Failure::Write(error),
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => Failure::Read(error),
        };
        self.failure = Some(failure);
        Err(io::Error::other("copying failed"))
    }
}

/// Hashes what is read.
struct Hashed<R> {
    source: R,
    hasher: DigestHasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
