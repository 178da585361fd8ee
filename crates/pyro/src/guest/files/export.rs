//! `export`.

use bytes::Bytes;
use pyro_proto::file::{Export, FileEntry, FileKind};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, ask, at_or_below, check_entry, nonsense};
use crate::guest::{CallReceiver, CallSender, GuestError};

/// A call in which a file, a link or a directory is sent.
#[derive(Debug)]
pub(crate) struct ExportCall {
    receiver: CallReceiver,
    // Dropped, it would end the call.
    _sender: CallSender,
    path: Bytes,
    state: State,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Entry,
    Content,
    End,
}

impl ExportCall {
    /// Asks for a path.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke.
    pub(crate) async fn start(call: Opened, request: Export) -> Result<Self, GuestError> {
        let (mut sender, receiver) = call;
        let path = request.path.clone();
        ask(&mut sender, Ask::Export(request)).await?;
        sender.finish()?;
        Ok(Self {
            receiver,
            _sender: sender,
            path,
            state: State::Entry,
        })
    }

    /// The next entry, whose path is relative to the tree; what is left of the content before it is passed over. `None`
    /// after the last, and only if the agent said so.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn next_entry(&mut self) -> Result<Option<FileEntry>, GuestError> {
        while self.next_data().await?.is_some() {}
        if self.state == State::End {
            return Ok(None);
        }
        match answer(&mut self.receiver).await? {
            Answer::FileEntry(entry) => {
                let entry = self.check(entry)?;
                if entry.kind() == FileKind::File {
                    self.state = State::Content;
                }
                Ok(Some(entry))
            }
            Answer::Done(_) => {
                self.state = State::End;
                Ok(None)
            }
            _ => Err(nonsense("what is exported has other answers in it")),
        }
    }

    /// More of the content of the file that was the last entry; `None` at its end.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn next_data(&mut self) -> Result<Option<Bytes>, GuestError> {
        if self.state != State::Content {
            return Ok(None);
        }
        match answer(&mut self.receiver).await? {
            Answer::Data(data) => Ok(Some(data)),
            Answer::DataEnd(_) => {
                self.state = State::Entry;
                Ok(None)
            }
            _ => Err(nonsense("something comes within a file's content")),
        }
    }

    fn check(&self, entry: FileEntry) -> Result<FileEntry, GuestError> {
        if !at_or_below(&self.path, &entry.path) {
            return Err(nonsense("what is exported is elsewhere"));
        }
        if entry.kind != i32::from(FileKind::HardLink) {
            check_entry(&entry)?;
            return Ok(entry);
        }
        if entry.target == entry.path || !at_or_below(&self.path, &entry.target) {
            return Err(nonsense("a hard link is one to what is elsewhere"));
        }
        // What holds for a file holds for a further name of it.
        check_entry(&FileEntry {
            kind: FileKind::File.into(),
            target: Bytes::new(),
            ..entry.clone()
        })?;
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use pyro_proto::message::{Done, Fault, FaultKind};

    use super::super::answer::agent_that_says;
    use super::*;

    fn entry(kind: FileKind, path: &'static str, target: &'static str) -> Answer {
        Answer::FileEntry(FileEntry {
            path: Bytes::from_static(path.as_bytes()),
            kind: kind.into(),
            target: Bytes::from_static(target.as_bytes()),
            ..FileEntry::default()
        })
    }

    async fn export(answers: Vec<Answer>) -> Result<Vec<(FileEntry, Vec<u8>)>, GuestError> {
        let request = Export {
            path: Bytes::from_static(b"dir"),
        };
        let mut call = ExportCall::start(agent_that_says(answers), request).await?;
        let mut all = Vec::new();
        while let Some(entry) = call.next_entry().await? {
            let mut content = Vec::new();
            // Of every other file only the entry is of interest.
            while all.len() % 2 == 1 {
                match call.next_data().await? {
                    Some(data) => content.extend_from_slice(&data),
                    None => break,
                }
            }
            all.push((entry, content));
        }
        assert!(call.next_entry().await?.is_none());
        Ok(all)
    }

    #[tokio::test]
    async fn entries_come_with_their_contents_until_the_agent_says_that_it_is_done() {
        let data = |data: &'static [u8]| Answer::Data(Bytes::from_static(data));
        let end = || Answer::DataEnd(true);
        let all = export(vec![
            entry(FileKind::Directory, "dir", ""),
            entry(FileKind::File, "dir/a", ""),
            data(b"some"),
            data(b"thing"),
            end(),
            entry(FileKind::File, "dir/b", ""),
            data(b"passed over"),
            end(),
            entry(FileKind::HardLink, "dir/c", "dir/a"),
            entry(FileKind::Symlink, "dir/d", "/anywhere"),
            entry(FileKind::Fifo, "dir/e", ""),
            Answer::Done(Done {}),
        ]);
        let all = all.await.unwrap();
        assert_eq!(all.len(), 6);
        assert_eq!(all[1].1, b"something");
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_refused() {
        let file = || entry(FileKind::File, "dir/a", "");
        for bad in [
            vec![entry(FileKind::File, "other", "")],
            vec![entry(FileKind::File, "dir/../a", "")],
            vec![entry(FileKind::Absent, "dir/a", "")],
            vec![entry(FileKind::HardLink, "dir/a", "")],
            vec![entry(FileKind::HardLink, "dir/a", "dir/a")],
            vec![entry(FileKind::HardLink, "dir/a", "../a")],
            vec![entry(FileKind::HardLink, "dir/a", "/etc/passwd")],
            vec![file(), file()],
            vec![Answer::DataEnd(true)],
        ] {
            let shown = format!("{bad:?}");
            let outcome = export(bad).await;
            assert!(
                matches!(outcome, Err(GuestError::Nonsense { .. })),
                "{shown}: {outcome:?}"
            );
        }
        let outcome = export(vec![file(), Answer::DataEnd(true)]).await;
        assert!(matches!(outcome, Err(GuestError::Broken(_))), "{outcome:?}");
        let fault = Answer::Fault(Fault {
            kind: FaultKind::PathNotFound.into(),
            message: "no".to_owned(),
        });
        assert!(matches!(export(vec![fault]).await, Err(GuestError::Refused(_))));
    }
}
