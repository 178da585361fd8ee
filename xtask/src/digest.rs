//! SHA-256 of files and bytes, as hexadecimal text.

use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What identifies a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDigest {
    /// In hexadecimal.
    pub(crate) sha256: String,
    /// In bytes.
    pub(crate) size: u64,
}

impl FileDigest {
    /// Reads the file once.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let mut file = fs::File::open(path)?;
        let mut hasher = Sha256::new();
        let mut size = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            size += count as u64;
        }
        Ok(Self {
            sha256: hex(&hasher.finalize()),
            size,
        })
    }
}

/// The digest of parts, each told apart from the next.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(of_parts(["ab", "c"]), of_parts(["a", "bc"]));
        assert_eq!(of_parts(["ab"]).len(), 64);
    }

    #[test]
    fn a_file_has_the_digest_that_sha256sum_prints() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "pyro\n").unwrap();
        let digest = FileDigest::of(file.path()).unwrap();
        assert_eq!(digest.size, 5);
        assert!(digest.sha256.starts_with("461931602c54"), "{}", digest.sha256);
    }
}
