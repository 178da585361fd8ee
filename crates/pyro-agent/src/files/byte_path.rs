//! Paths within the tree as bytes, taken apart and put together.

use bytes::Bytes;
use pyro_proto::message::Fault;

use super::path::TreePath;

/// Holds a path to what the protocol says of paths.
///
/// # Errors
/// Those of [`TreePath::parse`].
pub(super) fn check(path: &[u8]) -> Result<(), Fault> {
    TreePath::parse(Bytes::copy_from_slice(path)).map(drop)
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
