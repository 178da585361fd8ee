//! Sparse files: the maps of the old GNU format and of its version 1.0.

use tar::{GnuSparseHeader, Header};

use super::content::{Content, Extent};
use super::header::BLOCK;
use super::stream::LayerStream;
use super::{LayerError, number};

/// How many extents a file may have; far more than tar writes, few enough to hold.
const EXTENTS_MAX: usize = 1 << 20;

/// Reads the map of an entry of type `S`, which continues in blocks after the header.
pub(super) fn old_map(
    stream: &mut LayerStream<'_>,
    header: &Header,
    stored: u64,
    name: &[u8],
) -> Result<Content, LayerError> {
    let invalid = || invalid(name);
    let gnu = header.as_gnu().ok_or_else(invalid)?;
    let mut extents = Vec::new();
    extend(&mut extents, &gnu.sparse).ok_or_else(invalid)?;
    let mut more = gnu.is_extended();
    while more {
        let mut block = tar::GnuExtSparseHeader::new();
        stream.read_exact(block.as_mut_bytes())?;
        extend(&mut extents, block.sparse()).ok_or_else(invalid)?;
        more = block.is_extended();
    }
    let size = unsigned(&gnu.realsize).ok_or_else(invalid)?;
    Content::sparse(size, extents, stored).ok_or_else(invalid)
}

/// Reads the map of version 1.0, which stands in front of the content: the number of extents, then offset and length
/// of each, all decimal and ended by line feeds, filled up to a whole block.
pub(super) fn new_map(
    stream: &mut LayerStream<'_>,
    size: u64,
    stored: u64,
    name: &[u8],
) -> Result<Content, LayerError> {
    let invalid = || invalid(name);
    let mut map = MapReader {
        stream,
        block: [0; BLOCK],
        next: BLOCK,
        left: stored,
    };
    let count = map.number()?.ok_or_else(invalid)?;
    if count > EXTENTS_MAX as u64 {
        return Err(invalid());
    }
    let mut extents = Vec::new();
    for _ in 0..count {
        let offset = map.number()?.ok_or_else(invalid)?;
        let length = map.number()?.ok_or_else(invalid)?;
        extents.push(Extent { offset, length });
    }
    let left = map.left;
    Content::sparse(size, extents, left).ok_or_else(invalid)
}

/// Reads numbers from blocks in front of the content.
struct MapReader<'a, 'b> {
    stream: &'a mut LayerStream<'b>,
    block: [u8; BLOCK],
    next: usize,
    left: u64,
}

impl MapReader<'_, '_> {
    fn number(&mut self) -> Result<Option<u64>, LayerError> {
        let mut digits = Vec::with_capacity(20);
        loop {
            match self.byte()? {
                Some(b'\n') => return Ok(number::decimal(&digits)),
                Some(digit) if digits.len() < 20 => digits.push(digit),
                _ => return Ok(None),
            }
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, LayerError> {
        if self.next == BLOCK {
            let Some(left) = self.left.checked_sub(BLOCK as u64) else {
                return Ok(None);
            };
            self.stream.read_exact(&mut self.block)?;
            self.left = left;
            self.next = 0;
        }
        self.next += 1;
        Ok(Some(self.block[self.next - 1]))
    }
}

fn extend(extents: &mut Vec<Extent>, map: &[GnuSparseHeader]) -> Option<()> {
    for slot in map.iter().filter(|slot| !slot.is_empty()) {
        extents.push(Extent {
            offset: unsigned(&slot.offset)?,
            length: unsigned(&slot.numbytes)?,
        });
    }
    (extents.len() <= EXTENTS_MAX).then_some(())
}

fn unsigned(field: &[u8]) -> Option<u64> {
    u64::try_from(number::field(field)?).ok()
}

fn invalid(name: &[u8]) -> LayerError {
    LayerError::Sparse {
        name: String::from_utf8_lossy(name).into_owned(),
    }
}
