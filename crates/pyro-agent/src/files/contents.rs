//! Compares the contents of two files.

use std::fs::File;
use std::io::{self, Read};

/// How much of each is compared at once, in bytes.
const COMPARED_BYTES: usize = 64 * 1024;

/// Room for what is compared.
#[derive(Debug)]
pub(super) struct Contents {
    one: Vec<u8>,
    other: Vec<u8>,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            one: vec![0; COMPARED_BYTES],
            other: vec![0; COMPARED_BYTES],
        }
    }
}

impl Contents {
    /// Whether both files have the same content, as far as can be said while somebody writes to them.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn are_same(&mut self, mut one: File, mut other: File) -> io::Result<bool> {
        loop {
            let length = fill(&mut one, &mut self.one)?;
            if length != fill(&mut other, &mut self.other)? || self.one[..length] != self.other[..length] {
                return Ok(false);
            }
            if length < self.one.len() {
                return Ok(true);
            }
        }
    }
}

/// Reads until the buffer is full, or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn contents_differ_by_any_byte_and_by_length() {
        let files = tempfile::tempdir().unwrap();
        let open = |name: &str, content: &[u8]| {
            let path = files.path().join(name);
            fs::write(&path, content).unwrap();
            File::open(path).unwrap()
        };
        let mut contents = Contents::default();
        for length in [0, 1, COMPARED_BYTES, COMPARED_BYTES + 1, 3 * COMPARED_BYTES] {
            let content = vec![7; length];
            let mut last = content.clone();
            last.push(8);
            assert!(
                contents
                    .are_same(open("a", &content), open("b", &content))
                    .unwrap()
            );
            assert!(!contents.are_same(open("a", &content), open("b", &last)).unwrap());
            let mut other = last.clone();
            other[length] = 9;
            assert!(!contents.are_same(open("a", &other), open("b", &last)).unwrap());
        }
    }
}
