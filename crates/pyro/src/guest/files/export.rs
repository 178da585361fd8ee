//! `export`.

use bytes::Bytes;
use pyro_proto::file::{Export, FileEntry, FileKind};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use super::Opened;
use super::answer::{answer, ask, below, check_entry, check_mode, nonsense};
use crate::guest::{CallReceiver, CallSender, GuestError};

/// A call in which a file, a link or a directory is sent.
#[derive(Debug)]
pub(crate) struct ExportCall {
    // The agent sees the end of what is asked when this is dropped.
    _sender: CallSender,
    receiver: CallReceiver,
    path: Bytes,
    is_first: bool,
    is_in_file: bool,
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
            _sender: sender,
            receiver,
            path,
            is_first: true,
            is_in_file: false,
        })
    }

    /// The next entry, whose path is relative to what was asked for, and empty for that itself; what is left of the
    /// content before it is passed over. `None` after the last, and only if the agent said so.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn next_entry(&mut self) -> Result<Option<FileEntry>, GuestError> {
        while self.next_data().await?.is_some() {}
        let mut entry = match answer(&mut self.receiver).await? {
            Answer::FileEntry(entry) => entry,
            Answer::Done(_) if !self.is_first => return Ok(None),
            _ => return Err(nonsense("an export has other answers in it")),
        };
        let is_first = std::mem::replace(&mut self.is_first, false);
        entry.path = self.relative(&entry.path, is_first)?;
        if entry.kind() == FileKind::HardLink {
            check_mode(entry.mode)?;
            entry.target = self.relative(&entry.target, false)?;
        } else {
            check_entry(&entry)?;
        }
        self.is_in_file = entry.kind() == FileKind::File;
        Ok(Some(entry))
    }

    fn relative(&self, path: &Bytes, is_first: bool) -> Result<Bytes, GuestError> {
        if is_first {
            return if *path == self.path {
                Ok(Bytes::new())
            } else {
                Err(nonsense("another file is sent than was asked for"))
            };
        }
        let below = below(&self.path, path).ok_or_else(|| nonsense("an export has what is elsewhere"))?;
        Ok(path.slice_ref(below))
    }

    /// More of the content of the file that was the last entry; `None` at its end.
    ///
    /// # Errors
    /// [`GuestError`] if the agent refused, broke the protocol, or the connection broke.
    pub(crate) async fn next_data(&mut self) -> Result<Option<Bytes>, GuestError> {
        if !self.is_in_file {
            return Ok(None);
        }
        match answer(&mut self.receiver).await? {
            Answer::Data(data) => Ok(Some(data)),
            Answer::DataEnd(_) => {
                self.is_in_file = false;
                Ok(None)
            }
            _ => Err(nonsense("what is sent of a file has other answers in it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use pyro_proto::message::Done;

    use super::super::answer::agent_that_says;
    use super::*;

    fn entry(path: &'static str, kind: FileKind, target: &'static str) -> Answer {
        Answer::FileEntry(FileEntry {
            path: Bytes::from_static(path.as_bytes()),
            kind: kind.into(),
            target: Bytes::from_static(target.as_bytes()),
            ..FileEntry::default()
        })
    }

    async fn export(answers: Vec<Answer>) -> Result<Vec<String>, GuestError> {
        let path = Bytes::from_static(b"d");
        let mut call = ExportCall::start(agent_that_says(answers), Export { path }).await?;
        let mut seen = Vec::new();
        while let Some(entry) = call.next_entry().await? {
            let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
            seen.push(format!("{}>{}", text(&entry.path), text(&entry.target)));
        }
        Ok(seen)
    }

    #[tokio::test]
    async fn entries_are_relative_to_what_was_asked_for() {
        let answers = vec![
            entry("d", FileKind::Directory, ""),
            entry("d/a", FileKind::File, ""),
            Answer::Data(Bytes::from_static(b"passed over")),
            Answer::DataEnd(true),
            entry("d/b", FileKind::HardLink, "d/a"),
            entry("d/c", FileKind::Symlink, "/etc"),
            Answer::Done(Done {}),
        ];
        assert_eq!(export(answers).await.unwrap(), [">", "a>", "b>a", "c>/etc"]);
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_refused() {
        let top = || entry("d", FileKind::Directory, "");
        for answers in [
            vec![Answer::Done(Done {})],
            vec![entry("e", FileKind::Directory, "")],
            vec![top(), top()],
            vec![top(), entry("d/../e", FileKind::File, "")],
            vec![top(), entry("d/b", FileKind::HardLink, "/etc/passwd")],
            vec![top(), entry("d/a", FileKind::Symlink, "")],
            vec![top(), entry("d/a", FileKind::File, ""), Answer::Done(Done {})],
        ] {
            let shown = format!("{answers:?}");
            let error = export(answers).await.unwrap_err();
            assert!(matches!(error, GuestError::Nonsense { .. }), "{shown}: {error}");
        }
        // An end that nobody announced is a loss, not an end.
        assert!(matches!(export(vec![top()]).await, Err(GuestError::Broken(_))));
    }
}
