//! A part of the image file that is written from front to back.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is collected before it is written, in bytes.
const BUFFER: usize = 256 * 1024;

/// Writes one part of a file; several can be open on one file.
#[derive(Debug)]
pub(super) struct AreaWriter {
    /// Where the first byte of the buffer goes.
    offset: u64,
    buffer: Vec<u8>,
}

impl AreaWriter {
    /// Starts at `offset` bytes.
    pub(super) fn new(offset: u64) -> Self {
        Self {
            offset,
            buffer: Vec::with_capacity(BUFFER),
        }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush(file)?;
        }
        if bytes.len() >= BUFFER {
            file.write_all_at(bytes, self.offset)?;
            self.offset += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Appends zeros up to `position`, which is not behind the writer.
    pub(super) fn fill_to(&mut self, file: &File, position: u64) -> io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while self.position() < position {
            let left = position - self.position();
            let step = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            self.write(file, &ZEROS[..step])?;
        }
        Ok(())
    }

    /// Writes what is collected.
    pub(super) fn flush(&mut self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
