//! The bearer token that every request over HTTP has to show.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use pyro::{Diagnosis, ErrorCode};

/// How long a token may be. Shorter ones can be guessed.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

/// A secret that clients send as `Authorization: Bearer TOKEN` (RFC 6750). Never shown.
#[derive(Clone)]
pub struct Token(String);

/// A token that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its file cannot be read.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_token_is_the_line_of_a_file_and_is_never_shown() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        for text in ["0123456789abcdef", "0123456789abcdef\n", "0123456789abcdef\r\n"] {
            fs::write(&path, text).unwrap();
            let token = Token::read(&path).unwrap();
            assert!(token.is(b"0123456789abcdef"), "{text:?}");
            assert_eq!(format!("{token:?}"), "Token");
        }
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
