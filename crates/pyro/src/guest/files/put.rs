//! `put`.

use bytes::Bytes;
use pyro_proto::CHUNK_BYTES;
use pyro_proto::file::{Put, PutCommit, PutEntry, PutResult};
use pyro_proto::message::HostMessage;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, nonsense};
use crate::guest::{CallReceiver, CallSender, GuestError};

/// A call in which entries are put into the tree. Dropped before [`commit`](Self::commit), it changes nothing.
#[derive(Debug)]
pub(crate) struct PutCall {
    sender: CallSender,
    receiver: CallReceiver,
}

impl PutCall {
    /// Begins to put entries.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke.
    pub(crate) async fn start(call: Opened, request: Put) -> Result<Self, GuestError> {
        let (sender, receiver) = call;
        let mut call = Self { sender, receiver };
        call.send(Ask::Put(request)).await?;
        Ok(call)
    }

    /// Sends an entry other than a file.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn entry(&mut self, entry: PutEntry) -> Result<(), GuestError> {
        self.send(Ask::PutEntry(entry)).await
    }

    /// Sends a file; its content follows by [`data`](Self::data) and [`end_data`](Self::end_data).
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn file(&mut self, entry: PutEntry) -> Result<(), GuestError> {
        self.send(Ask::PutEntry(entry)).await
    }

    /// Sends more of the last file's content, of any length.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn data(&mut self, mut content: Bytes) -> Result<(), GuestError> {
        while !content.is_empty() {
            let chunk = content.split_to(content.len().min(CHUNK_BYTES));
            self.send(Ask::Data(chunk)).await?;
        }
        Ok(())
    }

    /// Ends the last file.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn end_data(&mut self) -> Result<(), GuestError> {
        self.send(Ask::DataEnd(true)).await
    }

    /// Has everything put in place at once, or, in a dry run, checked.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, or the connection broke.
    pub(crate) async fn commit(mut self, dry_run: bool) -> Result<PutResult, GuestError> {
        self.send(Ask::PutCommit(PutCommit { dry_run })).await?;
        self.sender.finish()?;
        match answer(&mut self.receiver).await? {
            Answer::PutResult(result) => Ok(result),
            _ => Err(nonsense("what was put is answered by something else")),
        }
    }

    /// Sends a message, unless the agent says meanwhile that it takes no more: its disk may be full.
    async fn send(&mut self, body: Ask) -> Result<(), GuestError> {
        let message = HostMessage { body: Some(body) };
        let sent = {
            let sending = self.sender.send(&message);
            tokio::pin!(sending);
            tokio::select! {
                biased;
                sent = &mut sending => sent,
                early = answer(&mut self.receiver) => return Err(refusal(early)),
            }
        };
        match sent {
            // It may have said why before it hung up.
            Err(error) if error.is_broken_stream() => match answer(&mut self.receiver).await {
                Err(refused @ GuestError::Refused(_)) => Err(refused),
                _ => Err(error),
            },
            sent => sent,
        }
    }
}

/// What an answer means that comes before everything was sent.
fn refusal(early: Result<Answer, GuestError>) -> GuestError {
    match early {
        Err(error) => error,
        Ok(_) => nonsense("what is put is answered before it was sent"),
    }
}

#[cfg(test)]
mod tests {
    use pyro_proto::message::{Fault, FaultKind};

    use super::super::answer::agent_that_says;
    use super::*;

    async fn put(answers: Vec<Answer>, bytes: usize) -> Result<PutResult, GuestError> {
        let mut call = PutCall::start(agent_that_says(answers), Put::default()).await?;
        call.file(PutEntry::default()).await?;
        call.data(vec![7; bytes].into()).await?;
        call.end_data().await?;
        call.commit(false).await
    }

    #[tokio::test]
    async fn a_refusal_is_heard_while_there_is_more_to_send() {
        let full = Fault {
            kind: FaultKind::NoSpace.into(),
            message: "the disk is full".to_owned(),
        };
        for bytes in [0, 64 << 20] {
            let refused = put(vec![Answer::Fault(full.clone())], bytes).await;
            let Err(GuestError::Refused(fault)) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(fault, full);
        }
    }

    #[tokio::test]
    async fn an_end_without_an_answer_is_a_loss() {
        let (host, agent) = tokio::net::UnixStream::pair().unwrap();
        drop(agent);
        let call = PutCall::start(crate::guest::over_socket(host), Put::default()).await;
        let lost = match call {
            Ok(call) => call.commit(false).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(lost.is_broken_stream());
    }
}
