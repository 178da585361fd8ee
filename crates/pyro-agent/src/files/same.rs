//! Whether what is staged is there already.
//!
//! A file of the baseline is replaced only after the overlay has copied it to the upper layer, and that to the disk: so the
//! old one can be brought back. To read two files is cheaper, and leaves nothing that a comparison has to look at later. A
//! small file of the upper layer is read in half the time in which it is kept, replaced and removed; and what is left as it
//! is needs not be undone.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use pyro_proto::file::FileKind;
use rustix::fs::Stat;

use super::byte_path;
use super::entry::{kind, permissions};
use super::node;

/// How much is compared at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A name in a directory, and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    /// The directory.
    pub(super) directory: BorrowedFd<'a>,
    /// What the name is.
    pub(super) stat: &'a Stat,
}

/// Whether the live file or link at a path is the same as the staged one in everything that is put. What cannot be read
/// is not; nor is what has more to it than is put.
pub(super) fn is_same(path: &[u8], staged: At<'_>, live: At<'_>) -> bool {
    is_alike(staged.stat, live.stat) && has_same_content(path, staged, live)
}

/// Whether two are files with no other name, or links, with the same attributes.
fn is_alike(one: &Stat, other: &Stat) -> bool {
    let of = |stat: &Stat| {
        (
            (kind(stat), permissions(stat), node::size(stat)),
            (stat.st_uid, stat.st_gid),
            node::modified(stat),
            stat.st_nlink,
        )
    };
    matches!(kind(one), FileKind::File | FileKind::Symlink) && one.st_nlink == 1 && of(one) == of(other)
}

fn has_same_content(path: &[u8], staged: At<'_>, live: At<'_>) -> bool {
    let (_, name) = byte_path::split(path).unwrap_or_default();
    if kind(staged.stat) == FileKind::Symlink {
        let target = |at: At<'_>| node::target(at.directory, name).ok();
        return target(staged).is_some_and(|target_staged| Some(target_staged) == target(live));
    }
    let open = |at: At<'_>| node::open_file(at.directory, name).ok().flatten();
    let (Some((staged, _)), Some((live, _))) = (open(staged), open(live)) else {
        return false;
    };
    has_no_attributes(&live) && are_same(staged, live).unwrap_or(false)
}

/// Whether a file is without extended attributes, as everything is that is put.
pub(super) fn has_no_attributes(file: &File) -> bool {
    rustix::fs::flistxattr_query(file) == Ok(0)
}

/// Whether a file that was not read yet has this content and no more.
///
/// # Errors
/// Those of reading it.
pub(super) fn holds(file: &File, content: &[u8]) -> io::Result<bool> {
    let mut found = Vec::with_capacity(content.len() + 1);
    file.take(content.len() as u64 + 1).read_to_end(&mut found)?;
    Ok(found == content)
}

fn are_same(mut one: File, mut other: File) -> io::Result<bool> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    loop {
        for (file, part) in [(&mut one, &mut ours), (&mut other, &mut theirs)] {
            part.clear();
            file.take(CHUNK_BYTES as u64).read_to_end(part)?;
        }
        if ours != theirs {
            return Ok(false);
        }
        if ours.len() < CHUNK_BYTES {
            return Ok(true);
        }
    }
}
