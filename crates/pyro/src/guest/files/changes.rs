//! `changes`, and what is fetched within it.

use std::cmp::Ordering;

use bytes::Bytes;
use pyro_proto::file::{Changes, Fetch, FileChange, FileEntry, FileKind, FileNode};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, ask, below, check_entry, check_mode, nonsense};
use crate::guest::{CallReceiver, CallSender, GuestError};

/// How much a comparison may amount to, in bytes: some four million changes.
const MAX_BYTES: usize = 512 << 20;

/// The longest stamp, in bytes.
const MAX_STAMP_BYTES: usize = 256;

/// How many fetches may wait for their answers: with any more both sides might wait for each other for ever.
const OUTSTANDING: usize = 16;

/// A call in which the tree is compared with its baseline.
#[derive(Debug)]
pub(crate) struct ChangesCall {
    sender: CallSender,
    receiver: CallReceiver,
}

/// One side of a path.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// What is there; its stamp is set for the live side.
    pub(crate) entry: FileEntry,
    /// The content of a file that is no longer than was asked for.
    pub(crate) content: Option<Vec<u8>>,
}

impl ChangesCall {
    /// Asks what changed, and goes on to answer fetches. The changes are in the order of their paths' bytes.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn start(call: Opened, request: Changes) -> Result<(Self, Vec<FileChange>), GuestError> {
        let (mut sender, mut receiver) = call;
        ask(&mut sender, Ask::Changes(request.clone())).await?;
        let mut changes: Vec<FileChange> = Vec::new();
        let mut bytes = 0;
        loop {
            match answer(&mut receiver).await? {
                Answer::FileChanges(some) => {
                    for change in some.changes {
                        check_change(&request.path, changes.last(), &change)?;
                        bytes += size_of::<FileChange>() + change.path.len();
                        if bytes > MAX_BYTES {
                            return Err(nonsense("a comparison has no end"));
                        }
                        changes.push(change);
                    }
                }
                Answer::Done(_) => return Ok((Self { sender, receiver }, changes)),
                _ => return Err(nonsense("a comparison has other answers in it")),
            }
        }
    }

    /// Fetches sides of paths, in this order.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn fetch(&mut self, wanted: &[Fetch]) -> Result<Vec<Fetched>, GuestError> {
        let mut fetched = Vec::with_capacity(wanted.len());
        let (ahead, _) = wanted.split_at(wanted.len().min(OUTSTANDING));
        for fetch in ahead {
            ask(&mut self.sender, Ask::Fetch(fetch.clone())).await?;
        }
        for (index, fetch) in wanted.iter().enumerate() {
            fetched.push(self.fetched(fetch).await?);
            if let Some(next) = wanted.get(index + OUTSTANDING) {
                ask(&mut self.sender, Ask::Fetch(next.clone())).await?;
            }
        }
        Ok(fetched)
    }

    async fn fetched(&mut self, wanted: &Fetch) -> Result<Fetched, GuestError> {
        let Answer::FileEntry(entry) = answer(&mut self.receiver).await? else {
            return Err(nonsense("a file that is fetched is not told of"));
        };
        if entry.path != wanted.path || entry.stamp.len() > MAX_STAMP_BYTES {
            return Err(nonsense("another file is fetched than was asked for"));
        }
        if entry.kind() != FileKind::Absent {
            check_entry(&entry)?;
        }
        let has_content = entry.kind() == FileKind::File && entry.size <= wanted.max_bytes;
        let content = if has_content {
            Some(self.content(entry.size, wanted.max_bytes).await?)
        } else {
            None
        };
        Ok(Fetched { entry, content })
    }

    /// A content that had a size a moment ago, and may by now have up to the most.
    async fn content(&mut self, size: u64, max_bytes: u64) -> Result<Vec<u8>, GuestError> {
        let [size, most] = [size, max_bytes].map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let mut content = Vec::new();
        // Growing step by step, it would have up to twice the memory. The size is no more than the most.
        let _grows_by_itself = content.try_reserve_exact(size);
        loop {
            match answer(&mut self.receiver).await? {
                Answer::Data(data) if data.len() > most - content.len() => {
                    return Err(nonsense("more is fetched than was asked for"));
                }
                Answer::Data(data) => content.extend_from_slice(&data),
                Answer::DataEnd(_) => return Ok(content),
                _ => return Err(nonsense("what is fetched has other answers in it")),
            }
        }
    }
}

