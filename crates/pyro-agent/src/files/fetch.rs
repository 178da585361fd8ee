//! One side of a path, within `changes`.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;
use pyro_proto::CHUNK_BYTES;
use pyro_proto::file::{ABSENT_STAMP, Fetch, FileEntry, FileKind};
use pyro_proto::message::agent_message::Body as Answer;
use rustix::fs::Stat;
use rustix::io::Errno;

use super::byte_path;
use super::descent::{is_absence, look_beneath};
use super::entry::{self, kind};
use super::node;
use super::outlet::{Outlet, Stop, failure};
use super::tree::Tree;

/// Sends what is there, and the content of a file that is no longer than it may be.
///
/// # Errors
/// [`Stop`] if it cannot be read, or nobody waits for it.
pub(super) fn fetch(tree: &Tree, wanted: &Fetch, outlet: &mut Outlet) -> Result<(), Stop> {
    let found = {
        let _undisturbed = tree.lock.blocking_read();
        find(tree, wanted).map_err(|error| failure("read", &wanted.path, error))?
    };
    outlet.send(Answer::FileEntry(found.entry))?;
    let Some(file) = found.content else { return Ok(()) };
    send_content(file.take(wanted.max_bytes), &wanted.path, outlet)
}

/// Sends content to its end.
///
/// # Errors
/// [`Stop`] if it cannot be read, or nobody waits for it.
pub(super) fn send_content(mut content: impl Read, path: &[u8], outlet: &mut Outlet) -> Result<(), Stop> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let mut part = (&mut content).take(CHUNK_BYTES as u64);
        let length = part.read_to_end(&mut chunk);
        let length = length.map_err(|error| failure("read", path, error))?;
        if length > 0 {
            outlet.send(Answer::Data(Bytes::from(chunk)))?;
        }
        if length < CHUNK_BYTES {
            return outlet.send(Answer::DataEnd(true));
        }
    }
}

/// What is there, with its file if the content is to be sent.
struct Found {
    entry: FileEntry,
    content: Option<File>,
}

fn find(tree: &Tree, wanted: &Fetch) -> Result<Found, Errno> {
    let base = if wanted.old {
        tree.old.as_fd()
    } else {
        tree.root.as_fd()
    };
    let (parent, name) = byte_path::split(&wanted.path).unwrap_or_default();
    match look_beneath(base, parent) {
        Ok(directory) => find_in(directory.as_fd(), name, wanted),
        Err(error) if is_absence(error) => Ok(nothing(wanted)),
        Err(error) => Err(error),
    }
}

fn find_in(directory: BorrowedFd<'_>, name: &[u8], wanted: &Fetch) -> Result<Found, Errno> {
    let look = || node::look(directory, name);
    let Some(mut stat) = as_wanted(wanted, look()?, look)? else {
        return Ok(nothing(wanted));
    };
    let mut content = None;
    if kind(&stat) == FileKind::File {
        match node::open_file(directory, name)? {
            // What was looked at may be another file by now; what is open is what is sent.
            Some((file, open)) => {
                let look = || Ok(Some(rustix::fs::fstat(&file)?));
                stat = as_wanted(wanted, Some(open), look)?.unwrap_or(open);
                content = (node::size(&stat) <= wanted.max_bytes).then_some(file);
            }
            None => return Ok(nothing(wanted)),
        }
    }
    let mut target = Bytes::new();
    if kind(&stat) == FileKind::Symlink {
        match node::target(directory, name) {
            Ok(found) => target = found,
            Err(error) if is_absence(error) || error == Errno::INVAL => return Ok(nothing(wanted)),
            Err(error) => return Err(error),
        }
    }
    let mut entry = entry::entry(wanted.path.clone(), &stat, target);
    if !wanted.old {
        entry.stamp = node::stamp(&stat);
    }
    Ok(Found { entry, content })
}

/// Of the live tree metadata that tells this state from any later one; the old one does not change.
fn as_wanted(
    wanted: &Fetch,
    stat: Option<Stat>,
    again: impl Fn() -> Result<Option<Stat>, Errno>,
) -> Result<Option<Stat>, Errno> {
    match stat {
        Some(stat) if !wanted.old => node::settled(stat, again),
        stat => Ok(stat),
    }
}

fn nothing(wanted: &Fetch) -> Found {
    let stamp = if wanted.old { b"" } else { ABSENT_STAMP };
    let entry = FileEntry {
        path: wanted.path.clone(),
        kind: FileKind::Absent.into(),
        stamp: Bytes::from_static(stamp),
        ..FileEntry::default()
    };
    Found { entry, content: None }
}

