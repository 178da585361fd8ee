//! What is told of a file.

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind};
use rustix::fs::{FileType, Stat};

/// The permission bits with set-uid, set-gid and sticky.
const PERMISSIONS: u32 = 0o7777;

/// The kind of a file, as the protocol has it.
pub(super) fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => FileKind::Device,
    }
}

/// The permission bits of a file, with set-uid, set-gid and sticky.
pub(super) fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & PERMISSIONS
}

/// The entry for a file at `path`; of a link, `target` is where it leads, verbatim. It has no stamp.
pub(super) fn entry(path: Bytes, stat: &Stat, target: Bytes) -> FileEntry {
    let kind = kind(stat);
    let size = match kind {
        FileKind::File => u64::try_from(stat.st_size).unwrap_or(0),
        FileKind::Symlink => target.len() as u64,
        _ => 0,
    };
    FileEntry {
        path,
        kind: kind.into(),
        mode: permissions(stat),
        size,
        modified_s: stat.st_mtime,
        modified_ns: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        target,
        stamp: Bytes::new(),
    }
}
