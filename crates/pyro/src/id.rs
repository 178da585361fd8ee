//! Identifiers as types: what is not one of these never reaches a path or a command line.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Diagnosis, ErrorCode};
use crate::random;

/// Twelve lowercase hexadecimal digits that name a VM.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VmId([u8; 12]);

impl VmId {
    /// Makes a new one from the system's secure random source.
    pub fn random() -> Self {
        let mut bytes = [0_u8; 6];
        random::fill(&mut bytes);
        let mut digits = [0_u8; 12];
        for (index, byte) in bytes.into_iter().enumerate() {
            digits[2 * index] = hex_digit(byte >> 4);
            digits[2 * index + 1] = hex_digit(byte & 0xf);
        }
        Self(digits)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 0xf)]
}

/// Text that is no identifier.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not an id")]
pub struct InvalidId {
    /// What was given.
    pub text: String,
}

impl Diagnosis for InvalidId {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidId
    }

    fn hint(&self) -> Option<String> {
        Some("ids have 12 hexadecimal digits, in lower case".to_owned())
    }
}

impl FromStr for VmId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits: [u8; 12] = text.as_bytes().try_into().map_err(|_| InvalidId {
            text: text.to_owned(),
        })?;
        let valid = digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self(digits))
        } else {
            Err(InvalidId {
                text: text.to_owned(),
            })
        }
    }
}

impl fmt::Display for VmId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for VmId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VmId({self})")
    }
}

impl Serialize for VmId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_reads_back_and_differs_from_the_next() {
        let id = VmId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, VmId::random());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "../victim",
            "3F2A91C0D4E5",
            "3f2a91c0d4e",
            "3f2a91c0d4e55",
            "3f2a91c0d4é",
        ] {
            assert!(text.parse::<VmId>().is_err(), "{text}");
        }
    }
}
