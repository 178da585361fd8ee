//! Paths in the tree of a workspace.

use std::fmt;

use crate::error::{Diagnosis, ErrorCode};

/// Where the tree of a workspace is in its guest.
pub const TREE: &str = "/workspace";

/// The longest path, in bytes (`PATH_MAX` of the guest's kernel, less the tree's own).
const MAX_BYTES: usize = 4000;

/// The longest name, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

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
        Self::parse(path)
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
