//! `changes`, and what is fetched within it.

use pyro_proto::file::{Changes, Fetch, FileChange, FileEntry, FileKind, FileNode};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, ask, at_or_below, check_entry, check_mode, nonsense, or_refusal};
use crate::guest::{CallReceiver, CallSender, GuestError};

/// The most changes that are taken.
const MAX_CHANGES: usize = 4_000_000;

/// How long their paths may be together, in bytes.
const MAX_PATHS_BYTES: usize = 256 * 1024 * 1024;

/// The longest stamp, in bytes.
const MAX_STAMP_BYTES: usize = 256;

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
    /// Asks what changed, and goes on to answer fetches. A side at which nothing is, is `None`; at least one is not.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn start(call: Opened, request: Changes) -> Result<(Self, Vec<FileChange>), GuestError> {
        let (mut sender, mut receiver) = call;
        ask(&mut sender, Ask::Changes(request.clone())).await?;
        let mut found: Vec<FileChange> = Vec::new();
        let mut paths_bytes = 0;
        loop {
            match answer(&mut receiver).await? {
                Answer::FileChanges(some) => {
                    for change in some.changes {
                        let change = check_change(change, &request, found.last())?;
                        paths_bytes += change.path.len();
                        if found.len() == MAX_CHANGES || paths_bytes > MAX_PATHS_BYTES {
                            return Err(nonsense("there are more changes than a disk has room for"));
                        }
                        found.push(change);
                    }
                }
                Answer::Done(_) => return Ok((Self { sender, receiver }, found)),
                _ => return Err(nonsense("a comparison has other answers in it")),
            }
        }
    }

    /// Fetches sides of paths, in this order.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn fetch(&mut self, wanted: &[Fetch]) -> Result<Vec<Fetched>, GuestError> {
        let Self { sender, receiver } = self;
        // The agent holds up who does not take its answers: both go on at the same time.
        let send = async {
            for fetch in wanted {
                ask(sender, Ask::Fetch(fetch.clone())).await?;
            }
            Ok(())
        };
        let receive = async {
            let mut all = Vec::new();
            for fetch in wanted {
                all.push(receive_one(receiver, fetch).await?);
            }
            Ok(all)
        };
        tokio::pin!(receive);
        let sent = tokio::select! {
            biased;
            received = &mut receive => return received,
            sent = send => sent,
        };
        or_refusal(sent, receive).await
    }
}

async fn receive_one(receiver: &mut CallReceiver, fetch: &Fetch) -> Result<Fetched, GuestError> {
    let Answer::FileEntry(entry) = answer(receiver).await? else {
        return Err(nonsense("it is not told what is at a path"));
    };
    if entry.path != fetch.path || entry.stamp.len() > MAX_STAMP_BYTES || fetch.old != entry.stamp.is_empty()
    {
        return Err(nonsense("it is told what is at another path"));
    }
    if entry.kind == i32::from(FileKind::Absent) {
        let entry = FileEntry {
            path: entry.path,
            stamp: entry.stamp,
            ..FileEntry::default()
        };
        return Ok(Fetched { entry, content: None });
    }
    check_entry(&entry)?;
    if entry.kind() != FileKind::File || entry.size > fetch.max_bytes {
        return Ok(Fetched { entry, content: None });
    }
    let mut content = Vec::new();
    loop {
        match answer(receiver).await? {
            Answer::Data(data) => content.extend_from_slice(&data),
            Answer::DataEnd(_) => break,
            _ => return Err(nonsense("something comes within a file's content")),
        }
        if content.len() as u64 > fetch.max_bytes {
            return Err(nonsense("a file has more content than was asked for"));
        }
    }
    Ok(Fetched {
        entry,
        content: Some(content),
    })
}

fn check_change(
    change: FileChange,
    request: &Changes,
    last: Option<&FileChange>,
) -> Result<FileChange, GuestError> {
    if !at_or_below(&request.path, &change.path) {
        return Err(nonsense("a change is elsewhere"));
    }
    if last.is_some_and(|last| last.path >= change.path) {
        return Err(nonsense("changes are out of order"));
    }
    let change = FileChange {
        path: change.path,
        old: check_node(change.old)?,
        new: check_node(change.new)?,
    };
    if change.old.is_none() && change.new.is_none() {
        return Err(nonsense("a change is none"));
    }
    Ok(change)
}

