//! Results of one-shot runs on disk, for whoever comes back to them.
//!
//! ```text
//! home/runs/{vm_id}/             one run, 0700; put in place as a whole, never changed
//!   result.json                  the result, without what the other files hold
//!   stdout, stderr               what was kept of the output
//!   patch                        what it changed, if that was asked for
//! home/runs/.{vm_id}.new         one that is being written
//! ```
//!
//! A result goes after an hour, the oldest of them earlier if all take more space than they may.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::dirs::{DirError, StateDir, ensure_private};
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::id::VmId;
use crate::leftover::older_than;
use crate::object::VmExec;

/// How long a result is kept.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);

/// Writing a result takes far less.
const UNFINISHED: Duration = Duration::from_secs(10 * 60);

/// The most that all results may take together, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// The version of the format.
const FORMAT: u64 = 1;

const RESULT: &str = "result.json";
const STDOUT: &str = "stdout";
const STDERR: &str = "stderr";
const PATCH: &str = "patch";

/// A result that cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptError {
    /// There is none.
    #[error("no run `{0}`")]
    Absent(VmId),
    /// It cannot be understood.
    #[error("the result of the run `{id}` cannot be read")]
    Damaged {
        /// The run.
        id: VmId,
        /// Why.
        source: serde_json::Error,
    },
    /// It was written by another pyro.
    #[error("the result of the run `{id}` has format {format}, which this pyro does not know")]
    OtherFormat {
        /// The run.
        id: VmId,
        /// The format.
        format: u64,
    },
    /// The file system refused.
    #[error("cannot {action} the result of the run `{id}`")]
    Io {
        /// What was attempted, as in "read".
        action: &'static str,
        /// The run.
        id: VmId,
        /// Why.
        source: io::Error,
    },
    /// The state directory cannot be used.
    #[error(transparent)]
    Dir(#[from] DirError),
}

impl Diagnosis for KeptError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Absent(_) => ErrorCode::VmNotFound,
            Self::Damaged { .. } => ErrorCode::StateDamaged,
            Self::OtherFormat { .. } => ErrorCode::VersionMismatch,
            Self::Io { .. } => ErrorCode::HostIo,
            Self::Dir(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Absent(_) => Some(
                "a run goes on for as long as the server that began it, and its result is kept for an hour; run the command again"
                    .to_owned(),
            ),
            Self::Damaged { .. } | Self::OtherFormat { .. } => Some("run the command again".to_owned()),
            Self::Io { .. } => Some("check space, owner and mode; see `pyro doctor`".to_owned()),
            Self::Dir(error) => error.hint(),
        }
    }
}

