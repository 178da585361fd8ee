//! What can be said of an entry before anything is made of it.

use pyro_proto::file::{FileEntry, FileKind};

use super::UnpackError;
use crate::object::ArtifactType;

/// The longest path, in bytes (`PATH_MAX`).
const MAX_PATH_BYTES: usize = 4096;

/// The longest name, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

/// The longest target of a link, in bytes.
const MAX_TARGET_BYTES: usize = 4095;

/// The kind of an entry.
pub(super) fn kind(entry: &FileEntry) -> Result<FileKind, UnpackError> {
    FileKind::try_from(entry.kind).map_err(|_| UnpackError::garbage(&entry.path, "is of an unknown kind"))
}

/// What an entry is that has no place on a host.
pub(super) fn special(entry: &FileEntry) -> Option<ArtifactType> {
    match FileKind::try_from(entry.kind) {
        Ok(FileKind::Fifo) => Some(ArtifactType::Fifo),
        Ok(FileKind::Socket) => Some(ArtifactType::Socket),
        Ok(FileKind::Device) => Some(ArtifactType::Device),
        _ => None,
    }
}

/// The target of a link, verbatim.
pub(super) fn link_target(entry: &FileEntry) -> Result<&[u8], UnpackError> {
    let target = &*entry.target;
    if target.is_empty() || target.len() > MAX_TARGET_BYTES || target.contains(&0) {
        return Err(UnpackError::garbage(
            &entry.path,
            "has a target that no link can have",
        ));
    }
    Ok(target)
}

/// The part of a path that is below what is exported.
pub(super) fn relative(base: &[u8], path: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let below = match base {
        [] => Some(path),
        base => path.strip_prefix(base).and_then(|rest| rest.strip_prefix(b"/")),
    };
    let below = below.ok_or_else(|| UnpackError::garbage(path, "is not below what is exported"))?;
    match problem_of(below) {
        Some(problem) => Err(UnpackError::garbage(path, problem)),
        None => Ok(below.to_vec()),
    }
}

/// What is wrong with a path that a guest sent; `None` if it is below the root and can be the path of something.
fn problem_of(path: &[u8]) -> Option<&'static str> {
    if path.len() > MAX_PATH_BYTES {
        return Some("is too long");
    }
    if path.contains(&0) {
        return Some("has a zero byte");
    }
    let is_bad = |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.len() > MAX_NAME_BYTES;
    path.split(|&byte| byte == b'/')
        .any(is_bad)
        .then_some("is no path below what is exported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_told() {
        for path in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\0"] {
            assert!(problem_of(path.as_bytes()).is_some(), "{path:?}");
        }
        assert!(problem_of(&[b'a'; 256]).is_some());
        assert!(problem_of("a/".repeat(2100).trim_end_matches('/').as_bytes()).is_some());
        for path in ["a", "a/b", "...", " ", "a/..b"] {
            assert_eq!(problem_of(path.as_bytes()), None, "{path:?}");
        }
    }
}