fn check_node(node: Option<FileNode>) -> Result<Option<FileNode>, GuestError> {
    let Some(node) = node else { return Ok(None) };
    check_mode(node.mode)?;
    match FileKind::try_from(node.kind) {
        Ok(FileKind::Absent) => Ok(None),
        Ok(FileKind::HardLink) | Err(_) => Err(nonsense("a changed file has no kind")),
        Ok(_) => Ok(Some(node)),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pyro_proto::file::{ABSENT_STAMP, FileChanges};
    use pyro_proto::message::{Done, Fault, FaultKind};

    use super::super::answer::agent_that_says;
    use super::*;

    const LIVE: Bytes = Bytes::from_static(b"stamp");

    fn change(path: &'static str) -> FileChange {
        let node = FileNode {
            kind: FileKind::File.into(),
            mode: 0o644,
            size: 1,
        };
        FileChange {
            path: Bytes::from_static(path.as_bytes()),
            old: None,
            new: Some(node),
        }
    }

    async fn compare(changes: Vec<FileChange>) -> Result<(ChangesCall, Vec<FileChange>), GuestError> {
        let answers = vec![
            Answer::FileChanges(FileChanges { changes }),
            Answer::Done(Done {}),
        ];
        let path = Bytes::from_static(b"dir");
        ChangesCall::start(agent_that_says(answers), Changes { path }).await
    }

    #[tokio::test]
    async fn changes_are_taken_in_order_and_only_from_where_they_were_asked() {
        let found = compare(vec![
            change("dir"),
            change("dir/a"),
            change("dir/a-b"),
            change("dir/a/b"),
        ]);
        assert_eq!(found.await.unwrap().1.len(), 4);
        let with = |edit: fn(&mut FileNode)| {
            let mut bad = change("dir/a");
            edit(bad.new.as_mut().unwrap());
            vec![bad]
        };
        let mut nothing = change("dir/a");
        nothing.new = None;
        for bad in [
            vec![change("dir/b"), change("dir/a")],
            vec![change("dir/a"), change("dir/a")],
            vec![change("elsewhere")],
            vec![change("dir/../elsewhere")],
            vec![change("/dir/a")],
            vec![nothing],
            with(|node| node.kind = 99),
            with(|node| node.kind = FileKind::HardLink.into()),
            with(|node| node.kind = FileKind::Absent.into()),
            with(|node| node.mode = 0o10_000),
        ] {
            let shown = format!("{bad:?}");
            let outcome = compare(bad).await;
            assert!(matches!(outcome, Err(GuestError::Nonsense { .. })), "{shown}");
        }
    }

    fn entry(kind: FileKind, size: u64) -> FileEntry {
        FileEntry {
            path: Bytes::from_static(b"dir/a"),
            kind: kind.into(),
            size,
            stamp: LIVE,
            ..FileEntry::default()
        }
    }

    async fn fetch(answers: Vec<Answer>) -> Result<Vec<Fetched>, GuestError> {
        let mut said = vec![Answer::Done(Done {})];
        said.extend(answers);
        let (mut call, _) = ChangesCall::start(agent_that_says(said), Changes::default()).await?;
        let wanted = Fetch {
            path: Bytes::from_static(b"dir/a"),
            old: false,
            max_bytes: 5,
        };
        call.fetch(&[wanted]).await
    }

    #[tokio::test]
    async fn a_side_of_a_path_is_what_the_agent_says_if_it_can_be() {
        let data = |data: &'static [u8]| Answer::Data(Bytes::from_static(data));
        let end = || Answer::DataEnd(true);
        let file = |size| Answer::FileEntry(entry(FileKind::File, size));
        let fetched = fetch(vec![file(3), data(b"ab"), data(b"c"), end()])
            .await
            .unwrap();
        assert_eq!(fetched[0].content.as_deref(), Some(&b"abc"[..]));
        let fetched = fetch(vec![file(6)]).await.unwrap();
        assert!(fetched[0].content.is_none());
        let absent = FileEntry {
            stamp: Bytes::from_static(ABSENT_STAMP),
            ..entry(FileKind::Absent, 0)
        };
        let fetched = fetch(vec![Answer::FileEntry(absent)]).await.unwrap();
        assert_eq!(fetched[0].entry.kind(), FileKind::Absent);
        let elsewhere = FileEntry {
            path: Bytes::from_static(b"dir/b"),
            ..entry(FileKind::File, 0)
        };
        let unstamped = FileEntry {
            stamp: Bytes::new(),
            ..entry(FileKind::File, 0)
        };
        for bad in [
            vec![file(3), data(b"abc"), data(b"def"), end()],
            vec![file(3), data(b"abc"), file(3)],
            vec![data(b"abc"), end()],
            vec![Answer::FileEntry(elsewhere), end()],
            vec![Answer::FileEntry(unstamped), end()],
            vec![Answer::FileEntry(entry(FileKind::HardLink, 0))],
            vec![Answer::FileEntry(entry(FileKind::Symlink, 0))],
        ] {
            let shown = format!("{bad:?}");
            let outcome = fetch(bad).await;
            assert!(
                matches!(outcome, Err(GuestError::Nonsense { .. })),
                "{shown}: {outcome:?}"
            );
        }
        let fault = Answer::Fault(Fault {
            kind: FaultKind::Internal.into(),
            message: "no".to_owned(),
        });
        assert!(matches!(fetch(vec![fault]).await, Err(GuestError::Refused(_))));
    }

    #[tokio::test]
    async fn more_is_fetched_than_either_side_can_hold() {
        const COUNT: usize = 20_000;
        let mut said = vec![Answer::Done(Done {})];
        for _ in 0..COUNT {
            said.push(Answer::FileEntry(entry(FileKind::File, 5)));
            said.push(Answer::Data(Bytes::from_static(b"abcde")));
            said.push(Answer::DataEnd(true));
        }
        let (mut call, _) = ChangesCall::start(agent_that_says(said), Changes::default())
            .await
            .unwrap();
        let wanted = Fetch {
            path: Bytes::from_static(b"dir/a"),
            old: false,
            max_bytes: 5,
        };
        let fetched = call.fetch(&vec![wanted; COUNT]).await.unwrap();
        assert_eq!(fetched.len(), COUNT);
    }
}
