//! Why a path cannot be used, in words for people.

use std::io;

use pyro_proto::file::FileKind;
use pyro_proto::message::{Fault, FaultKind};
use rustix::io::Errno;

use super::path::TreePath;
use crate::call::fault;

/// There is nothing at a path.
pub(super) fn not_found(path: &TreePath) -> Fault {
    fault(FaultKind::PathNotFound, format!("no `{path}`"))
}

/// A path leads out of the tree.
pub(super) fn leaves(path: &TreePath) -> Fault {
    fault(FaultKind::PathRefused, format!("`{path}` leaves /workspace"))
}

/// What is written would go through a link.
pub(super) fn through_link(path: &TreePath) -> Fault {
    fault(
        FaultKind::PathRefused,
        format!("`{path}` leads through a symbolic link, and nothing is written through one"),
    )
}

/// What is at a path is of another kind than the request needs.
pub(super) fn wrong_kind(path: &TreePath, kind: FileKind) -> Fault {
    let what = match kind {
        FileKind::Absent => return not_found(path),
        FileKind::File | FileKind::HardLink => "not a directory",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Fifo => "a named pipe",
        FileKind::Socket => "a socket",
        FileKind::Device => "a device",
    };
    fault(FaultKind::WrongFileType, format!("`{path}` is {what}"))
}

/// The disk is full.
pub(super) fn no_space(path: &TreePath) -> Fault {
    fault(
        FaultKind::NoSpace,
        format!("no space is left on the workspace's disk for `{path}`"),
    )
}

/// What a system call about a path failed with; `what` was attempted, as in "read".
pub(super) fn failed(what: &str, path: &TreePath, error: impl Into<io::Error>) -> Fault {
    let error = error.into();
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR) => not_found(path),
        Some(Errno::XDEV) => leaves(path),
        Some(Errno::LOOP) => fault(
            FaultKind::PathRefused,
            format!("`{path}` leads through too many symbolic links"),
        ),
        Some(Errno::ISDIR) => wrong_kind(path, FileKind::Directory),
        Some(Errno::NOSPC | Errno::DQUOT) => no_space(path),
        Some(Errno::NAMETOOLONG) => fault(
            FaultKind::InvalidArgument,
            format!("the path `{path}` is too long"),
        ),
        // A file system whose journal cannot be written is read-only from then on.
        Some(Errno::IO | Errno::ROFS) => {
            fault(FaultKind::DiskFailed, format!("cannot {what} `{path}`: {error}"))
        }
        _ => fault(FaultKind::Internal, format!("cannot {what} `{path}`: {error}")),
    }
}
