//! Binary content in patches, as `git diff --binary` prints it.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

use super::cursor::Cursor;
use super::problem::{PatchInvalid, Problem};
use crate::MAX_FILE_BYTES;
use crate::base85;
use crate::blob::BlobId;

/// The most bytes that all binary contents of one patch may unpack to.
const MAX_TOTAL_BYTES: usize = 2 * MAX_FILE_BYTES;

/// How a binary content changes.
#[derive(Debug, Clone)]
pub(crate) struct BinaryBody {
    pub(crate) change: BinaryChange,
    /// The id of the content that it applies to.
    pub(crate) old_id: BlobId,
    /// The id of the content that it makes.
    pub(crate) new_id: BlobId,
}

/// The new content itself, or how it is made.
#[derive(Debug, Clone)]
pub(crate) enum BinaryChange {
    Literal(Vec<u8>),
    Delta(Vec<u8>),
}

/// Reads binary contents, and bounds them over a whole patch.
#[derive(Debug, Default)]
pub(super) struct BinaryReader {
    total: usize,
}

impl BinaryReader {
    /// Reads what follows the line `GIT binary patch` at the cursor.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        ids: Option<(BlobId, BlobId)>,
    ) -> Result<BinaryBody, PatchInvalid> {
        let (old_id, new_id) = ids.ok_or_else(|| cursor.invalid(Problem::BinaryIndex))?;
        cursor.advance();
        let start = *cursor;
        let (is_delta, size, packed) =
            read_packed(cursor)?.ok_or_else(|| start.invalid(Problem::BinaryDamaged))?;
        self.total = self.total.saturating_add(size);
        if size > MAX_FILE_BYTES || self.total > MAX_TOTAL_BYTES {
            return Err(start.invalid(Problem::BinaryTooLarge));
        }
        let content = inflate(&packed, size).ok_or_else(|| start.invalid(Problem::BinaryDamaged))?;
        // The way back, which is not needed.
        cursor.skip_blank();
        read_packed(cursor)?;
        let change = if is_delta {
            BinaryChange::Delta(content)
        } else {
            BinaryChange::Literal(content)
        };
        Ok(BinaryBody {
            change,
            old_id,
            new_id,
        })
    }
}

/// Reads one content, whose lines begin with letters: whether it is a delta, its size unpacked, and its packed bytes.
/// `None` if there is none at the cursor.
fn read_packed(cursor: &mut Cursor<'_>) -> Result<Option<(bool, usize, Vec<u8>)>, PatchInvalid> {
    let (is_delta, size) = match (cursor.field("literal "), cursor.field("delta ")) {
        (Some(size), _) => (false, size),
        (None, Some(size)) => (true, size),
        (None, None) => return Ok(None),
    };
    let size = std::str::from_utf8(size)
        .ok()
        .and_then(|size| size.trim().parse().ok());
    let size = size.ok_or_else(|| cursor.invalid(Problem::BinaryDamaged))?;
    cursor.advance();
    let mut packed = Vec::new();
    let is_content = |line: &&[u8]| line.first().is_some_and(u8::is_ascii_alphabetic);
    while let Some(line) = cursor.peek().filter(is_content) {
        base85::decode_line(&mut packed, line).ok_or_else(|| cursor.invalid(Problem::BinaryDamaged))?;
        cursor.advance();
    }
    Ok(Some((is_delta, size, packed)))
}

/// Unpacks bytes that must give exactly `size` bytes.
fn inflate(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut decoder = ZlibDecoder::new(packed).take(size as u64 + 1);
    decoder.read_to_end(&mut content).ok()?;
    (content.len() == size).then_some(content)
}
