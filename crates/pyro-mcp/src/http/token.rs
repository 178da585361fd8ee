//! The bearer token that every request over HTTP has to show.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use pyro::{Diagnosis, ErrorCode};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::rand::{GetRandomFlags, getrandom};

/// Bytes of a token that is made here, written in hexadecimal.
const RANDOM_BYTES: usize = 32;

/// How long a token may be. Shorter ones can be guessed.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

/// A secret that clients send as `Authorization: Bearer TOKEN` (RFC 6750). Never shown.
#[derive(Clone)]
pub struct Token(String);

/// A token that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its file cannot be read or made.
    #[error("cannot use the token file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it holds is no token.
    #[error("no token in `{}`", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl Diagnosis for TokenError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::File { .. } => ErrorCode::HostIo,
            Self::Malformed { .. } => ErrorCode::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File { .. } => None,
            Self::Malformed { .. } => Some(
                "it must be one line of 16 to 512 letters, digits and `-._~+/=`, as of `openssl rand -hex 32`".to_owned(),
            ),
        }
    }
}

impl Token {
    /// The token that a file holds, in its one line.
    ///
    /// # Errors
    /// [`TokenError`] if the file cannot be read, or holds anything else.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(*LENGTH.end() as u64 + 3).read_to_string(&mut text))
            .map_err(|source| TokenError::File {
                path: path.to_owned(),
                source,
            })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        Self::new(line).ok_or_else(|| TokenError::Malformed {
            path: path.to_owned(),
        })
    }

    /// The token that a file holds; a random one is written to it if it is not there yet, for the owner alone.
    ///
    /// # Errors
    /// As [`Token::read`], and if the file cannot be made.
    pub fn read_or_make(path: &Path) -> Result<Self, TokenError> {
        if !fs::exists(path).unwrap_or(true) {
            make(path).map_err(|source| TokenError::File {
                path: path.to_owned(),
                source,
            })?;
        }
        Self::read(path)
    }

    /// A token of these characters; `None` if it is none.
    pub fn new(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let is_token = LENGTH.contains(&text.len()) && text.bytes().all(is_allowed);
        is_token.then(|| Self(text.to_owned()))
    }

    /// Whether this is what a client sent, in a time that tells nothing but the length.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        let ours = self.0.as_bytes();
        let differing = ours
            .iter()
            .zip(given)
            .fold(0, |bits, (one, other)| bits | (one ^ other));
        std::hint::black_box(differing) == 0 && ours.len() == given.len()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

/// Writes a random token to a file that is whole as soon as it is there. One that another process made meanwhile stays.
fn make(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut random = [0; RANDOM_BYTES];
    getrandom(&mut random, GetRandomFlags::empty())?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.tmp", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| {
            writeln!(file, "{token}")?;
            file.sync_all()
        })
        .and_then(
            |()| match renameat_with(CWD, &unfinished, CWD, path, RenameFlags::NOREPLACE) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
                Err(error) => Err(error.into()),
            },
        );
    // Where it was renamed there is none.
    fs::remove_file(&unfinished).ok();
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/token");
        let token = Token::read_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(Token::read_or_make(&path).unwrap().is(token.0.as_bytes()));
        assert_eq!(token.0.len(), 2 * RANDOM_BYTES);
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        let long = "a".repeat(513);
        for text in [
            "",
            "\n",
            "short",
            "with space 0123456789",
            "two-lines-of-it\n0123456789",
            "ümläut-0123456789",
            &long,
        ] {
            fs::write(&path, text).unwrap();
            let error = Token::read(&path).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{text}");
            assert!(
                text.trim().is_empty() || !error.to_string().contains(text.trim()),
                "{error}"
            );
        }
        let absent = Token::read(&home.path().join("absent")).unwrap_err();
        assert_eq!(absent.code(), ErrorCode::HostIo);
    }

    #[test]
    fn only_the_very_same_is_the_token() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
    }
}
