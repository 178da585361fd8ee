//! Paths in the tree, as the host gives them.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use bytes::Bytes;
use pyro_proto::message::{Fault, FaultKind};

use crate::call::fault;
use crate::setup::workspace::WORKSPACE;

/// The longest path, in bytes: what one system call of a command takes (`PATH_MAX`), less the tree's own.
pub(super) const MAX_PATH_BYTES: usize = 4000;

/// The longest name, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

/// A path in the tree, by its words: neither does it begin or end with a slash, nor has it empty, `.` or `..` components.
/// It is shown as commands see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreePath(Bytes);

impl TreePath {
    /// Checks the form of a path.
    ///
    /// # Errors
    /// [`FaultKind::InvalidArgument`] if it is not of the protocol's form, or no system call could take it.
    pub(super) fn parse(bytes: Bytes) -> Result<Self, Fault> {
        let path = Self(bytes);
        let malformed = |problem: &str| fault(FaultKind::InvalidArgument, format!("`{path}` {problem}"));
        if path.0.contains(&0) {
            return Err(malformed("has a zero byte"));
        }
        if path.0.len() > MAX_PATH_BYTES {
            return Err(fault(
                FaultKind::InvalidArgument,
                format!("a path has at most {MAX_PATH_BYTES} bytes"),
            ));
        }
        for name in path.names() {
            match name.as_bytes() {
                b"" => return Err(malformed("has an empty component")),
                b"." | b".." => return Err(malformed("has a component `.` or `..`")),
                name if name.len() > MAX_NAME_BYTES => {
                    return Err(malformed("has a name of more than 255 bytes"));
                }
                _ => {}
            }
        }
        Ok(path)
    }

    /// The root of the tree.
    pub(super) fn root() -> Self {
        Self(Bytes::new())
    }

    /// Its first `count` components.
    pub(super) fn first(&self, count: usize) -> Self {
        let length = self.names().take(count).map(|name| name.len() + 1).sum::<usize>();
        Self(self.0.slice(..length.saturating_sub(1).min(self.0.len())))
    }

    /// Whether it is the root of the tree.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Its bytes; empty for the root.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// It as system calls take it, relative to the root.
    pub(super) fn for_system(&self) -> &OsStr {
        if self.is_root() {
            OsStr::new(".")
        } else {
            OsStr::from_bytes(&self.0)
        }
    }

    /// Its components, from the root on.
    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = &OsStr> {
        let names = self.0.split(|&byte| byte == b'/').map(OsStr::from_bytes);
        names.filter(|_| !self.is_root())
    }

    /// The directory that it is in, and its name there; none for the root.
    pub(super) fn split(&self) -> Option<(Self, &OsStr)> {
        if self.is_root() {
            return None;
        }
        let slash = self.0.iter().rposition(|&byte| byte == b'/');
        let parent = Self(self.0.slice(..slash.unwrap_or(0)));
        let name = &self.0[slash.map_or(0, |slash| slash + 1)..];
        Some((parent, OsStr::from_bytes(name)))
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(WORKSPACE)?;
        if !self.is_root() {
            write!(formatter, "/{}", String::from_utf8_lossy(&self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &'static str) -> Result<TreePath, Fault> {
        TreePath::parse(Bytes::from_static(path.as_bytes()))
    }

    #[test]
    fn a_path_is_taken_apart_and_shown_as_commands_see_it() {
        let path = parse("a/b c/d").unwrap();
        assert_eq!(path.names().collect::<Vec<_>>(), ["a", "b c", "d"]);
        let (parent, name) = path.split().unwrap();
        assert_eq!(
            (parent.to_string().as_str(), name),
            ("/workspace/a/b c", OsStr::new("d"))
        );
        let (parent, name) = parse("a")
            .unwrap()
            .split()
            .map(|(parent, name)| (parent, name.to_owned()))
            .unwrap();
        assert!(parent.is_root());
        assert_eq!(name, "a");
        let root = parse("").unwrap();
        assert_eq!(
            (root.names().count(), root.split(), root.to_string()),
            (0, None, "/workspace".to_owned())
        );
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        for path in ["/a", "a/", "a//b", ".", "a/./b", "..", "a/../b", "a\0b"] {
            let fault = parse(path).unwrap_err();
            assert_eq!(fault.kind(), FaultKind::InvalidArgument, "{path}");
        }
        TreePath::parse(Bytes::from(vec![b'a'; 256])).unwrap_err();
        TreePath::parse(Bytes::from("a/".repeat(2500) + "a")).unwrap_err();
        parse("...").unwrap();
    }
}
