//! `read-file`: a part of a file of any size.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use bytes::Bytes;
use pyro_proto::CHUNK_BYTES;
use pyro_proto::file::{FileEntry, FileKind, ReadEnd, ReadFile};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::OFlags;

use super::job::{self, Interest};
use super::path::TreePath;
use super::resolve::{self, LastLink};
use super::tree::Tree;
use super::{entry, refusal};
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// The most that is sent of a file, whatever is asked for, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// How much is looked through for lines at once, in bytes.
const SEARCH_BYTES: usize = 256 * 1024;

/// A part of a file.
#[derive(Debug)]
struct Part {
    entry: FileEntry,
    content: Bytes,
    end: ReadEnd,
}

/// Answers the call.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(super) async fn answer(
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    let Some(Ask::ReadFile(request)) = asks.next().await? else {
        return Err(fault(FaultKind::InvalidArgument, "the request names no file").into());
    };
    let tree = agent.tree()?;
    let part = job::run(move |interest| read(&tree, request, interest)).await?;
    reply.send(Answer::FileEntry(part.entry)).await?;
    let mut content = part.content;
    while !content.is_empty() {
        let chunk = content.split_to(content.len().min(CHUNK_BYTES));
        reply.send(Answer::Data(chunk)).await?;
    }
    reply.finish(Answer::ReadEnd(part.end)).await
}

fn read(tree: &Tree, request: ReadFile, interest: &Interest) -> Result<Part, Fault> {
    let path = TreePath::parse(request.path)?;
    if request.start_line > 0 && request.offset > 0 {
        return Err(fault(
            FaultKind::InvalidArgument,
            "a part begins at a byte or at a line, not both",
        ));
    }
    let found = resolve::find(tree, &path, LastLink::Follow)?;
    match entry::kind(&found.stat) {
        FileKind::File => {}
        kind => return Err(refusal::wrong_kind(&path, kind)),
    }
    let most = usize::try_from(request.max_bytes)
        .unwrap_or(MAX_BYTES)
        .min(MAX_BYTES);
    let part = found
        .open(OFlags::RDONLY)
        .and_then(|file| match request.start_line {
            0 => read_bytes(&file, request.offset, most),
            first => read_lines(&file, first, request.line_count, most, interest),
        });
    let (content, end) = part.map_err(|error| refusal::failed("read", &path, error))?;
    Ok(Part {
        entry: entry::entry(path.bytes().clone(), &found.stat, Bytes::new()),
        content: content.into(),
        end,
    })
}

fn read_bytes(file: &OwnedFd, offset: u64, most: usize) -> io::Result<(Vec<u8>, ReadEnd)> {
    let content = read_at(file, offset, most)?;
    let next_offset = offset.saturating_add(content.len() as u64);
    let end = ReadEnd {
        offset,
        next_offset,
        is_end: ends_at(file, next_offset)?,
        lines: 0,
    };
    Ok((content, end))
}

fn read_lines(
    file: &OwnedFd,
    first: u64,
    count: u64,
    most: usize,
    interest: &Interest,
) -> io::Result<(Vec<u8>, ReadEnd)> {
    let offset = behind_lines(file, first - 1, interest)?;
    let mut content = read_at(file, offset, most)?;
    let breaks = memchr::memchr_iter(b'\n', &content);
    let last = usize::try_from(count).ok().and_then(|count| count.checked_sub(1));
    let end = last.and_then(|last| breaks.clone().nth(last));
    let lines = match end {
        Some(end) => {
            content.truncate(end + 1);
            count
        }
        None => {
            let is_broken_off = content.last().is_some_and(|last| *last != b'\n');
            breaks.count() as u64 + u64::from(is_broken_off)
        }
    };
    let next_offset = offset + content.len() as u64;
    let end = ReadEnd {
        offset,
        next_offset,
        is_end: ends_at(file, next_offset)?,
        lines,
    };
    Ok((content, end))
}

/// The byte behind so many lines from the beginning, or the end of a file that has fewer.
fn behind_lines(file: &OwnedFd, mut lines: u64, interest: &Interest) -> io::Result<u64> {
    let mut offset = 0;
    let mut buffer = vec![0; if lines > 0 { SEARCH_BYTES } else { 0 }];
    while lines > 0 {
        if interest.is_lost() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut buffer[..], offset))?;
        if count == 0 {
            break;
        }
        for end in memchr::memchr_iter(b'\n', &buffer[..count]) {
            lines -= 1;
            if lines == 0 {
                return Ok(offset + end as u64 + 1);
            }
        }
        offset += count as u64;
    }
    Ok(offset)
}

/// Up to `most` bytes from `offset` on; fewer only at the end of the file.
fn read_at(file: &OwnedFd, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut content = vec![0; most];
    let mut length = 0;
    while length < most {
        let at = offset.saturating_add(length as u64);
        if i64::try_from(at).is_err() {
            break;
        }
        let count = rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut content[length..], at))?;
        if count == 0 {
            break;
        }
        length += count;
    }
    content.truncate(length);
    Ok(content)
}

