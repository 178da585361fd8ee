//! Paths within the tree.

use pyro_proto::message::{Fault, FaultKind};

use crate::call::fault;

/// The longest path that is sent or taken, in bytes. What lies at a longer one is passed over: no program could name it
/// either (`PATH_MAX` in limits.h).
pub(super) const MAX_PATH_BYTES: usize = 4096;

/// The longest name of a file, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Holds a path to what the protocol says of paths.
///
/// # Errors
/// [`FaultKind::InvalidArgument`].
pub(super) fn check(path: &[u8]) -> Result<(), Fault> {
    let is_name = |name: &[u8]| {
        !name.is_empty() && name != b"." && name != b".." && name.len() <= MAX_NAME_BYTES && !name.contains(&0)
    };
    let is_path = path.len() <= MAX_PATH_BYTES && path.split(|byte| *byte == b'/').all(is_name);
    if path.is_empty() || is_path {
        Ok(())
    } else {
        Err(fault(
            FaultKind::InvalidArgument,
            format!("`{}` is no path within the workspace", shown(path)),
        ))
    }
}

/// The directory and the name in it; nothing for the root.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    })
}

/// Puts a path behind a directory; either may be empty.
pub(super) fn join(directory: &[u8], below: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    push(&mut path, below);
    path
}

/// Appends a path to a directory.
pub(super) fn push(directory: &mut Vec<u8>, below: &[u8]) {
    if !directory.is_empty() && !below.is_empty() {
        directory.push(b'/');
    }
    directory.extend_from_slice(below);
}

/// The ends of the components, ascending.
pub(super) fn ends(path: &[u8]) -> impl Iterator<Item = usize> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let last = (!path.is_empty()).then_some(path.len());
    slashes.map(|(at, _)| at).chain(last)
}

/// Whether `path` is `directory` or beneath it.
pub(super) fn is_within(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The path as commands and people know it.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(&join(b"/workspace", path)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_leave_the_tree_are_refused() {
        for path in ["", "a", "a/b", "...", "a/..b"] {
            check(path.as_bytes()).unwrap();
        }
        let long_name = "n".repeat(256);
        let long_path = "n/".repeat(2048) + "n";
        for path in ["/", "/a", "a/", "a//b", ".", "a/..", "a\0", &long_name, &long_path] {
            check(path.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn paths_come_apart_and_together() {
        assert_eq!(split(b""), None);
        assert_eq!(split(b"a"), Some((&b""[..], &b"a"[..])));
        assert_eq!(split(b"a/b/c"), Some((&b"a/b"[..], &b"c"[..])));
        assert_eq!(join(b"", b"a"), b"a");
        assert_eq!(join(b"a", b""), b"a");
        assert_eq!(join(b"a", b"b/c"), b"a/b/c");
        assert_eq!(ends(b"").count(), 0);
        assert_eq!(ends(b"a/bc/d").collect::<Vec<_>>(), [1, 4, 6]);
        assert!(is_within(b"a/b", b"a") && is_within(b"a", b"a") && is_within(b"a", b""));
        assert!(!is_within(b"ab", b"a") && !is_within(b"a", b"a/b"));
    }
}