/// The stamp that a path of the live tree has now.
///
/// # Errors
/// Those of looking there; that there is nothing is none.
pub(super) fn current_stamp(root: BorrowedFd<'_>, path: &[u8]) -> Result<Bytes, Errno> {
    let (parent, name) = byte_path::split(path).unwrap_or_default();
    let stat = match look_beneath(root, parent) {
        Ok(directory) => node::look(directory.as_fd(), name)?,
        Err(error) if is_absence(error) => None,
        Err(error) => return Err(error),
    };
    Ok(stat.map_or(Bytes::from_static(ABSENT_STAMP), |stat| node::stamp(&stat)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::outlet::all_of;
    use super::super::testing::Ground;
    use super::*;

    fn ask(ground: &Ground, path: &str, old: bool, max_bytes: u64) -> (FileEntry, Vec<Answer>) {
        let wanted = Fetch {
            path: Bytes::copy_from_slice(path.as_bytes()),
            old,
            max_bytes,
        };
        let mut answers = all_of(|outlet| fetch(&ground.tree, &wanted, outlet)).unwrap();
        let Answer::FileEntry(entry) = answers.remove(0) else {
            panic!("an entry comes first")
        };
        assert_eq!(entry.path, wanted.path);
        (entry, answers)
    }

    #[test]
    fn both_sides_of_a_path_are_told_through_no_link() {
        let ground = Ground::new();
        fs::write(ground.files.path().join("old/file"), "old").unwrap();
        ground.make("file", "live");
        ground.make("dir/file", "x");
        ground.make("link", "-> dir");
        let (entry, content) = ask(&ground, "file", true, 3);
        assert_eq!(
            (entry.kind(), entry.size, entry.stamp.len()),
            (FileKind::File, 3, 0)
        );
        assert_eq!(
            content,
            [Answer::Data(Bytes::from_static(b"old")), Answer::DataEnd(true)]
        );
        let (entry, content) = ask(&ground, "file", false, 3);
        assert_eq!((entry.kind(), entry.size), (FileKind::File, 4));
        assert_eq!(content, []);
        let (entry, content) = ask(&ground, "link", false, 100);
        assert_eq!(
            (entry.kind(), &entry.target[..]),
            (FileKind::Symlink, &b"dir"[..])
        );
        assert_eq!(content, []);
        for nothing in ["link/file", "none", "file/below", "none/below"] {
            let (entry, content) = ask(&ground, nothing, false, 100);
            assert_eq!(
                (entry.kind(), &entry.stamp[..]),
                (FileKind::Absent, ABSENT_STAMP),
                "{nothing}"
            );
            assert_eq!(content, []);
        }
        let (entry, content) = ask(&ground, "", false, 100);
        assert_eq!((entry.kind(), content.len()), (FileKind::Directory, 0));
    }

    #[test]
    fn long_content_comes_in_chunks_to_its_end() {
        let ground = Ground::new();
        for size in [
            0,
            1,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            3 * CHUNK_BYTES,
        ] {
            fs::write(ground.live("file"), vec![7; size]).unwrap();
            let (_, mut content) = ask(&ground, "file", false, size as u64);
            assert_eq!(content.pop(), Some(Answer::DataEnd(true)));
            let lengths = content.iter().map(|part| match part {
                Answer::Data(data) => data.len(),
                other => panic!("{other:?}"),
            });
            assert_eq!(lengths.sum::<usize>(), size);
        }
    }

    #[test]
    fn a_stamp_differs_after_any_change() {
        use std::os::unix::fs::PermissionsExt;
        let ground = Ground::new();
        ground.make("file", "one");
        let mut stamps = Vec::new();
        let mut note = || {
            let (entry, _) = ask(&ground, "file", false, 0);
            assert_eq!(
                entry.stamp,
                current_stamp(ground.tree.root.as_fd(), b"file").unwrap()
            );
            stamps.push(entry.stamp);
        };
        note();
        // At once, and in the same length.
        fs::write(ground.live("file"), "two").unwrap();
        note();
        fs::set_permissions(ground.live("file"), fs::Permissions::from_mode(0o600)).unwrap();
        note();
        fs::rename(ground.live("file"), ground.live("other")).unwrap();
        fs::copy(ground.live("other"), ground.live("file")).unwrap();
        note();
        fs::remove_file(ground.live("file")).unwrap();
        note();
        ground.make("file", "-> one");
        note();
        stamps.sort();
        stamps.dedup();
        assert_eq!(stamps.len(), 6);
    }
}
