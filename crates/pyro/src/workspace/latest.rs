//! The last command of a history, read from its end: what is described and listed costs the same however long it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::history::{Entry, FILE, History, Line};

/// How much is read at first, in bytes; a command may be longer.
const WINDOW: u64 = 16 << 10;

/// What is told of a history without reading all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Latest {
    /// The last command.
    pub(crate) entry: Option<Entry>,
    /// How many commands began in the present generation.
    pub(crate) command_count: u64,
}

impl Latest {
    /// Reads it of a workspace of a generation from its directory.
    ///
    /// # Errors
    /// If there is a history that cannot be read.
    pub(crate) fn read(dir: &Path, generation: u64) -> io::Result<Self> {
        let entry = match File::open(dir.join(FILE)) {
            Ok(file) => last_entry(&file)?,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let command_count = match entry.as_ref().map(|entry| &entry.began) {
            Some(began) if began.generation == generation => match began.command_count {
                Some(count) => count,
                // Of a build that did not count.
                None => History::read(dir)?.count_in(generation),
            },
            Some(_) | None => 0,
        };
        Ok(Self { entry, command_count })
    }

    /// How many commands there were: they are numbered from 1 without a gap.
    pub(crate) fn total(&self) -> u64 {
        self.entry.as_ref().map_or(0, |entry| entry.began.sequence)
    }
}

fn last_entry(file: &File) -> io::Result<Option<Entry>> {
    let length = file.metadata()?.len();
    let mut window = WINDOW;
    loop {
        let start = length.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(length - start).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, start)?;
        let found = last_in(&bytes, start == 0);
        if found.is_some() || start == 0 {
            return Ok(found);
        }
        window *= 4;
    }
}

/// The last command that begins in what is the end of a history, if not all of it.
fn last_in(bytes: &[u8], is_all: bool) -> Option<Entry> {
    // The first line may have begun before.
    let skipped = usize::from(!is_all);
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').skip(skipped).collect();
    let mut ends = BTreeMap::new();
    for line in lines.into_iter().rev() {
        match serde_json::from_slice(line) {
            Ok(Line::Ended(line)) => {
                ends.entry(line.sequence).or_insert(line.ended);
            }
            Ok(Line::Began(began)) => {
                let ended = ends.remove(&began.sequence);
                return Some(Entry { began, ended });
            }
            // One that does not read was torn by a crash of the host.
            Ok(Line::Reset { .. } | Line::Unknown) | Err(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::history::Recorder;
    use super::super::history::tests::{began, ended};
    use super::*;

    fn read(dir: &Path, generation: u64) -> (u64, u64, bool) {
        let latest = Latest::read(dir, generation).unwrap();
        let has_ended = latest.entry.as_ref().is_some_and(|entry| entry.ended.is_some());
        (latest.total(), latest.command_count, has_ended)
    }

    #[test]
    fn the_end_of_a_history_tells_what_all_of_it_does() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), 0), (0, 0, false));
        let mut recorder = Recorder::open(dir.path()).unwrap();
        assert_eq!(read(dir.path(), 0), (0, 0, false));
        for sequence in 1..=50 {
            let mut line = began(sequence, 0);
            line.command_count = Some(sequence);
            // Longer than what is read at first, now and then.
            line.command = "x".repeat(if sequence % 10 == 0 { 100_000 } else { 10 });
            recorder.began(line).unwrap();
            assert_eq!(read(dir.path(), 0), (sequence, sequence, false));
            recorder.ended(sequence, ended()).unwrap();
            assert_eq!(read(dir.path(), 0), (sequence, sequence, true));
        }
        recorder.reset(1).unwrap();
        assert_eq!(read(dir.path(), 1), (50, 0, true));
        let whole = History::read(dir.path()).unwrap();
        let latest = Latest::read(dir.path(), 1).unwrap();
        assert_eq!(latest.entry.as_ref(), whole.entries.values().next_back());
    }

    #[test]
    fn commands_that_end_in_another_order_keep_their_own_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::open(dir.path()).unwrap();
        recorder.began(began(1, 0)).unwrap();
        recorder.began(began(2, 0)).unwrap();
        recorder.ended(1, ended()).unwrap();
        // Not counted when they were written.
        assert_eq!(read(dir.path(), 0), (2, 2, false));
        recorder.ended(2, ended()).unwrap();
        assert_eq!(read(dir.path(), 0), (2, 2, true));
    }
}
