//! The output of a command on disk: the beginning and the end of each stream, within one limit for both.
//!
//! A stream's file begins with what came first. What came after that goes to a ring behind it, which is put in order
//! when the command has ended.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::output::Stream;

/// What is kept of both streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptStreams {
    pub(crate) stdout: KeptStream,
    pub(crate) stderr: KeptStream,
}

/// What is kept of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptStream {
    /// All bytes that there were.
    pub(crate) total: u64,
    /// How many of the first are kept.
    pub(crate) head: u64,
    /// How many of the last are kept, right behind them in the file.
    pub(crate) tail: u64,
}

impl KeptStreams {
    /// What is kept of one of them.
    pub(crate) fn of(self, stream: Stream) -> KeptStream {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }
}

impl KeptStream {
    /// The same of which nothing is kept any more.
    pub(crate) fn dropped(self) -> Self {
        Self {
            total: self.total,
            head: 0,
            tail: 0,
        }
    }

    /// How many bytes are kept.
    pub(crate) fn stored(self) -> u64 {
        self.head + self.tail
    }
}

/// Where the output of all commands is kept.
pub(super) fn dir(of_workspace: &Path) -> PathBuf {
    of_workspace.join("output")
}

/// Where the output of a command is kept.
pub(crate) fn path(of_workspace: &Path, sequence: u64, stream: Stream) -> PathBuf {
    dir(of_workspace).join(format!("{sequence}.{}", extension(stream)))
}

fn extension(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

/// Whose output a file holds, if it is one that [`path`] names.
pub(super) fn sequence(path: &Path) -> Option<u64> {
    let is_stream = [Stream::Stdout, Stream::Stderr]
        .iter()
        .any(|stream| path.extension().is_some_and(|found| found == extension(*stream)));
    path.file_stem()?.to_str()?.parse().ok().filter(|_| is_stream)
}

/// Keeps the output of a command that runs.
#[derive(Debug)]
pub(crate) struct OutputKeeper {
    half: u64,
    streams: [Ring; 2],
}

#[derive(Debug)]
struct Ring {
    path: PathBuf,
    // Made when there is something to keep.
    file: Option<File>,
    head: u64,
    total: u64,
    /// How many of the first bytes are in the file, once it took no more.
    whole: Option<u64>,
}

impl OutputKeeper {
    /// Keeps at most `limit` bytes over both streams, in a workspace's directory.
    pub(crate) fn new(dir: &Path, sequence: u64, limit: u64) -> Self {
        let ring = |stream| Ring {
            path: path(dir, sequence, stream),
            file: None,
            head: 0,
            total: 0,
            whole: None,
        };
        Self {
            half: limit / 2,
            streams: [ring(Stream::Stdout), ring(Stream::Stderr)],
        }
    }

    /// Takes more output.
    ///
    /// # Errors
    /// If the file system refuses; the bytes are counted all the same, and from then on no more of the stream is kept.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let room = self.half - self.streams.iter().map(|ring| ring.head).sum::<u64>();
        self.streams[stream as usize].push(bytes, room, self.half)
    }

    /// Puts the files in order, and says what they hold, and what the file system refused at that.
    pub(crate) fn finish(self) -> (KeptStreams, io::Result<()>) {
        let half = self.half;
        let [stdout, stderr] = self.streams;
        let tails = [&stdout, &stderr].map(|ring| ring.tail(half));
        let excess = (tails[0] + tails[1]).saturating_sub(half);
        // The longer tail gives way, so that a chatty stream does not push out a terse one.
        let (first, second) = if tails[0] >= tails[1] {
            (tails[0] - excess.min(tails[0]), tails[1])
        } else {
            (tails[0], tails[1] - excess.min(tails[1]))
        };
        let (stdout, first_put) = stdout.finish(first, half);
        let (stderr, second_put) = stderr.finish(second, half);
        (KeptStreams { stdout, stderr }, first_put.and(second_put))
    }
}

impl Ring {
    fn push(&mut self, bytes: &[u8], room: u64, half: u64) -> io::Result<()> {
        let total = self.total + bytes.len() as u64;
        if self.whole.is_none() {
            let before = self.total.min(self.head);
            let taken = self.take(bytes, room, half);
            if taken.is_err() {
                // What is behind it is in no order.
                self.whole = Some(before);
                self.total = total;
            }
            return taken;
        }
        self.total = total;
        Ok(())
    }

    /// How many bytes are kept behind the head.
    fn tail(&self, half: u64) -> u64 {
        match self.whole {
            Some(_) => 0,
            None => (self.total - self.head).min(half),
        }
    }

    fn take(&mut self, mut bytes: &[u8], room: u64, half: u64) -> io::Result<()> {
        // Once something went to the tail, the head is closed: bytes stay in order.
        let room = if self.total == self.head { room } else { 0 };
        let to_head = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if to_head > 0 {
            let at = self.total;
            self.head += to_head as u64;
            self.total += to_head as u64;
            self.file()?.write_all_at(&bytes[..to_head], at)?;
            bytes = &bytes[to_head..];
        }
        while !bytes.is_empty() && half > 0 {
            let at = (self.total - self.head) % half;
            let count = bytes.len().min(usize::try_from(half - at).unwrap_or(usize::MAX));
            let place = self.head + at;
            self.total += count as u64;
            self.file()?.write_all_at(&bytes[..count], place)?;
            bytes = &bytes[count..];
        }
        self.total += bytes.len() as u64;
        Ok(())
    }

