//! Identifiers as types: what is not one of these never reaches a path or a command line.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::argument;
use crate::error::{Diagnosis, ErrorCode};
use crate::random;

/// Twelve lowercase hexadecimal digits that name a workspace.
pub type WorkspaceId = VmId;

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

/// The name of a workspace: 1 to 120 characters that name no id and no path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspaceName(String);

/// The longest name of a workspace, in characters.
const MAX_NAME: usize = 120;

impl WorkspaceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WorkspaceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        let refuse = |problem| {
            Err(InvalidName {
                text: argument::excerpt(name),
                problem,
            })
        };
        match name {
            "" => refuse("is empty"),
            _ if name.chars().count() > MAX_NAME => refuse("has more than 120 characters"),
            _ if name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\' | ':')) => {
                refuse("contains a control character, `/`, `\\` or `:`")
            }
            _ if name.starts_with(['.', '-']) => refuse("begins with `.` or `-`"),
            _ if name.parse::<WorkspaceId>().is_ok() => refuse("has the form of an id"),
            _ => Ok(Self(name.to_owned())),
        }
    }
}

impl TryFrom<String> for WorkspaceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<WorkspaceName> for String {
    fn from(name: WorkspaceName) -> Self {
        name.0
    }
}

impl fmt::Display for WorkspaceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Text that is no name of a workspace.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("the name `{text}` {problem}")]
pub struct InvalidName {
    /// What was given, or a part of it.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Diagnosis for InvalidName {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        Some("choose 1 to 120 letters, digits, blanks, `.`, `-` or `_`".to_owned())
    }
}

/// What a caller calls a workspace by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkspaceRef {
    /// Its id.
    Id(WorkspaceId),
    /// Its name.
    Name(WorkspaceName),
}

impl FromStr for WorkspaceRef {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let name = text.parse().map_err(|_| InvalidId {
            text: argument::excerpt(text),
        })?;
        Ok(Self::Name(name))
    }
}

impl fmt::Display for WorkspaceRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Name(name) => name.fmt(formatter),
        }
    }
}

impl From<WorkspaceId> for WorkspaceRef {
    fn from(id: WorkspaceId) -> Self {
        Self::Id(id)
    }
}

impl<'de> Deserialize<'de> for VmId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
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
    fn a_name_is_trimmed_and_cannot_be_taken_for_anything_else() {
        assert_eq!(" my work ".parse::<WorkspaceName>().unwrap().as_str(), "my work");
        "é".repeat(120).parse::<WorkspaceName>().unwrap();
        let too_long = "x".repeat(121);
        for text in [
            "",
            "  ",
            "a/b",
            "a\\b",
            "C:",
            "a\nb",
            ".",
            "..",
            "-x",
            "3f2a91c0d4e5",
            &too_long,
        ] {
            assert!(text.parse::<WorkspaceName>().is_err(), "{text:?}");
            let is_id = matches!(text.parse(), Ok(WorkspaceRef::Id(_)));
            assert!(is_id || text.parse::<WorkspaceRef>().is_err(), "{text:?}");
        }
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