fn check_change(within: &Bytes, last: Option<&FileChange>, change: &FileChange) -> Result<(), GuestError> {
    let is_within = change.path == *within && !within.is_empty();
    if !is_within && below(within, &change.path).is_none() {
        return Err(nonsense("a comparison has what is elsewhere"));
    }
    if last.is_some_and(|last| last.path.cmp(&change.path) != Ordering::Less) {
        return Err(nonsense("a comparison is in disorder"));
    }
    for node in [&change.old, &change.new].into_iter().flatten() {
        check_node(node)?;
    }
    if change.old.is_none() && change.new.is_none() {
        return Err(nonsense("a change is none"));
    }
    Ok(())
}

fn check_node(node: &FileNode) -> Result<(), GuestError> {
    let is_kind = FileKind::try_from(node.kind)
        .is_ok_and(|kind| !matches!(kind, FileKind::Absent | FileKind::HardLink));
    if !is_kind {
        return Err(nonsense("a changed file has no kind"));
    }
    check_mode(node.mode)
}

#[cfg(test)]
mod tests {
    use pyro_proto::file::FileChanges;
    use pyro_proto::message::Done;

    use super::super::answer::agent_that_says;
    use super::*;

    fn change(path: &'static str) -> FileChange {
        FileChange {
            path: Bytes::from_static(path.as_bytes()),
            old: None,
            new: Some(FileNode {
                kind: FileKind::File.into(),
                mode: 0o644,
                size: 3,
            }),
        }
    }

    fn entry(path: &'static str, size: u64) -> Answer {
        Answer::FileEntry(FileEntry {
            path: Bytes::from_static(path.as_bytes()),
            kind: FileKind::File.into(),
            size,
            ..FileEntry::default()
        })
    }

    fn data(data: &'static str) -> Answer {
        Answer::Data(Bytes::from_static(data.as_bytes()))
    }

    fn wanted(path: &'static str) -> Fetch {
        Fetch {
            path: Bytes::from_static(path.as_bytes()),
            old: false,
            max_bytes: 3,
        }
    }

    async fn compare(
        within: &'static str,
        changes: Vec<FileChange>,
        then: Vec<Answer>,
    ) -> Result<(ChangesCall, Vec<FileChange>), GuestError> {
        let mut answers = vec![
            Answer::FileChanges(FileChanges { changes }),
            Answer::Done(Done {}),
        ];
        answers.extend(then);
        let path = Bytes::from_static(within.as_bytes());
        ChangesCall::start(agent_that_says(answers), Changes { path }).await
    }

    #[tokio::test]
    async fn changes_come_first_and_then_what_is_fetched() {
        let then = vec![
            entry("a", 3),
            data("ab"),
            data("c"),
            Answer::DataEnd(true),
            entry("b", 4),
        ];
        let (mut call, changes) = compare("", vec![change("a"), change("b")], then).await.unwrap();
        assert_eq!(changes.len(), 2);
        let fetched = call.fetch(&[wanted("a"), wanted("b")]).await.unwrap();
        assert_eq!(fetched[0].content.as_deref(), Some(&b"abc"[..]));
        assert_eq!(fetched[1].content, None);
        // A path that is compared by itself is not beneath itself.
        compare("a", vec![change("a"), change("a/b")], vec![])
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_refused() {
        let nothing = FileChange {
            new: None,
            ..change("a")
        };
        for (within, changes) in [
            ("", vec![change("b"), change("a")]),
            ("", vec![change("a"), change("a")]),
            ("", vec![change("../a")]),
            ("", vec![change("")]),
            ("a", vec![change("ab")]),
            ("", vec![nothing]),
        ] {
            let shown = format!("{changes:?}");
            let error = compare(within, changes, vec![]).await.unwrap_err();
            assert!(matches!(error, GuestError::Nonsense { .. }), "{shown}: {error}");
        }
        for then in [
            vec![entry("b", 1)],
            vec![data("a")],
            vec![entry("a", 3), data("abcd")],
            vec![entry("a", 3), entry("a", 3)],
        ] {
            let shown = format!("{then:?}");
            let (mut call, _) = compare("", vec![], then).await.unwrap();
            let error = call.fetch(&[wanted("a")]).await.unwrap_err();
            assert!(matches!(error, GuestError::Nonsense { .. }), "{shown}: {error}");
        }
    }
}
