//! `write-file`.

use bytes::Bytes;
use pyro_proto::CHUNK_BYTES;
use pyro_proto::file::{FileWritten, WriteFile};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, ask, check_mode, nonsense};
use crate::guest::{CallSender, GuestError};

/// Writes a file.
///
/// # Errors
/// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
pub(crate) async fn write_file(
    call: Opened,
    request: WriteFile,
    content: Bytes,
) -> Result<FileWritten, GuestError> {
    let (mut sender, mut receiver) = call;
    let (length, is_whole) = (content.len() as u64, !request.append);
    // An agent that refuses does not wait for the end, and takes no more.
    let sent = tokio::select! {
        biased;
        sent = send(&mut sender, request, content) => sent,
        early = answer(&mut receiver) => {
            early?;
            return Err(nonsense("a file is written before its content is there"));
        }
    };
    let written = match (answer(&mut receiver).await, sent) {
        (Err(refused @ GuestError::Refused(_)), _) => return Err(refused),
        (_, Err(error)) => return Err(error),
        (written, Ok(())) => written?,
    };
    let Answer::FileWritten(written) = written else {
        return Err(nonsense("it is not told what was written"));
    };
    check_mode(written.mode)?;
    if is_whole && written.size != length {
        return Err(nonsense("something else was written"));
    }
    Ok(written)
}

async fn send(sender: &mut CallSender, request: WriteFile, mut content: Bytes) -> Result<(), GuestError> {
    ask(sender, Ask::WriteFile(request)).await?;
    while !content.is_empty() {
        let chunk = content.split_to(content.len().min(CHUNK_BYTES));
        ask(sender, Ask::Data(chunk)).await?;
    }
    ask(sender, Ask::DataEnd(true)).await?;
    sender.finish()
}

#[cfg(test)]
mod tests {
    use pyro_proto::message::{Fault, FaultKind};

    use super::super::answer::agent_that_says;
    use super::*;
    use crate::guest::over_socket;

    fn written(size: u64) -> Answer {
        Answer::FileWritten(FileWritten {
            size,
            mode: 0o644,
            created: true,
        })
    }

    #[tokio::test]
    async fn what_was_written_is_what_was_given() {
        let write = |answer, append| {
            let request = WriteFile {
                append,
                ..WriteFile::default()
            };
            write_file(
                agent_that_says(vec![answer]),
                request,
                Bytes::from_static(b"text"),
            )
        };
        assert_eq!(write(written(4), false).await.unwrap().size, 4);
        assert_eq!(write(written(9), true).await.unwrap().size, 9);
        assert!(matches!(
            write(written(5), false).await,
            Err(GuestError::Nonsense { .. })
        ));
        assert!(matches!(
            write(Answer::DataEnd(true), false).await,
            Err(GuestError::Nonsense { .. })
        ));
    }

    #[tokio::test]
    async fn a_refusal_is_heard_by_who_still_sends() {
        let refusal = || {
            Answer::Fault(Fault {
                kind: FaultKind::PathRefused.into(),
                message: "no".to_owned(),
            })
        };
        // More than any socket holds: an agent that reads none of it must not hold its refusal up.
        let content = Bytes::from(vec![0; 8 << 20]);
        let (host, agent) = tokio::net::UnixStream::pair().unwrap();
        let (mut says, hears) = over_socket(agent);
        let message = pyro_proto::message::AgentMessage {
            body: Some(refusal()),
        };
        says.send_frames(pyro_proto::frame::encode(&message))
            .await
            .unwrap();
        let refused = write_file(over_socket(host), WriteFile::default(), content.clone()).await;
        assert!(matches!(refused, Err(GuestError::Refused(_))));
        drop(hears);
        let refused = write_file(agent_that_says(vec![refusal()]), WriteFile::default(), content).await;
        assert!(matches!(refused, Err(GuestError::Refused(_))));
    }
}
