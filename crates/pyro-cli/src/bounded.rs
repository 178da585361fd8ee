//! Input of a bounded length: text on the command line, a file of the host, or standard input.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::host_path;

/// The most that a file write or a patch may have, in bytes.
pub(crate) const LIMIT: u64 = 8 << 20;

/// What is given, where it comes from, and what to say if it is missing or too large.
#[derive(Debug)]
pub(crate) struct Bounded {
    /// What it is, as in "the patch".
    pub(crate) what: &'static str,
    /// What to do with more than the limit.
    pub(crate) hint: &'static str,
}

impl Bounded {
    /// The bytes of a text or of a file, of which exactly one is given; `-` is standard input. Never reads more than one
    /// byte over the limit.
    ///
    /// # Errors
    /// `invalid-argument` with `needed` if there is neither, `too-large`, `host-io`.
    pub(crate) fn take(
        &self,
        text: Option<OsString>,
        file: Option<PathBuf>,
        needed: impl FnOnce() -> Failure,
    ) -> Result<Vec<u8>, Failure> {
        match (text, file) {
            (Some(text), _) => self.check(text.into_vec()),
            (None, Some(file)) if file == Path::new("-") => {
                let unreadable = Failure::host("cannot read standard input");
                let bytes = read(io::stdin().lock()).map_err(unreadable)?;
                self.check_read(bytes, None)
            }
            (None, Some(file)) => self.file(&host_path::expand(&file)),
            (None, None) => Err(needed()),
        }
    }

    fn file(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let read_file = || {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            Ok((read(file)?, length))
        };
        let (bytes, length) = read_file().map_err(|source| Failure::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        // What is no regular file has no length, and a file may grow meanwhile.
        self.check_read(bytes, Some(length).filter(|length| *length > LIMIT))
    }

    fn check(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let length = bytes.len() as u64;
        self.check_read(bytes, Some(length))
    }

    fn check_read(&self, bytes: Vec<u8>, given: Option<u64>) -> Result<Vec<u8>, Failure> {
        if bytes.len() as u64 <= LIMIT {
            return Ok(bytes);
        }
        Err(Failure::TooLarge {
            what: self.what,
            given,
            limit: LIMIT,
            hint: self.hint,
        })
    }
}

/// Reads to the end, or to one byte over the limit.
fn read(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use pyro::{Diagnosis, ErrorCode};

    use super::*;

    const PATCH: Bounded = Bounded {
        what: "the patch",
        hint: "split it",
    };

    fn take(text: Option<&str>, file: Option<&Path>) -> Result<Vec<u8>, Failure> {
        let needed = || Failure::invalid("nothing is given", "give something");
        PATCH.take(text.map(OsString::from), file.map(Path::to_path_buf), needed)
    }

    #[test]
    fn a_file_or_a_text_is_taken_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\xff\0\r\n").unwrap();
        assert_eq!(take(None, Some(file.path())).unwrap(), b"\xff\0\r\n");
        assert_eq!(take(Some(" \n"), None).unwrap(), b" \n");
        assert_eq!(take(Some(""), None).unwrap(), b"");
        assert_eq!(take(None, None).unwrap_err().code(), ErrorCode::InvalidArgument);
        let missing = take(None, Some(Path::new("/missing/file"))).unwrap_err();
        assert_eq!(missing.code(), ErrorCode::HostIo);
        assert_eq!(missing.to_string(), "cannot read `/missing/file`");
    }

    #[test]
    fn one_byte_over_the_limit_is_too_large() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LIMIT).unwrap();
        assert_eq!(take(None, Some(file.path())).unwrap().len() as u64, LIMIT);
        file.as_file().set_len(LIMIT + (1 << 20)).unwrap();
        let error = take(None, Some(file.path())).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooLarge);
        assert_eq!(error.to_string(), "the patch has 9.0 MiB, the limit is 8 MiB");
        // What has no length is read to one byte over the limit, and no further.
        let error = take(None, Some(Path::new("/dev/zero"))).unwrap_err();
        assert_eq!(error.to_string(), "the patch has more than 8 MiB");
    }
}