/// Whether a file has no byte at `offset`. Its length may change at any time, so it is not asked for.
fn ends_at(file: &OwnedFd, offset: u64) -> io::Result<bool> {
    read_at(file, offset, 1).map(|more| more.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, Mode};
    use tempfile::TempDir;

    use super::super::job::lasting_interest;
    use super::*;

    fn tree_with(content: &[u8]) -> (TempDir, Tree) {
        let files = TempDir::new().unwrap();
        let tree = Tree::of_dirs(files.path());
        fs::write(files.path().join("tree/file"), content).unwrap();
        (files, tree)
    }

    fn read_part(tree: &Tree, request: ReadFile) -> Result<Part, Fault> {
        let (_waits, interest) = lasting_interest();
        read(tree, request, &interest)
    }

    fn of(path: &'static str, max_bytes: u64) -> ReadFile {
        ReadFile {
            path: Bytes::from_static(path.as_bytes()),
            max_bytes,
            ..ReadFile::default()
        }
    }

    #[test]
    fn bytes_are_read_from_anywhere() {
        let (_files, tree) = tree_with(b"0123456789");
        for (offset, most, content, is_end) in [
            (0, 4, "0123", false),
            (4, 6, "456789", true),
            (4, 100, "456789", true),
            (10, 5, "", true),
            (1000, 5, "", true),
            (u64::MAX, 5, "", true),
            (3, 0, "", false),
        ] {
            let part = read_part(
                &tree,
                ReadFile {
                    offset,
                    ..of("file", most)
                },
            )
            .unwrap();
            assert_eq!(part.content, content, "{offset}");
            let wanted = ReadEnd {
                offset,
                next_offset: offset.saturating_add(content.len() as u64),
                is_end,
                lines: 0,
            };
            assert_eq!(part.end, wanted);
            assert_eq!((part.entry.size, part.entry.kind()), (10, FileKind::File));
        }
    }

    #[test]
    fn lines_are_found_wherever_they_are() {
        let (_files, tree) = tree_with(b"one\ntwo\n\nfour\nfive");
        for (start_line, line_count, most, content, lines, is_end) in [
            (1, 1, 100, "one\n", 1, false),
            (2, 2, 100, "two\n\n", 2, false),
            (2, 0, 100, "two\n\nfour\nfive", 4, true),
            (4, 9, 100, "four\nfive", 2, true),
            (5, 1, 100, "five", 1, true),
            (6, 1, 100, "", 0, true),
            (99, 0, 100, "", 0, true),
            (1, 3, 6, "one\ntw", 2, false),
            (1, 1, 4, "one\n", 1, false),
        ] {
            let request = ReadFile {
                start_line,
                line_count,
                ..of("file", most)
            };
            let part = read_part(&tree, request).unwrap();
            assert_eq!(
                (&part.content[..], part.end.lines, part.end.is_end),
                (content.as_bytes(), lines, is_end)
            );
            assert_eq!(part.end.next_offset - part.end.offset, content.len() as u64);
        }
        let third = read_part(
            &tree,
            ReadFile {
                start_line: 3,
                ..of("file", 9)
            },
        )
        .unwrap();
        assert_eq!(third.end.offset, 8);
    }

    #[test]
    fn lines_behind_many_others_are_found() {
        let mut content = vec![b'x'; 3 * SEARCH_BYTES];
        content[SEARCH_BYTES - 1] = b'\n';
        content[2 * SEARCH_BYTES] = b'\n';
        let (_files, tree) = tree_with(&content);
        let request = ReadFile {
            start_line: 3,
            ..of("file", 1)
        };
        assert_eq!(
            read_part(&tree, request.clone()).unwrap().end.offset,
            2 * SEARCH_BYTES as u64 + 1
        );
        let (waits, interest) = lasting_interest();
        drop(waits);
        read(&tree, request, &interest).unwrap_err();
    }

    #[test]
    fn no_more_than_a_mebibyte_is_read_at_once() {
        let (_files, tree) = tree_with(&vec![0; MAX_BYTES + 1]);
        let part = read_part(&tree, of("file", u64::MAX)).unwrap();
        assert_eq!((part.content.len(), part.end.is_end), (MAX_BYTES, false));
    }

    #[test]
    fn only_files_are_read() {
        let (files, tree) = tree_with(b"");
        rustix::fs::mkfifoat(CWD, files.path().join("tree/fifo"), Mode::RUSR).unwrap();
        let refused = |path| read_part(&tree, of(path, 1)).unwrap_err();
        assert_eq!(refused("fifo").message, "`/workspace/fifo` is a named pipe");
        assert_eq!(refused("").message, "`/workspace` is a directory");
        assert_eq!(refused("fifo").kind(), FaultKind::WrongFileType);
        assert_eq!(refused("file/x").kind(), FaultKind::PathNotFound);
        let both = ReadFile {
            start_line: 1,
            offset: 1,
            ..of("file", 1)
        };
        assert_eq!(
            read_part(&tree, both).unwrap_err().kind(),
            FaultKind::InvalidArgument
        );
    }
}
