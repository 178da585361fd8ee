//! The host's standard input for a guest's command.
//!
//! tokio's own reader keeps a runtime from ending while a read is blocked; a thread that nobody waits for does not. The
//! thread starts with the first read, so that a run which fails before takes nothing from the pipe or the terminal.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use rustix::event::PollFlags;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::output::wait_until;

const CHUNK: usize = 64 * 1024;
const WAITING_CHUNKS: usize = 4;

/// Standard input, to its end.
#[derive(Debug)]
pub(crate) struct HostStdin {
    source: Source,
    chunk: io::Cursor<Vec<u8>>,
}

#[derive(Debug)]
enum Source {
    Unopened(File),
    Reading(mpsc::Receiver<io::Result<Vec<u8>>>),
    Ended,
}

impl HostStdin {
    /// The process's standard input; nothing is read yet.
    ///
    /// # Errors
    /// If the process has no descriptors left.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self::from_file(File::from(
            io::stdin().as_fd().try_clone_to_owned()?,
        )))
    }

    fn from_file(file: File) -> Self {
        Self {
            source: Source::Unopened(file),
            chunk: io::Cursor::default(),
        }
    }

    fn receiver(&mut self) -> io::Result<Option<&mut mpsc::Receiver<io::Result<Vec<u8>>>>> {
        if let Source::Unopened(_) = self.source
            && let Source::Unopened(file) = std::mem::replace(&mut self.source, Source::Ended)
        {
            let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
            thread::Builder::new()
                .name("stdin".to_owned())
                .spawn(move || read_all(file, &sender))?;
            self.source = Source::Reading(receiver);
        }
        Ok(match &mut self.source {
            Source::Reading(receiver) => Some(receiver),
            Source::Unopened(_) | Source::Ended => None,
        })
    }
}

impl AsyncRead for HostStdin {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut read = Read::read(&mut this.chunk, buffer.initialize_unfilled())?;
        if read == 0
            && let Some(receiver) = this.receiver()?
        {
            match ready!(receiver.poll_recv(context)) {
                Some(chunk) => {
                    this.chunk = io::Cursor::new(chunk?);
                    read = Read::read(&mut this.chunk, buffer.initialize_unfilled())?;
                }
                None => this.source = Source::Ended,
            }
        }
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

fn read_all(mut file: File, sender: &mpsc::Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let message = match file.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => {
                chunk.truncate(read);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match wait_until(&file, PollFlags::IN) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        let failed = message.is_err();
        if sender.blocking_send(message).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    use tokio::io::AsyncReadExt;

    use super::*;

    fn read_to_end(mut stdin: HostStdin) -> io::Result<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut all = Vec::new();
        runtime.block_on(stdin.read_to_end(&mut all)).map(|_| all)
    }

    #[test]
    fn everything_arrives_and_then_the_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        let sent: Vec<u8> = (0..=255).cycle().take(500_000).collect();
        let expected = sent.clone();
        let writing = thread::spawn(move || writer.write_all(&sent));
        let stdin = HostStdin::from_file(File::from(OwnedFd::from(reader)));
        assert!(read_to_end(stdin).unwrap() == expected);
        writing.join().unwrap().unwrap();
    }

    #[test]
    fn an_error_is_told() {
        let stdin = HostStdin::from_file(File::open("/").unwrap());
        assert_eq!(
            read_to_end(stdin).unwrap_err().kind(),
            io::ErrorKind::IsADirectory
        );
    }

    #[test]
    fn nothing_is_taken_before_the_first_read() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"kept").unwrap();
        drop(writer);
        let unread = HostStdin::from_file(File::from(OwnedFd::from(reader.try_clone().unwrap())));
        drop(unread);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "kept");
    }
}
