//! The commands of a workspace: `commands.jsonl`, one line for each that began, that ended, and for each reset.
//!
//! Lines are only ever added, by the supervisor alone. A last line that is torn is passed over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kept::KeptStreams;
use crate::object::ExecOutcome;

pub(super) const FILE: &str = "commands.jsonl";

/// Where the history of the workspace in a directory is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Line {
    Began(Began),
    Ended(EndedLine),
    Reset {
        generation: u64,
        at: Timestamp,
    },
    // From a newer pyro.
    #[serde(other)]
    Unknown,
}

/// A command as it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Began {
    pub(crate) sequence: u64,
    pub(crate) generation: u64,
    pub(crate) command: String,
    pub(crate) cwd: String,
    pub(crate) recorded_at: Timestamp,
    /// The most output that is kept, over both streams, in bytes.
    #[serde(default)]
    pub(crate) output_limit: u64,
    /// The commands of its generation up to it; absent in lines of builds that did not count.
    #[serde(default)]
    pub(crate) command_count: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndedLine {
    pub(super) sequence: u64,
    #[serde(flatten)]
    pub(super) ended: Ended,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) outcome: ExecOutcome,
    pub(crate) exit_code: Option<i32>,
    pub(crate) duration_ms: u64,
    pub(crate) streams: KeptStreams,
}

/// A command of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) began: Began,
    /// `None` while it runs, or if its end was never learned.
    pub(crate) ended: Option<Ended>,
}

/// The whole history of a workspace.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) entries: BTreeMap<u64, Entry>,
}

impl History {
    /// Reads the history in a workspace's directory; an absent one is empty.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        let mut history = Self::default();
        let file = match File::open(path(dir)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(history),
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).split(b'\n') {
            // One that does not read was torn by a crash of the host.
            if let Ok(line) = serde_json::from_slice(&line?) {
                history.take(line);
            }
        }
        Ok(history)
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Began(began) => {
                let entry = Entry { began, ended: None };
                self.entries.insert(entry.began.sequence, entry);
            }
            Line::Ended(EndedLine { sequence, ended }) => {
                if let Some(entry) = self.entries.get_mut(&sequence) {
                    entry.ended = Some(ended);
                }
            }
            Line::Reset { .. } | Line::Unknown => {}
        }
    }

    /// The number of the last command; 0 if there was none.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.entries.keys().next_back().copied().unwrap_or(0)
    }

    /// How many commands began in a generation.
    pub(crate) fn count_in(&self, generation: u64) -> u64 {
        let of_it = |entry: &&Entry| entry.began.generation == generation;
        self.entries.values().filter(of_it).count() as u64
    }
}

/// Adds to a history.
#[derive(Debug)]
pub(crate) struct Recorder {
    path: PathBuf,
    file: File,
    /// Lines that could not be written at their time.
    owed: Vec<u8>,
}

impl Recorder {
    /// Opens the history in a workspace's directory for more lines.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let path = path(dir);
        let mut file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        // A torn last line must not swallow the next one.
        file.write_all(b"\n")?;
        let owed = Vec::new();
        Ok(Self { path, file, owed })
    }

    /// A command begins.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn began(&mut self, began: Began) -> io::Result<()> {
        self.add(&Line::Began(began))
    }

    /// A command ended.
    ///
    /// # Errors
    /// If the file system refuses; it is written with whatever can be written next.
    pub(crate) fn ended(&mut self, sequence: u64, ended: Ended) -> io::Result<()> {
        let line = Line::Ended(EndedLine { sequence, ended });
        let added = self.add(&line);
        if added.is_err() {
            self.owed.extend(encode(&line)?);
        }
        added
    }

    /// A generation begins.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn reset(&mut self, generation: u64) -> io::Result<()> {
        let at = Timestamp::now();
        self.add(&Line::Reset { generation, at })?;
        self.sync()
    }

    /// Makes durable what was added.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.write(&[])?;
        self.file.sync_data()
    }

    fn add(&mut self, line: &Line) -> io::Result<()> {
        self.write(&encode(line)?)
    }

    /// Writes what is owed and more. If that fails, the file is as before.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let whole = self.file.metadata()?.len();
        let bytes = [self.owed.as_slice(), line].concat();
        // In one piece: a reader sees all of it or nothing.
        if let Err(error) = self.file.write_all(&bytes) {
            // What was torn would swallow the next line.
            self.file.set_len(whole)?;
            let told = format!("{}: {error}", self.path.display());
            return Err(io::Error::new(error.kind(), told));
        }
        self.owed.clear();
        Ok(())
    }
}

fn encode(line: &Line) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::workspace) fn began(sequence: u64, generation: u64) -> Began {
        Began {
            sequence,
            generation,
            command: "true".to_owned(),
            cwd: "/workspace".to_owned(),
            recorded_at: Timestamp::UNIX_EPOCH,
            output_limit: 100,
            command_count: None,
        }
    }

    pub(in crate::workspace) fn ended() -> Ended {
        Ended {
            outcome: ExecOutcome::Exited,
            exit_code: Some(0),
            duration_ms: 1,
            streams: KeptStreams::default(),
        }
    }

    #[test]
    fn what_was_recorded_reads_back_and_a_torn_line_harms_no_other() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(History::read(dir.path()).unwrap().last_sequence(), 0);
        let mut recorder = Recorder::open(dir.path()).unwrap();
        recorder.began(began(1, 0)).unwrap();
        recorder.began(began(2, 0)).unwrap();
        recorder.ended(1, ended()).unwrap();
        recorder.file.write_all(b"{\"event\":\"began\",\"sequ").unwrap();
        let mut recorder = Recorder::open(dir.path()).unwrap();
        recorder.reset(1).unwrap();
        recorder.began(began(3, 1)).unwrap();
        let history = History::read(dir.path()).unwrap();
        assert_eq!(history.last_sequence(), 3);
        assert_eq!((history.count_in(0), history.count_in(1)), (2, 1));
        assert_eq!(history.entries[&1].ended, Some(ended()));
        assert_eq!(history.entries[&2].ended, None);
    }
}