    fn file(&mut self) -> io::Result<&File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                if let Some(dir) = self.path.parent() {
                    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
                }
                create(&self.path)?
            }
        };
        Ok(self.file.insert(file))
    }

    fn finish(self, tail: u64, half: u64) -> (KeptStream, io::Result<()>) {
        let only_head = KeptStream {
            total: self.total,
            head: self.whole.unwrap_or(self.head),
            tail: 0,
        };
        match self.put_in_order(tail, half) {
            Ok(()) => (KeptStream { tail, ..only_head }, Ok(())),
            Err(error) => (only_head, Err(error)),
        }
    }

    /// Puts the last `tail` bytes behind the head.
    fn put_in_order(&self, tail: u64, half: u64) -> io::Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| self.whole.is_none()) else {
            return Ok(());
        };
        if tail == self.total - self.head {
            return Ok(());
        }
        let draft = self.path.with_extension("new");
        let put = self
            .write_in_order(file, &draft, tail, half)
            .and_then(|()| std::fs::rename(&draft, &self.path));
        if put.is_err() {
            // The failure at hand matters more than one to clean up after it.
            drop(std::fs::remove_file(draft));
        }
        put
    }

    /// Writes the head to a new file, and behind it the last `tail` bytes of the ring, in their order.
    fn write_in_order(&self, file: &File, draft: &Path, tail: u64, half: u64) -> io::Result<()> {
        let ordered = create(draft)?;
        copy(file, 0, &ordered, 0, self.head)?;
        let beginning = (self.total - self.head - tail) % half.max(1);
        let first = tail.min(half - beginning);
        copy(file, self.head + beginning, &ordered, self.head, first)?;
        copy(file, self.head, &ordered, self.head + first, tail - first)
    }
}

fn create(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn copy(from: &File, mut at: u64, to: &File, mut place: u64, length: u64) -> io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    let end = at + length;
    while at < end {
        let wanted = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        from.read_exact_at(&mut buffer[..wanted], at)?;
        to.write_all_at(&buffer[..wanted], place)?;
        at += wanted as u64;
        place += wanted as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(limit: u64, pushes: &[(Stream, &[u8])]) -> (KeptStreams, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = OutputKeeper::new(dir.path(), 1, limit);
        for (stream, bytes) in pushes {
            keeper.push(*stream, bytes).unwrap();
        }
        let (kept, put) = keeper.finish();
        put.unwrap();
        let text = |stream| {
            let bytes = std::fs::read(path(dir.path(), 1, stream)).unwrap_or_default();
            let stored = usize::try_from(kept.of(stream).stored()).unwrap();
            String::from_utf8(bytes[..stored].to_vec()).unwrap()
        };
        (kept, text(Stream::Stdout), text(Stream::Stderr))
    }

    #[test]
    fn short_output_is_kept_whole() {
        let (kept, stdout, stderr) = keep(
            100,
            &[
                (Stream::Stdout, b"one "),
                (Stream::Stderr, b"bad"),
                (Stream::Stdout, b"two"),
            ],
        );
        assert_eq!((stdout.as_str(), stderr.as_str()), ("one two", "bad"));
        assert_eq!((kept.stdout.total, kept.stdout.stored()), (7, 7));
    }

    #[test]
    fn long_output_keeps_both_ends_in_order() {
        for step in [1, 2, 3, 5, 7, 20] {
            let all: Vec<u8> = (b'a'..b'a' + 20).collect();
            let pushes: Vec<(Stream, &[u8])> = all.chunks(step).map(|part| (Stream::Stdout, part)).collect();
            let (kept, stdout, _) = keep(8, &pushes);
            assert_eq!(stdout, "abcdqrst", "in steps of {step}");
            assert_eq!(
                (kept.stdout.total, kept.stdout.head, kept.stdout.tail),
                (20, 4, 4)
            );
        }
    }

    #[test]
    fn a_chatty_stream_does_not_push_out_a_terse_one() {
        let (kept, stdout, stderr) = keep(
            8,
            &[
                (Stream::Stdout, &[b'x'; 1000]),
                (Stream::Stderr, b"no"),
                (Stream::Stdout, &[b'y'; 1000]),
            ],
        );
        assert_eq!((stderr.as_str(), stdout.as_str()), ("no", "xxxxyy"));
        assert_eq!(kept.stdout.total, 2000);
    }

    #[test]
    fn what_the_file_system_refuses_is_counted_and_the_rest_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = OutputKeeper::new(dir.path(), 1, 100);
        keeper.push(Stream::Stdout, b"whole ").unwrap();
        // As on a disk that takes no more.
        let path = path(dir.path(), 1, Stream::Stdout);
        keeper.streams[0].file = Some(File::open(&path).unwrap());
        keeper.push(Stream::Stdout, b"torn").unwrap_err();
        keeper.push(Stream::Stdout, &[b'x'; 1000]).unwrap();
        keeper.push(Stream::Stderr, b"other").unwrap();
        let (kept, put) = keeper.finish();
        put.unwrap();
        assert_eq!(
            (kept.stdout.total, kept.stdout.head, kept.stdout.tail),
            (1010, 6, 0)
        );
        assert_eq!(kept.stderr.stored(), 5);
        assert_eq!(std::fs::read(path).unwrap(), b"whole ");
    }

    #[test]
    fn a_limit_of_nothing_counts_and_keeps_nothing() {
        let (kept, stdout, _) = keep(0, &[(Stream::Stdout, b"abc")]);
        assert_eq!((stdout.as_str(), kept.stdout.total), ("", 3));
    }
}
