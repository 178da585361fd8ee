//! Content digests as the OCI specifications spell them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::kind::ImageErrorKind;

/// Identifies content by its SHA-256 hash, spelled `sha256:` and 64 lower-case hexadecimal digits.
///
/// It is the only thing that this crate turns into a file name of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Computes the digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = DigestHasher::new();
        hasher.update(content);
        hasher.finish()
    }

    /// Returns the 64 hexadecimal digits without the algorithm.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string does not fail");
            text
        })
    }

    /// Parses 64 lower-case hexadecimal digits without the algorithm.
    ///
    /// # Errors
    /// [`DigestError::Malformed`] for anything else.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed { given: shorten(hex) };
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return Err(malformed());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = nibble(pair[0]).ok_or_else(malformed)?;
            let low = nibble(pair[1]).ok_or_else(malformed)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text.split_once(':') {
            Some(("sha256", hex)) => Self::from_hex(hex),
            Some((algorithm @ ("sha384" | "sha512" | "blake3"), _)) => Err(DigestError::Algorithm {
                algorithm: algorithm.to_owned(),
            }),
            _ => Err(DigestError::Malformed { given: shorten(text) }),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Reports text that is not a usable digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The text is not of the form `sha256:` and 64 lower-case hexadecimal digits.
    #[error("`{given}` is not `sha256:` and 64 lower-case hexadecimal digits")]
    Malformed {
        /// What was given, shortened.
        given: String,
    },
    /// The text names an algorithm other than SHA-256.
    #[error("digest algorithm `{algorithm}` is not supported, only `sha256` is")]
    Algorithm {
        /// The algorithm named.
        algorithm: String,
    },
}

impl DigestError {
    /// Returns what this error means to a caller.
    pub fn kind(&self) -> ImageErrorKind {
        match self {
            Self::Malformed { .. } => ImageErrorKind::InvalidArgument,
            Self::Algorithm { .. } => ImageErrorKind::Unsupported,
        }
    }
}

/// Computes a digest piece by piece.
#[derive(Clone, Debug)]
pub(crate) struct DigestHasher(Sha256);

impl DigestHasher {
    /// Starts with no content.
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    /// Appends `content`.
    pub(crate) fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// Returns the digest of everything appended.
    pub(crate) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Keeps hostile text short in messages.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_and_digest_agree() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::of(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{EMPTY}\""));
        assert_eq!(
            serde_json::from_str::<Digest>(&format!("\"{EMPTY}\"")).unwrap(),
            digest
        );
    }

    #[test]
    fn anything_but_sha256_and_64_lower_case_digits_is_refused() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let long = format!("{EMPTY}0");
        for text in [
            "",
            "sha256:",
            "sha256:../../etc/passwd",
            &EMPTY[..70],
            &long,
            &upper,
            &EMPTY[7..],
        ] {
            assert!(
                matches!(text.parse::<Digest>(), Err(DigestError::Malformed { .. })),
                "{text}"
            );
        }
        assert_eq!(
            "sha512:00".parse::<Digest>(),
            Err(DigestError::Algorithm {
                algorithm: "sha512".to_owned()
            })
        );
    }

    #[test]
    fn a_digest_with_wide_characters_is_refused_without_a_panic() {
        Digest::from_hex(&"é".repeat(32)).unwrap_err();
        format!("sha256:{}", "é".repeat(400))
            .parse::<Digest>()
            .unwrap_err();
    }
}
