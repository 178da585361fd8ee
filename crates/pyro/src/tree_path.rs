//! Paths in the tree of a workspace.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::error::{Diagnosis, ErrorCode};

/// Where the tree of a workspace is in its guest.
pub const TREE: &str = "/workspace";

/// The longest path, in bytes (`PATH_MAX` of the guest's kernel, less the tree's own).
const MAX_BYTES: usize = 4000;

/// The longest name, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

/// What a path in base64 begins with.
const BASE64_PREFIX: &[u8] = b"base64:";

/// A path in the tree: without `..`, and never outside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Vec<u8>);

/// Text that is no path in the tree.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum InvalidTreePath {
    /// It is outside.
    #[error("`{path}` leaves {TREE}")]
    Outside {
        /// What was given.
        path: String,
    },
    /// It cannot be the path of anything.
    #[error("the path `{path}` {problem}")]
    Malformed {
        /// What was given, or its beginning.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Diagnosis for InvalidTreePath {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Outside { .. } => ErrorCode::PathRefused,
            Self::Malformed { .. } => ErrorCode::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Outside { .. } => Some(format!(
                "give a path relative to {TREE}, without `..`; use `pyro workspace exec` for paths outside"
            )),
            Self::Malformed { .. } => None,
        }
    }
}

impl TreePath {
    /// Parses a path: relative to the tree, or absolute and below it. Blanks are part of names.
    ///
    /// # Errors
    /// [`InvalidTreePath`] if it leaves the tree, by its words, or cannot be a path.
    pub fn parse(path: impl AsRef<[u8]>) -> Result<Self, InvalidTreePath> {
        let given = path.as_ref();
        let shown = || crate::argument::excerpt(&String::from_utf8_lossy(given));
        let malformed = |problem| InvalidTreePath::Malformed {
            path: shown(),
            problem,
        };
        if given.contains(&0) {
            return Err(malformed("has a zero byte"));
        }
        if given.is_empty() {
            return Err(malformed("is empty"));
        }
        let relative = match given.strip_prefix(TREE.as_bytes()) {
            Some([]) => &[],
            Some(rest @ [b'/', ..]) => rest,
            _ if given.starts_with(b"/") => return Err(InvalidTreePath::Outside { path: shown() }),
            _ => given,
        };
        let names: Vec<&[u8]> = relative
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty() && *name != b".")
            .collect();
        if names.contains(&&b".."[..]) {
            return Err(InvalidTreePath::Outside { path: shown() });
        }
        if names.iter().any(|name| name.len() > MAX_NAME_BYTES) {
            return Err(malformed("has a name of more than 255 bytes"));
        }
        let path = names.join(&b'/');
        if path.len() > MAX_BYTES {
            return Err(malformed("has more than 4000 bytes"));
        }
        Ok(Self(path))
    }

    /// Parses a path as somebody gives it who read it in a result: as [`parse`](Self::parse) does, or `base64:` followed by
    /// the `path_base64` of a name that is not UTF-8. A file whose own name begins so is `./base64:…`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and [`InvalidTreePath::Malformed`] if that is no base64.
    pub fn parse_given(path: impl AsRef<[u8]>) -> Result<Self, InvalidTreePath> {
        let given = path.as_ref();
        let Some(encoded) = given.strip_prefix(BASE64_PREFIX) else {
            return Self::parse(given);
        };
        match BASE64_STANDARD.decode(encoded) {
            Ok(bytes) => Self::parse(bytes),
            Err(_) => Err(InvalidTreePath::Malformed {
                path: crate::argument::excerpt(&String::from_utf8_lossy(given)),
                problem: "is no base64 behind `base64:`; for a file of that name, put `./` before it",
            }),
        }
    }

    /// The tree itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Whether it is the tree itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Relative to the tree, without leading slash; empty for the tree itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The absolute path in the guest; bytes that are not UTF-8 are replaced.
impl fmt::Display for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(TREE)?;
        if !self.0.is_empty() {
            write!(formatter, "/{}", String::from_utf8_lossy(&self.0))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{self}\"")
    }
}

impl std::str::FromStr for TreePath {
    type Err = InvalidTreePath;

    fn from_str(path: &str) -> Result<Self, InvalidTreePath> {
        Self::parse_given(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_or_below_the_tree() {
        for (given, shown) in [
            ("a/b", "/workspace/a/b"),
            ("/workspace", "/workspace"),
            ("/workspace/", "/workspace"),
            ("./a//b/", "/workspace/a/b"),
            (" a ", "/workspace/ a "),
            ("workspace/x", "/workspace/workspace/x"),
        ] {
            assert_eq!(TreePath::parse(given).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn names_that_are_not_text_are_given_in_base64() {
        for (given, path) in [
            ("base64:L3dvcmtzcGFjZS9jYWbp", &b"caf\xe9"[..]),
            ("base64:Y2Fm6S94", b"caf\xe9/x"),
            ("./base64:Y2Fm6S94", b"base64:Y2Fm6S94"),
            ("/workspace/base64:Y2Fm6S94", b"base64:Y2Fm6S94"),
            ("a/base64:b", b"a/base64:b"),
        ] {
            assert_eq!(TreePath::parse_given(given).unwrap().as_bytes(), path, "{given}");
            assert_eq!(given.parse::<TreePath>().unwrap().as_bytes(), path, "{given}");
        }
        // What is no argument is never taken for base64.
        assert_eq!(TreePath::parse("base64:YQ==").unwrap().as_bytes(), b"base64:YQ==");
        for (given, code) in [
            ("base64:", ErrorCode::InvalidArgument),
            ("base64:Y2Fm6S9", ErrorCode::InvalidArgument),
            ("base64:notes.txt", ErrorCode::InvalidArgument),
            // a, zero, b
            ("base64:YQBi", ErrorCode::InvalidArgument),
            // ../x
            ("base64:Li4veA==", ErrorCode::PathRefused),
            // /etc/passwd
            ("base64:L2V0Yy9wYXNzd2Q=", ErrorCode::PathRefused),
        ] {
            let error = TreePath::parse_given(given).unwrap_err();
            assert_eq!(error.code(), code, "{given}");
        }
    }

    #[test]
    fn what_leaves_the_tree_is_refused() {
        for given in [
            "..",
            "a/../b",
            "/etc/passwd",
            "/workspace/../etc",
            "/workspacex",
            "/",
        ] {
            let error = TreePath::parse(given).unwrap_err();
            assert_eq!(error.code(), ErrorCode::PathRefused, "{given}");
        }
        for given in ["", "a\0b"] {
            let error = TreePath::parse(given).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{given}");
        }
    }
}