/// The results of a state directory. Making one touches nothing.
#[derive(Debug, Clone)]
pub(crate) struct KeptRuns {
    home: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Record<E> {
    format: u64,
    exec: E,
}

#[derive(Deserialize)]
struct Format {
    format: u64,
}

impl KeptRuns {
    /// Those of a state directory.
    pub(crate) fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
        }
    }

    fn dir(&self) -> PathBuf {
        self.home.join("runs")
    }

    /// Every result that is there, by its run.
    pub(crate) fn places(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(self.dir()).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.parse::<VmId>().is_ok().then(|| (name, entry.path()))
        });
        named.collect()
    }

    /// Those whose time is over.
    pub(crate) fn outdated(&self) -> Vec<(String, PathBuf)> {
        let is_over = |path: &Path| age(path).is_some_and(|age| age > KEPT_FOR);
        self.places()
            .into_iter()
            .filter(|(_, path)| is_over(path))
            .collect()
    }

    /// Keeps a result, and gives up those whose time is over.
    ///
    /// # Errors
    /// [`KeptError`] if the file system refuses; nothing of it is there then.
    pub(crate) fn keep(&self, exec: &VmExec) -> Result<(), KeptError> {
        let home = StateDir::open(&self.home)?;
        ensure_private(&self.dir())?;
        self.give_up(MOST_BYTES);
        let id = exec.vm_id;
        let draft = home.path().join("runs").join(format!(".{id}.new"));
        let kept = write(&draft, exec).and_then(|()| fs::rename(&draft, self.dir().join(id.as_str())));
        kept.map_err(|source| {
            // The failure at hand matters more than one to clean up after it.
            drop(fs::remove_dir_all(&draft));
            let action = "keep";
            KeptError::Io { action, id, source }
        })
    }

    /// Reads a result.
    ///
    /// # Errors
    /// [`KeptError::Absent`] if there is none, or its time is over; others if it cannot be read.
    pub(crate) fn read(&self, id: VmId) -> Result<VmExec, KeptError> {
        let dir = self.dir().join(id.as_str());
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeptError::Absent(id),
            _ => KeptError::Io {
                action: "read",
                id,
                source,
            },
        };
        if age(&dir).is_some_and(|age| age > KEPT_FOR) {
            return Err(KeptError::Absent(id));
        }
        let result = fs::read(dir.join(RESULT)).map_err(failed)?;
        let damaged = |source| KeptError::Damaged { id, source };
        let Format { format } = serde_json::from_slice(&result).map_err(damaged)?;
        if format != FORMAT {
            return Err(KeptError::OtherFormat { id, format });
        }
        let record: Record<VmExec> = serde_json::from_slice(&result).map_err(damaged)?;
        let mut exec = record.exec;
        let text = |name| fs::read(dir.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        exec.stdout = text(STDOUT).map_err(failed)?;
        exec.stderr = text(STDERR).map_err(failed)?;
        if let Some(diff) = &mut exec.diff {
            diff.patch_bytes = fs::read(dir.join(PATCH)).map_err(failed)?;
            diff.patch = String::from_utf8_lossy(&diff.patch_bytes).into_owned();
        }
        Ok(exec)
    }

    /// Removes what was kept for long enough, and the oldest of the rest until it is within a limit.
    fn give_up(&self, most_bytes: u64) {
        let drafts = older_than(&self.dir(), UNFINISHED, |name| name.starts_with('.'));
        let mut kept: Vec<_> = self
            .places()
            .into_iter()
            .filter_map(|(_, path)| Some((age(&path)?, path)))
            .collect();
        kept.sort();
        let mut total = 0;
        let over = kept.into_iter().filter(|(age, path)| {
            total += size(path);
            *age > KEPT_FOR || total > most_bytes
        });
        for path in drafts.into_iter().chain(over.map(|(_, path)| path)) {
            // Another process may have been faster; what cannot be removed is tried again with the next result.
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::debug!(%error, path = %path.display(), "a result was not removed");
            }
        }
    }
}

/// For how long a directory has been as it is.
fn age(dir: &Path) -> Option<Duration> {
    let written = fs::symlink_metadata(dir)
        .and_then(|found| found.modified())
        .ok()?;
    Some(SystemTime::now().duration_since(written).unwrap_or_default())
}

/// The length of the files in a directory, in bytes.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|found| found.len())
        .sum()
}

fn write(dir: &Path, exec: &VmExec) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    ensure_private(dir).map_err(io::Error::other)?;
    let put = |name: &str, bytes: &[u8]| {
        use io::Write as _;
        let mut options = fs::File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.join(name))?;
        file.write_all(bytes)
    };
    put(STDOUT, exec.stdout.as_bytes())?;
    put(STDERR, exec.stderr.as_bytes())?;
    let mut exec = VmExec {
        stdout: String::new(),
        stderr: String::new(),
        ..exec.clone()
    };
    if let Some(diff) = &mut exec.diff {
        diff.patch.clear();
        put(PATCH, &diff.patch_bytes)?;
    }
    let record = Record { format: FORMAT, exec };
    put(RESULT, &serde_json::to_vec(&record)?)
}

#[cfg(test)]
mod tests;
