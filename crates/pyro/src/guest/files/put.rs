//! `put`.

use bytes::Bytes;
use pyro_proto::CHUNK_BYTES;
use pyro_proto::file::{FileEntry, FileKind, Put, PutCommit, PutEntry, PutResult};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, ask, nonsense, or_refusal};
use crate::guest::{CallReceiver, CallSender, GuestError};

/// A call in which entries are put into the tree. Dropped before [`commit`](Self::commit), it changes nothing.
#[derive(Debug)]
pub(crate) struct PutCall {
    sender: CallSender,
    receiver: CallReceiver,
    // What is to come of it; deletions at most.
    sent: PutResult,
}

impl PutCall {
    /// Begins to put entries.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke.
    pub(crate) async fn start(call: Opened, request: Put) -> Result<Self, GuestError> {
        let (sender, receiver) = call;
        let mut call = Self {
            sender,
            receiver,
            sent: PutResult::default(),
        };
        call.say(Ask::Put(request)).await?;
        Ok(call)
    }

    /// Sends an entry other than a file.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn entry(&mut self, entry: PutEntry) -> Result<(), GuestError> {
        match entry.entry.as_ref().map(FileEntry::kind) {
            Some(FileKind::Absent) => self.sent.deleted += 1,
            _ => self.sent.entries += 1,
        }
        self.say(Ask::PutEntry(entry)).await
    }

    /// Sends a file; its content follows by [`data`](Self::data) and [`end_data`](Self::end_data).
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn file(&mut self, entry: PutEntry) -> Result<(), GuestError> {
        self.sent.entries += 1;
        self.say(Ask::PutEntry(entry)).await
    }

    /// Sends more of the last file's content, of any length.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn data(&mut self, mut content: Bytes) -> Result<(), GuestError> {
        self.sent.bytes += content.len() as u64;
        while !content.is_empty() {
            let chunk = content.split_to(content.len().min(CHUNK_BYTES));
            self.say(Ask::Data(chunk)).await?;
        }
        Ok(())
    }

    /// Ends the last file.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn end_data(&mut self) -> Result<(), GuestError> {
        self.say(Ask::DataEnd(true)).await
    }

    /// Has everything put in place at once, or, in a dry run, checked.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn commit(mut self, dry_run: bool) -> Result<PutResult, GuestError> {
        self.say(Ask::PutCommit(PutCommit { dry_run })).await?;
        self.sender.finish()?;
        match answer(&mut self.receiver).await? {
            Answer::PutResult(result)
                if (result.entries, result.bytes) == (self.sent.entries, self.sent.bytes)
                    && result.deleted <= self.sent.deleted =>
            {
                Ok(result)
            }
            Answer::PutResult(_) => Err(nonsense("something else was put")),
            _ => Err(nonsense("it is not told what was put")),
        }
    }

    /// Sends a message. An agent that refuses early, because its disk is full, takes no more, and is heard.
    async fn say(&mut self, message: Ask) -> Result<(), GuestError> {
        let Self { sender, receiver, .. } = self;
        let early = async {
            answer(receiver).await?;
            Err(nonsense("it is told what was put before it is"))
        };
        tokio::pin!(early);
        let sent = tokio::select! {
            biased;
            sent = ask(sender, message) => sent,
            refused = &mut early => return refused,
        };
        match sent {
            Ok(()) => Ok(()),
            failed => or_refusal(failed, early).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use pyro_proto::message::{AgentMessage, Fault, FaultKind};
    use tokio::net::UnixStream;

    use super::super::answer::agent_that_says;
    use super::*;
    use crate::guest::over_socket;

    fn file() -> PutEntry {
        PutEntry {
            entry: Some(FileEntry {
                path: Bytes::from_static(b"a"),
                kind: FileKind::File.into(),
                ..FileEntry::default()
            }),
            ..PutEntry::default()
        }
    }

    fn full() -> Answer {
        Answer::Fault(Fault {
            kind: FaultKind::NoSpace.into(),
            message: "full".to_owned(),
        })
    }

    /// Puts a file of this size.
    async fn put(call: Opened, size: usize) -> Result<PutResult, GuestError> {
        let mut call = PutCall::start(call, Put::default()).await?;
        call.file(file()).await?;
        call.data(Bytes::from(vec![0; size])).await?;
        call.end_data().await?;
        call.commit(false).await
    }

    #[tokio::test]
    async fn the_outcome_is_what_the_agent_says() {
        let result = PutResult {
            entries: 1,
            bytes: 10,
            deleted: 0,
        };
        // It says so only when it has heard everything.
        let (host, agent) = UnixStream::pair().unwrap();
        let (mut says, mut hears) = over_socket(agent);
        let agent = async {
            while let Some(frames) = hears.next_frames().await? {
                drop(frames);
            }
            Ok::<_, GuestError>(())
        };
        let host = async {
            let message = AgentMessage {
                body: Some(Answer::PutResult(result)),
            };
            let put = put(over_socket(host), 10);
            tokio::pin!(put);
            tokio::select! {
                early = &mut put => panic!("{early:?}"),
                heard = agent => heard.unwrap(),
            }
            says.send_frames(pyro_proto::frame::encode(&message))
                .await
                .unwrap();
            put.await
        };
        assert_eq!(host.await.unwrap(), result);
    }

    #[tokio::test]
    async fn a_full_disk_is_heard_by_who_still_sends() {
        // More than any socket holds, to an agent that reads none of it and one that hangs up.
        let (host, agent) = UnixStream::pair().unwrap();
        let (mut says, hears) = over_socket(agent);
        let message = AgentMessage { body: Some(full()) };
        says.send_frames(pyro_proto::frame::encode(&message))
            .await
            .unwrap();
        let refused = put(over_socket(host), 8 << 20).await;
        let Err(GuestError::Refused(fault)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(fault.kind(), FaultKind::NoSpace);
        drop(hears);
        let (host, agent) = UnixStream::pair().unwrap();
        let (mut says, hears) = over_socket(agent);
        says.send_frames(pyro_proto::frame::encode(&message))
            .await
            .unwrap();
        drop((says, hears));
        let refused = put(over_socket(host), 8 << 20).await;
        assert!(matches!(refused, Err(GuestError::Refused(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_no_success() {
        let other = PutResult {
            entries: 1,
            bytes: 2,
            deleted: 0,
        };
        let outcome = put(agent_that_says(vec![Answer::PutResult(other)]), 1).await;
        assert!(matches!(outcome, Err(GuestError::Nonsense { .. })), "{outcome:?}");
        let outcome = put(agent_that_says(vec![Answer::DataEnd(true)]), 8 << 20).await;
        assert!(matches!(outcome, Err(GuestError::Nonsense { .. })), "{outcome:?}");
        let outcome = put(agent_that_says(vec![Answer::DataEnd(true)]), 1).await;
        assert!(matches!(outcome, Err(GuestError::Nonsense { .. })), "{outcome:?}");
    }
}
