//! The names that Git gives to contents.

use sha1::{Digest as _, Sha1};

/// The id of a content in a Git repository, in hexadecimal.
pub(crate) type BlobId = [u8; 40];

/// The id that stands for "no such file".
pub(crate) const NO_BLOB: BlobId = [b'0'; 40];

/// The id under which Git would store `content`.
pub(crate) fn blob_id(content: &[u8]) -> BlobId {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    let mut hex = NO_BLOB;
    for (pair, byte) in hex.chunks_exact_mut(2).zip(hasher.finalize()) {
        let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        assert_eq!(&blob_id(b""), b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(&blob_id(b"hello\n"), b"ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
