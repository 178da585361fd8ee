//! SHA-256 of whole files.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// Reads to the end and returns the digest, as 64 lowercase digits, and the length in bytes.
///
/// # Errors
/// Whatever reading gave.
pub(crate) fn sha256(mut source: impl Read) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..count]);
        length += count as u64;
    }
    Ok((
        hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        length,
    ))
}
