//! The guest's streams on their way to the host's, byte for byte.
//!
//! A thread of its own writes, because a write to a pipe or a terminal may block for as long as its reader likes, and
//! the event loop must hear signals meanwhile. It is one thread for both streams, so that what a command wrote to them
//! in turn is shown in that order. The channel to it is short: a slow reader slows the guest, and memory stays bounded.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::thread;

use bytes::Bytes;
use pyro::Result;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::ui::RawStreams;

/// With chunks of at most 256 KiB, 4 MiB wait at most.
const WAITING_CHUNKS: usize = 16;

/// Bytes for one of the streams.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// For standard output.
    Stdout(Bytes),
    /// For standard error.
    Stderr(Bytes),
}

/// The way to the streams.
#[derive(Debug)]
pub(crate) struct Output {
    chunks: mpsc::Sender<Chunk>,
    end: oneshot::Receiver<io::Result<()>>,
}

impl Output {
    /// Starts the writer.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(crate) fn start(streams: RawStreams) -> Result<Self> {
        let (chunks, waiting) = mpsc::channel(WAITING_CHUNKS);
        let (ended, end) = oneshot::channel();
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || {
                // If nobody waits for the end any more, nobody needs to hear of it.
                let _ignored = ended.send(write_all(waiting, streams));
            })
            .map_err(Failure::host("cannot start a thread"))?;
        Ok(Self { chunks, end })
    }

    /// Hands over bytes, waiting while too many wait already. After standard output failed they are dropped.
    pub(crate) async fn write(&self, chunk: Chunk) {
        let _failed_before = self.chunks.send(chunk).await;
    }

    /// A handle that learns when standard output fails.
    pub(crate) fn watch(&self) -> mpsc::Sender<Chunk> {
        self.chunks.clone()
    }

    /// Waits until everything is written, and says what became of standard output.
    ///
    /// Handles from [`watch`](Self::watch) must be gone by now.
    pub(crate) async fn finish(self) -> io::Result<()> {
        drop(self.chunks);
        self.end.await.unwrap_or(Ok(()))
    }
}

fn write_all(mut waiting: mpsc::Receiver<Chunk>, mut streams: RawStreams) -> io::Result<()> {
    while let Some(chunk) = waiting.blocking_recv() {
        match chunk {
            Chunk::Stdout(bytes) => write_to(&mut streams.stdout, &bytes)?,
            // Diagnostics that nobody reads are no reason to end a command.
            Chunk::Stderr(bytes) => drop(write_to(&mut streams.stderr, &bytes)),
        }
    }
    Ok(())
}

/// Writes everything, also to a stream that another process sharing it has made non-blocking.
fn write_to(stream: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_until(stream, PollFlags::OUT)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Blocks until a descriptor is ready.
///
/// # Errors
/// If it cannot be polled.
pub(crate) fn wait_until(stream: &impl AsFd, readiness: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(stream, readiness)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::fs::{OFlags, fcntl_setfl};

    use super::*;

    fn streams(stdout: impl Into<File>) -> RawStreams {
        RawStreams {
            stdout: stdout.into(),
            stderr: File::options().write(true).open("/dev/null").unwrap(),
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(future)
    }

    fn pipe() -> (io::PipeReader, File) {
        let (reader, writer) = io::pipe().unwrap();
        (reader, File::from(std::os::fd::OwnedFd::from(writer)))
    }

    #[test]
    fn every_byte_passes_a_slow_non_blocking_pipe() {
        let (mut reader, writer) = pipe();
        fcntl_setfl(&writer, OFlags::WRONLY | OFlags::NONBLOCK).unwrap();
        let chunk: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        let expected = chunk.repeat(40);
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all).unwrap()
        });
        block_on(async {
            let output = Output::start(streams(writer)).unwrap();
            for _ in 0..40 {
                output.write(Chunk::Stdout(chunk.clone().into())).await;
            }
            output.finish().await.unwrap();
        });
        assert!(reading.join().unwrap() == expected);
    }

    #[test]
    fn a_reader_that_goes_away_is_noticed_without_a_further_write() {
        let (reader, writer) = pipe();
        drop(reader);
        block_on(async {
            let output = Output::start(streams(writer)).unwrap();
            output.write(Chunk::Stdout(Bytes::from_static(b"x"))).await;
            output.watch().closed().await;
            output.write(Chunk::Stdout(Bytes::from_static(b"y"))).await;
            let end = output.finish().await.unwrap_err();
            assert_eq!(end.kind(), io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn a_full_device_is_an_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        block_on(async {
            let output = Output::start(streams(full)).unwrap();
            output.write(Chunk::Stdout(Bytes::from_static(b"x"))).await;
            let end = output.finish().await.unwrap_err();
            assert_eq!(end.kind(), io::ErrorKind::StorageFull);
        });
    }
}
