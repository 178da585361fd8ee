//! Names in an archive: what they mean, and which are refused.

use thiserror::Error;

/// How long a component may be, in bytes (`NAME_MAX`).
const COMPONENT_MAX: usize = 255;
/// How long a path may be, in bytes (`PATH_MAX`).
const PATH_MAX: usize = 4096;
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const AUFS: &[u8] = b".wh..wh.";

/// Why a name is refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// There is no name.
    #[error("the name is empty")]
    Empty,
    /// The name holds a zero byte.
    #[error("the name holds a zero byte")]
    Nul,
    /// A component of the name is `..`.
    #[error("the name has a `..` component and could leave the root")]
    Parent,
    /// A component is longer than a file name can be.
    #[error("a component of the name has {length} bytes, more than {COMPONENT_MAX}")]
    ComponentTooLong {
        /// The length in bytes.
        length: usize,
    },
    /// The name is longer than a path can be.
    #[error("the name has {length} bytes, more than {PATH_MAX}")]
    PathTooLong {
        /// The length in bytes.
        length: usize,
    },
    /// A whiteout hides nothing that can have a name, or is used as a directory.
    #[error("the name is no valid whiteout")]
    Whiteout,
}

/// What the name of an entry stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// The root directory itself.
    Root,
    /// The file `name` in the directory `parents`.
    File { parents: Vec<&'a [u8]>, name: &'a [u8] },
    /// What lower layers have as `name` in `parents` is hidden.
    Whiteout { parents: Vec<&'a [u8]>, name: &'a [u8] },
    /// All that lower layers have in the directory is hidden.
    Opaque { directory: Vec<&'a [u8]> },
    /// Bookkeeping of AUFS, which no file system shows.
    Aufs,
}

/// Judges the name of an entry.
///
/// Leading, doubled and trailing slashes and `.` components mean nothing, as for all container tools. `..` is refused
/// even where it would stay below the root: no tool writes it, and tools differ in what they make of it.
pub(super) fn target(name: &[u8]) -> Result<Target<'_>, NameError> {
    let mut parents = components(name)?;
    let Some(last) = parents.pop() else {
        return Ok(Target::Root);
    };
    if parents.iter().any(|parent| parent.starts_with(AUFS)) {
        return Ok(Target::Aufs);
    }
    if parents.iter().any(|parent| parent.starts_with(WHITEOUT)) {
        return Err(NameError::Whiteout);
    }
    if last == OPAQUE {
        return Ok(Target::Opaque { directory: parents });
    }
    if last.starts_with(AUFS) {
        return Ok(Target::Aufs);
    }
    match last.strip_prefix(WHITEOUT) {
        None => Ok(Target::File { parents, name: last }),
        Some(b"" | b"." | b"..") => Err(NameError::Whiteout),
        Some(name) => Ok(Target::Whiteout { parents, name }),
    }
}

/// Splits a path of the archive into its components; none for the root.
pub(crate) fn components(path: &[u8]) -> Result<Vec<&[u8]>, NameError> {
    if path.is_empty() {
        return Err(NameError::Empty);
    }
    if path.len() > PATH_MAX {
        return Err(NameError::PathTooLong { length: path.len() });
    }
    if path.contains(&0) {
        return Err(NameError::Nul);
    }
    let mut components = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(NameError::Parent),
            _ if component.len() > COMPONENT_MAX => {
                let length = component.len();
                return Err(NameError::ComponentTooLong { length });
            }
            _ => components.push(component),
        }
    }
    Ok(components)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_dots_mean_nothing() {
        let file = Target::File {
            parents: vec![b"usr"],
            name: b"bin",
        };
        for name in [&b"usr/bin"[..], b"/usr/bin", b"./usr//./bin/", b"///usr/bin"] {
            assert_eq!(target(name).unwrap(), file);
        }
        for name in [&b"."[..], b"/", b"./", b"././/"] {
            assert_eq!(target(name).unwrap(), Target::Root);
        }
    }

    #[test]
    fn names_that_could_leave_the_root_are_refused() {
        for name in [&b"../etc/passwd"[..], b"a/../../b", b"/..", b"a/..", b".."] {
            assert_eq!(target(name), Err(NameError::Parent));
        }
    }

    #[test]
    fn names_no_file_can_have_are_refused() {
        assert_eq!(target(b""), Err(NameError::Empty));
        assert_eq!(target(b"a\0b"), Err(NameError::Nul));
        let long = [b'a'; 256];
        assert_eq!(target(&long), Err(NameError::ComponentTooLong { length: 256 }));
        target(&long[1..]).unwrap();
        let path = b"a/".repeat(2049);
        assert_eq!(target(&path), Err(NameError::PathTooLong { length: 4098 }));
    }

    #[test]
    fn whiteouts_name_what_they_hide() {
        let hidden = Target::Whiteout {
            parents: vec![b"a"],
            name: b"b",
        };
        assert_eq!(target(b"a/.wh.b").unwrap(), hidden);
        assert_eq!(
            target(b"a/.wh..wh..opq").unwrap(),
            Target::Opaque {
                directory: vec![b"a"]
            }
        );
        assert_eq!(target(b".wh..wh.plnk/1.2").unwrap(), Target::Aufs);
        assert_eq!(target(b".wh..wh.aufs").unwrap(), Target::Aufs);
        for name in [&b".wh."[..], b".wh..", b".wh...", b".wh.d/file"] {
            assert_eq!(target(name), Err(NameError::Whiteout));
        }
    }
}
