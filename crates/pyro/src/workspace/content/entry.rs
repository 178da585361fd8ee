//! Paths and facts of the guest's files, as results show them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use pyro_proto::file::{FileEntry, FileKind};

use crate::TREE;
use crate::object::{ArtifactType, FileInfo};
use crate::workspace::info;

/// A path relative to the tree as an absolute one, and in base64 if it is not UTF-8.
pub(super) fn absolute(path: &[u8]) -> (String, Option<String>) {
    let mut whole = TREE.as_bytes().to_vec();
    if !path.is_empty() {
        whole.push(b'/');
        whole.extend_from_slice(path);
    }
    into_shown(whole)
}

/// A path as text, and in base64 if it is not UTF-8.
pub(super) fn into_shown(path: Vec<u8>) -> (String, Option<String>) {
    match String::from_utf8(path) {
        Ok(text) => (text, None),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            Some(BASE64_STANDARD.encode(error.as_bytes())),
        ),
    }
}

/// Permission bits in octal.
pub(super) fn mode(bits: u32) -> String {
    format!("{:04o}", bits & 0o7777)
}

/// The type of what is there; `None` if nothing is.
pub(super) fn artifact_type(kind: i32) -> Option<ArtifactType> {
    Some(match FileKind::try_from(kind).ok()? {
        FileKind::Absent => return None,
        FileKind::File | FileKind::HardLink => ArtifactType::File,
        FileKind::Directory => ArtifactType::Directory,
        FileKind::Symlink => ArtifactType::Symlink,
        FileKind::Fifo => ArtifactType::Fifo,
        FileKind::Socket => ArtifactType::Socket,
        FileKind::Device => ArtifactType::Device,
    })
}

/// An entry of a list; `None` if it says that there is nothing.
pub(super) fn info(entry: &FileEntry) -> Option<FileInfo> {
    let artifact_type = artifact_type(entry.kind)?;
    let (path, path_base64) = absolute(&entry.path);
    let nanoseconds = i32::try_from(entry.modified_ns).ok()?;
    Some(FileInfo {
        path,
        path_base64,
        artifact_type,
        size_bytes: if artifact_type == ArtifactType::File {
            entry.size
        } else {
            0
        },
        mode: mode(entry.mode),
        // A guest may name a time that no calendar has.
        modified_at: Timestamp::new(entry.modified_s, nanoseconds).ok().map(info::time),
        link_target: (artifact_type == ArtifactType::Symlink)
            .then(|| String::from_utf8_lossy(&entry.target).into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_lossy_ones_have_their_bytes_beside_them() {
        assert_eq!(absolute(b""), ("/workspace".to_owned(), None));
        assert_eq!(absolute(b"a b"), ("/workspace/a b".to_owned(), None));
        let (text, base64) = absolute(b"\xff");
        assert_eq!(text, "/workspace/\u{fffd}");
        assert_eq!(
            BASE64_STANDARD.decode(base64.unwrap()).unwrap(),
            b"/workspace/\xff"
        );
    }

    #[test]
    fn a_time_that_no_calendar_has_is_left_out() {
        let mut entry = FileEntry {
            path: "a".into(),
            kind: FileKind::File.into(),
            mode: 0o100_644,
            size: 7,
            modified_s: 1,
            ..FileEntry::default()
        };
        let shown = info(&entry).unwrap();
        assert_eq!((shown.mode.as_str(), shown.size_bytes), ("0644", 7));
        assert_eq!(shown.modified_at.as_deref(), Some("1970-01-01T00:00:01.000Z"));
        entry.modified_s = i64::MAX;
        assert_eq!(info(&entry).unwrap().modified_at, None);
        entry.kind = FileKind::Absent.into();
        assert!(info(&entry).is_none());
    }
}
