//! What is common to the calls about files: the next answer of the agent, and what may be in an entry.

use pyro_proto::file::{FileEntry, FileKind};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Fault, HostMessage};

use crate::guest::call::broken;
use crate::guest::{CallReceiver, CallSender, GuestError, printable};

/// The longest path of an entry, in bytes, and that of a link's target.
const MAX_PATH_BYTES: usize = 4096;

/// The longest name in a path, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

/// The largest permission bits.
const MAX_MODE: u32 = 0o7777;

/// Sends one message.
pub(super) async fn ask(sender: &mut CallSender, body: Ask) -> Result<(), GuestError> {
    sender.send(&HostMessage { body: Some(body) }).await
}

/// Waits for the next answer; a refusal is an error, and so is an end without an answer.
pub(super) async fn answer(receiver: &mut CallReceiver) -> Result<Answer, GuestError> {
    match receiver.next().await? {
        Some(Answer::Fault(Fault { kind, message })) => Err(GuestError::Refused(Fault {
            kind,
            message: printable(&message),
        })),
        Some(answer) => Ok(answer),
        None => Err(broken(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))),
    }
}

/// Makes out an answer that no agent would give.
pub(super) fn nonsense(problem: &str) -> GuestError {
    GuestError::Nonsense {
        problem: problem.to_owned(),
    }
}

/// Checks that an entry tells of a file that can be there, whatever its path.
pub(super) fn check_entry(entry: &FileEntry) -> Result<(), GuestError> {
    let is_link = match FileKind::try_from(entry.kind) {
        Ok(FileKind::File | FileKind::Directory | FileKind::Fifo | FileKind::Socket | FileKind::Device) => {
            false
        }
        Ok(FileKind::Symlink) => true,
        Ok(FileKind::Absent | FileKind::HardLink) | Err(_) => return Err(nonsense("a file has no kind")),
    };
    if is_link == entry.target.is_empty() || entry.target.len() > MAX_PATH_BYTES || entry.target.contains(&0)
    {
        return Err(nonsense("a link leads nowhere, or another file somewhere"));
    }
    check_mode(entry.mode)?;
    if entry.modified_ns >= 1_000_000_000 {
        return Err(nonsense("a time has too many nanoseconds"));
    }
    Ok(())
}

/// Checks permission bits.
pub(super) fn check_mode(mode: u32) -> Result<(), GuestError> {
    if mode > MAX_MODE {
        return Err(nonsense("a file has a mode that no file has"));
    }
    Ok(())
}

/// The part of an entry's path that is beneath another; none if it is not, or is no path.
pub(super) fn below<'a>(path: &[u8], entry: &'a [u8]) -> Option<&'a [u8]> {
    let below = if path.is_empty() {
        entry
    } else {
        entry.strip_prefix(path)?.strip_prefix(b"/")?
    };
    let is_name = |name: &[u8]| {
        !matches!(name, b"" | b"." | b"..") && name.len() <= MAX_NAME_BYTES && !name.contains(&0)
    };
    let is_path = entry.len() <= MAX_PATH_BYTES && below.split(|&byte| byte == b'/').all(is_name);
    is_path.then_some(below)
}

/// A call to an agent that says this whatever it is asked, and hangs up once it is asked no more.
#[cfg(test)]
pub(super) fn agent_that_says(answers: Vec<Answer>) -> super::Opened {
    use pyro_proto::frame;
    use pyro_proto::message::AgentMessage;

    let (host, agent) = tokio::net::UnixStream::pair().expect("sockets can be made");
    tokio::spawn(async move {
        let (mut sender, mut receiver) = crate::guest::over_socket(agent);
        for body in answers {
            let message = AgentMessage { body: Some(body) };
            sender.send_frames(frame::encode(&message)).await?;
        }
        while receiver.next_frames().await?.is_some() {}
        Ok::<_, GuestError>(())
    });
    crate::guest::over_socket(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_beneath_a_path_is_taken_for_it() {
        assert_eq!(below(b"", b"a/b"), Some(&b"a/b"[..]));
        assert_eq!(below(b"a", b"a/b"), Some(&b"b"[..]));
        for entry in [
            &b""[..],
            b"a",
            b"ab",
            b"a/",
            b"b/a",
            b"/a/b",
            b"a/../b",
            b"a/./b",
            b"a//b",
            b"a/b/",
            b"a/b\0",
            &[b"a/".as_slice(), &[b'n'; 256]].concat(),
            &b"a/b".repeat(2000),
        ] {
            assert_eq!(below(b"a", entry), None, "{entry:?}");
        }
    }
}
