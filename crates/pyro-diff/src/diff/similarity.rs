//! How alike two contents are.

use std::hash::{DefaultHasher, Hasher as _};

use memchr::memchr;

/// The longest piece of a content that is compared as one, in bytes.
const CHUNK_BYTES: usize = 64;

/// A content as the set of its lines, long ones in pieces, without their order.
///
/// Pieces are told apart by a hash with a known key. A guest that makes two of them collide gets a rename shown that is
/// none, and a patch that is right all the same.
#[derive(Debug)]
pub(super) struct Sketch {
    size: usize,
    /// Hashes, each once and in order, with the bytes that they stand for.
    chunks: Vec<(u64, u32)>,
}

impl Sketch {
    /// Reads a content.
    pub(super) fn of(content: &[u8]) -> Self {
        let mut all = Vec::new();
        let mut rest = content;
        while !rest.is_empty() {
            let window = &rest[..rest.len().min(CHUNK_BYTES)];
            let length = memchr(b'\n', window).map_or(window.len(), |index| index + 1);
            let (chunk, after) = rest.split_at(length);
            let mut hasher = DefaultHasher::new();
            hasher.write(chunk);
            all.push((hasher.finish(), u32::try_from(length).unwrap_or(u32::MAX)));
            rest = after;
        }
        all.sort_unstable();
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        all.shrink_to_fit();
        Self {
            size: content.len(),
            chunks: all,
        }
    }

    /// The steps that a comparison with this content takes.
    pub(super) fn steps(&self) -> usize {
        self.chunks.len() + 1
    }

    /// How much of the larger content the other has too, in whole percent.
    pub(super) fn similarity(&self, other: &Self) -> u8 {
        let (mut left, mut right) = (self.chunks.iter().peekable(), other.chunks.iter().peekable());
        let mut common = 0_u64;
        while let (Some(one), Some(two)) = (left.peek(), right.peek()) {
            if one.0 == two.0 {
                common += u64::from(one.1.min(two.1));
            }
            let (next_left, next_right) = (one.0 <= two.0, two.0 <= one.0);
            if next_left {
                left.next();
            }
            if next_right {
                right.next();
            }
        }
        let larger = self.size.max(other.size).max(1) as u64;
        u8::try_from(common * 100 / larger).unwrap_or(100).min(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(one: &str, two: &str) -> u8 {
        Sketch::of(one.as_bytes()).similarity(&Sketch::of(two.as_bytes()))
    }

    #[test]
    fn similarity_is_the_shared_part_of_the_larger_content() {
        assert_eq!(similarity("a\nb\n", "b\na\n"), 100);
        assert_eq!(similarity("a\nb\n", "a\nb\nc\nd\n"), 50);
        assert_eq!(similarity("a\na\n", "a\nb\n"), 50);
        assert_eq!(similarity("a\n", "b\n"), 0);
        assert_eq!(similarity("", ""), 0);
    }
}
