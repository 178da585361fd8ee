//! The two sides of a copy: which of them is in a workspace.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use pyro::{Result, TREE, TreePath};

use crate::command::workspace::guest_path;
use crate::failure::Failure;

/// A copy, by which side is in a workspace.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Direction<'a> {
    /// Into a workspace.
    In { source: &'a Path, target: InGuest<'a> },
    /// Out of a workspace.
    Out { source: InGuest<'a>, target: &'a Path },
}

/// `ID:PATH`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InGuest<'a> {
    /// Id or name of the workspace.
    pub(super) id: &'a str,
    path: &'a OsStr,
}

/// Tells the sides apart.
///
/// # Errors
/// If both or neither are in a workspace.
pub(super) fn direction<'a>(source: &'a OsStr, target: &'a OsStr) -> Result<Direction<'a>, Failure> {
    let as_written = "one side is ID:PATH, as in `pyro workspace cp report.txt alpha:report.txt`";
    match (InGuest::parse(source), InGuest::parse(target)) {
        (None, Some(target)) => Ok(Direction::In {
            source: Path::new(source),
            target,
        }),
        (Some(source), None) => Ok(Direction::Out {
            source,
            target: Path::new(target),
        }),
        (None, None) => Err(Failure::invalid(
            "neither SRC nor DST is in a workspace",
            as_written,
        )),
        (Some(_), Some(_)) => Err(Failure::invalid(
            "SRC and DST are both in a workspace",
            format!("{as_written}; a path of this host with a colon is written `./a:b`"),
        )),
    }
}

/// Whether a path says that it is a directory.
pub(super) fn ends_in_slash(path: &OsStr) -> bool {
    path.as_bytes().ends_with(b"/")
}

impl<'a> InGuest<'a> {
    /// What is before the first colon is a workspace, unless it cannot be called so: names have no slash, and begin neither
    /// with a dot nor with a tilde as far as paths of the host go.
    fn parse(given: &'a OsStr) -> Option<Self> {
        let bytes = given.as_bytes();
        let colon = bytes.iter().position(|&byte| byte == b':')?;
        let id = std::str::from_utf8(&bytes[..colon]).ok()?;
        let is_host_path = id.is_empty() || id.contains('/') || id.starts_with(['.', '~']);
        (!is_host_path).then(|| Self {
            id,
            path: OsStr::from_bytes(&bytes[colon + 1..]),
        })
    }

    /// The path in the tree; the tree itself where none is given.
    pub(super) fn path(&self) -> Result<TreePath> {
        let path = if self.path.is_empty() {
            TREE.as_ref()
        } else {
            self.path
        };
        guest_path::parse(path)
    }

    /// The last name of the path, which a copy in a directory of the host has; that of the tree itself is `workspace`.
    pub(super) fn name(&self) -> Result<OsString> {
        let path = self.path()?;
        let name = path.as_bytes().rsplit(|&byte| byte == b'/').next();
        let name = name.filter(|name| !name.is_empty());
        let tree = TREE.trim_start_matches('/').as_bytes();
        Ok(OsString::from_vec(name.unwrap_or(tree).to_vec()))
    }

    /// Whether it says that it is a directory.
    pub(super) fn ends_in_slash(&self) -> bool {
        ends_in_slash(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &str, target: &str) -> String {
        match direction(source.as_ref(), target.as_ref()) {
            Ok(Direction::In { source, target }) => {
                format!("{} > {} {}", source.display(), target.id, target.path.display())
            }
            Ok(Direction::Out { source, target }) => {
                format!("{} {} > {}", source.id, source.path.display(), target.display())
            }
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn the_first_colon_of_what_can_be_a_name_tells_the_sides_apart() {
        assert_eq!(told("a", "alpha:b"), "a > alpha b");
        assert_eq!(told("alpha:b:c", "a"), "alpha b:c > a");
        assert_eq!(told("./a:b", "alpha:"), "./a:b > alpha ");
        assert_eq!(told("/tmp/a:b", "my work:c d"), "/tmp/a:b > my work c d");
        assert_eq!(told("~/a:b", "alpha:c"), "~/a:b > alpha c");
        assert_eq!(told(":a", "alpha:c"), ":a > alpha c");
        assert_eq!(told("a", "b"), "neither SRC nor DST is in a workspace");
        assert_eq!(told("a:x", "b:y"), "SRC and DST are both in a workspace");
        assert_eq!(told("a", "dir/b:c"), "neither SRC nor DST is in a workspace");
    }

    #[test]
    fn a_path_that_is_left_out_is_the_tree() {
        let side = |given| InGuest::parse(OsStr::new(given)).unwrap();
        assert_eq!(side("a:").path().unwrap(), TreePath::root());
        assert_eq!(side("a:").name().unwrap(), "workspace");
        assert_eq!(side("a:/workspace/").name().unwrap(), "workspace");
        assert_eq!(side("a:d/e:f").name().unwrap(), "e:f");
        assert!(side("a:d/").ends_in_slash() && !side("a:d").ends_in_slash());
        side("a:../x").path().unwrap_err();
    }
}
