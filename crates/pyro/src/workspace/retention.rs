//! How much output of a workspace's commands is kept: that of the oldest ones is given up for that of later ones.
//!
//! Nothing is written down of it: output that the history knows of and whose files are gone was given up. A crash at any
//! point leaves at most a little too much, which goes when the workspace is started next.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::kept;
use crate::output::Stream;

/// The most commands whose output is kept.
const COMMANDS: usize = 1000;

/// The most output that is kept, in bytes.
const BYTES: u64 = 256 << 20;

/// The output that is kept of commands that ended.
#[derive(Debug)]
pub(crate) struct Retention {
    dir: PathBuf,
    commands: usize,
    bytes: u64,
    /// What each command's output takes, in bytes.
    sizes: BTreeMap<u64, u64>,
}

impl Retention {
    /// Takes up what there is in a workspace's directory while no command runs, and gives up what is too much.
    ///
    /// # Errors
    /// If the file system refuses to list it.
    pub(crate) fn of(dir: &Path) -> io::Result<Self> {
        Self::with_limits(dir, COMMANDS, BYTES)
    }

    fn with_limits(dir: &Path, commands: usize, bytes: u64) -> io::Result<Self> {
        let mut sizes = BTreeMap::new();
        let listed = match std::fs::read_dir(kept::dir(dir)) {
            Ok(listed) => Some(listed),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        for entry in listed.into_iter().flatten() {
            let entry = entry?;
            if let Some(sequence) = kept::sequence(&entry.path()) {
                *sizes.entry(sequence).or_default() += entry.metadata()?.len();
            } else {
                // A draft that a crash left; it is in nobody's way.
                drop(std::fs::remove_file(entry.path()));
            }
        }
        let dir = dir.to_owned();
        let mut retention = Self {
            dir,
            commands,
            bytes,
            sizes,
        };
        retention.trim();
        Ok(retention)
    }

    /// A command ended: its output is kept, whatever has to go for it.
    pub(crate) fn add(&mut self, sequence: u64) {
        let size = |stream| {
            let metadata = std::fs::metadata(kept::path(&self.dir, sequence, stream));
            metadata.ok().map(|metadata| metadata.len())
        };
        let sizes = [size(Stream::Stdout), size(Stream::Stderr)];
        if sizes.iter().any(Option::is_some) {
            self.sizes.insert(sequence, sizes.iter().flatten().sum());
            self.trim_but(Some(sequence));
        }
    }

    fn trim(&mut self) {
        let last = self.sizes.keys().next_back().copied();
        self.trim_but(last);
    }

    /// Gives up the oldest output until what is left is within the limits, but not that of one command.
    fn trim_but(&mut self, spared: Option<u64>) {
        let mut total: u64 = self.sizes.values().sum();
        while self.sizes.len() > self.commands || total > self.bytes {
            let mut oldest = self
                .sizes
                .iter()
                .filter(|(sequence, _)| Some(**sequence) != spared);
            let Some((&sequence, &size)) = oldest.next() else {
                return;
            };
            if let Err(error) = self.give_up(sequence) {
                // It is tried again when the next command ended.
                tracing::warn!(%error, sequence, "the output of an old command was not removed");
                return;
            }
            self.sizes.remove(&sequence);
            total -= size;
        }
    }

    fn give_up(&self, sequence: u64) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            match std::fs::remove_file(kept::path(&self.dir, sequence, stream)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, sequence: u64, stream: Stream, length: usize) {
        std::fs::create_dir_all(kept::dir(dir)).unwrap();
        std::fs::write(kept::path(dir, sequence, stream), vec![b'x'; length]).unwrap();
    }

    fn there(dir: &Path) -> Vec<String> {
        let listed = std::fs::read_dir(kept::dir(dir)).unwrap();
        let mut names: Vec<_> = listed
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_output_goes_for_want_of_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let mut retention = Retention::with_limits(dir.path(), 10, 100).unwrap();
        for (sequence, stream, length) in [
            (1, Stream::Stdout, 40),
            (1, Stream::Stderr, 20),
            (2, Stream::Stderr, 40),
        ] {
            put(dir.path(), sequence, stream, length);
        }
        retention.add(1);
        retention.add(2);
        assert_eq!(there(dir.path()), ["1.stderr", "1.stdout", "2.stderr"]);
        put(dir.path(), 3, Stream::Stdout, 1);
        retention.add(3);
        assert_eq!(there(dir.path()), ["2.stderr", "3.stdout"]);
        // The last one is kept, however much it is.
        put(dir.path(), 4, Stream::Stdout, 1000);
        retention.add(4);
        assert_eq!(there(dir.path()), ["4.stdout"]);
    }

    #[test]
    fn the_oldest_output_goes_for_there_are_too_many_and_nothing_counts_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut retention = Retention::with_limits(dir.path(), 2, 100).unwrap();
        for sequence in [2, 3, 5] {
            put(dir.path(), sequence, Stream::Stdout, 1);
            retention.add(sequence);
            retention.add(4);
        }
        assert_eq!(there(dir.path()), ["3.stdout", "5.stdout"]);
        // One that ran for long ended just now.
        put(dir.path(), 1, Stream::Stdout, 1);
        retention.add(1);
        assert_eq!(there(dir.path()), ["1.stdout", "5.stdout"]);
    }

    #[test]
    fn what_another_supervisor_left_is_counted_and_what_is_too_much_goes() {
        let dir = tempfile::tempdir().unwrap();
        for sequence in 8..=12 {
            put(dir.path(), sequence, Stream::Stdout, 30);
        }
        std::fs::write(kept::dir(dir.path()).join("12.new"), b"draft").unwrap();
        Retention::with_limits(dir.path(), 10, 100).unwrap();
        assert_eq!(there(dir.path()), ["10.stdout", "11.stdout", "12.stdout"]);
    }
}
