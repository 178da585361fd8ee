//! `read-file`.

use pyro_proto::file::{FileEntry, FileKind, ReadEnd, ReadFile};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, ask, check_entry, nonsense};
use crate::guest::GuestError;

/// A part of a file.
#[derive(Debug)]
pub(crate) struct ReadPart {
    /// The file.
    pub(crate) entry: FileEntry,
    /// The part of its content, at most as long as was asked for.
    pub(crate) content: Vec<u8>,
    /// Where the part is in the file.
    pub(crate) end: ReadEnd,
}

/// Reads a part of a file.
///
/// # Errors
/// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
pub(crate) async fn read_file(call: Opened, request: ReadFile) -> Result<ReadPart, GuestError> {
    let (mut sender, mut receiver) = call;
    ask(&mut sender, Ask::ReadFile(request.clone())).await?;
    sender.finish()?;
    let Answer::FileEntry(entry) = answer(&mut receiver).await? else {
        return Err(nonsense("a file that is read is not told of"));
    };
    check_entry(&entry)?;
    if entry.path != request.path || entry.kind() != FileKind::File {
        return Err(nonsense("another file is read than was asked for"));
    }
    let most = usize::try_from(request.max_bytes).unwrap_or(usize::MAX);
    let mut content = Vec::new();
    loop {
        match answer(&mut receiver).await? {
            Answer::Data(data) if data.len() > most - content.len() => {
                return Err(nonsense("more is read than was asked for"));
            }
            Answer::Data(data) => content.extend_from_slice(&data),
            Answer::ReadEnd(end) => {
                check_end(&request, &content, end)?;
                return Ok(ReadPart { entry, content, end });
            }
            _ => return Err(nonsense("what is read has other answers in it")),
        }
    }
}

fn check_end(request: &ReadFile, content: &[u8], end: ReadEnd) -> Result<(), GuestError> {
    let is_where_asked = match request.start_line {
        0 => end.offset == request.offset && end.lines == 0,
        _ => {
            let lines = content.split_inclusive(|&byte| byte == b'\n').count();
            end.lines == lines as u64 && (request.line_count == 0 || end.lines <= request.line_count)
        }
    };
    // At the very end of what numbers can tell nothing can be read.
    if !is_where_asked || end.next_offset != end.offset.saturating_add(content.len() as u64) {
        return Err(nonsense("what is read is not where it is said to be"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::answer::agent_that_says;
    use super::*;

    fn request(start_line: u64, line_count: u64) -> ReadFile {
        ReadFile {
            path: Bytes::from_static(b"file"),
            offset: if start_line == 0 { 5 } else { 0 },
            max_bytes: 10,
            start_line,
            line_count,
        }
    }

    fn entry(path: &'static str, kind: FileKind) -> Answer {
        Answer::FileEntry(FileEntry {
            path: Bytes::from_static(path.as_bytes()),
            kind: kind.into(),
            ..FileEntry::default()
        })
    }

    fn data(data: &'static str) -> Answer {
        Answer::Data(Bytes::from_static(data.as_bytes()))
    }

    fn end(offset: u64, next_offset: u64, lines: u64) -> Answer {
        Answer::ReadEnd(ReadEnd {
            offset,
            next_offset,
            is_end: true,
            lines,
        })
    }

    #[tokio::test]
    async fn a_part_is_put_together() {
        let answers = vec![
            entry("file", FileKind::File),
            data("0123"),
            data("456789"),
            end(5, 15, 0),
        ];
        let part = read_file(agent_that_says(answers), request(0, 0)).await.unwrap();
        assert_eq!(part.content, b"0123456789");
        let answers = vec![entry("file", FileKind::File), data("a\nb"), end(7, 10, 2)];
        let part = read_file(agent_that_says(answers), request(3, 2)).await.unwrap();
        assert_eq!(part.end.lines, 2);
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_refused() {
        let file = || entry("file", FileKind::File);
        for (request, answers) in [
            (request(0, 0), vec![data("0")]),
            (request(0, 0), vec![entry("other", FileKind::File), end(5, 5, 0)]),
            (
                request(0, 0),
                vec![entry("file", FileKind::Directory), end(5, 5, 0)],
            ),
            (
                request(0, 0),
                vec![file(), data("0123456789"), data("0"), end(5, 16, 0)],
            ),
            (request(0, 0), vec![file(), data("0"), end(5, 7, 0)]),
            (request(0, 0), vec![file(), data("0"), end(4, 5, 0)]),
            (request(0, 0), vec![file(), data("0"), end(5, 6, 1)]),
            (request(2, 1), vec![file(), data("a\nb"), end(5, 8, 2)]),
            (request(2, 0), vec![file(), data("a\nb"), end(5, 8, 3)]),
            (request(0, 0), vec![file(), file()]),
        ] {
            let shown = format!("{answers:?}");
            let error = read_file(agent_that_says(answers), request).await.unwrap_err();
            assert!(matches!(error, GuestError::Nonsense { .. }), "{shown}: {error}");
        }
    }
}
