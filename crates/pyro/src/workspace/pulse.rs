//! When a workspace was last used, and how much is under way in it, for whoever lists workspaces without asking its
//! supervisor.
//!
//! One file says both without a byte in it: its time of modification and its length. Each operation changes them twice,
//! which costs a thousandth of replacing a file: a file system that is asked for that allocates and writes blocks.
//! It means nothing once the supervisor is gone, so it is not synced.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;

const FILE: &str = "pulse";

/// The file, open for whoever writes it.
#[derive(Debug)]
pub(crate) struct Pulse(File);

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) last_activity_at: Timestamp,
    /// Operations under way.
    pub(super) busy: u64,
}

impl Pulse {
    /// Takes the file over, and makes it if it is not there.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(FILE))?;
        Ok(Self(file))
    }

    /// Says both.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn beat(&self, last_activity_at: Timestamp, busy: u64) -> io::Result<()> {
        self.0.set_len(busy)?;
        // A new length makes it now.
        self.0.set_modified(SystemTime::from(last_activity_at))
    }
}

impl Beat {
    /// Reads what a supervisor said last, if it ever did so in this way.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let metadata = std::fs::symlink_metadata(dir.join(FILE)).ok()?;
        Some(Self {
            last_activity_at: Timestamp::try_from(metadata.modified().ok()?).ok()?,
            busy: metadata.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_whoever_said_something_before() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Beat::read(dir.path()), None);
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for (seconds, busy) in [(1_700_000_000, 3), (1_600_000_000, 0), (1_600_000_001, 1)] {
            let pulse = Pulse::open(dir.path()).unwrap();
            pulse.beat(at(seconds), busy).unwrap();
            let said = Beat {
                last_activity_at: at(seconds),
                busy,
            };
            assert_eq!(Beat::read(dir.path()), Some(said));
        }
    }
}
