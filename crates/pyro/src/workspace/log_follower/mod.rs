//! The commands of a workspace as they go on.

mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use self::watch::Watch;
use super::error::io_error;
use super::handle::history;
use super::history::Entry;
use super::kept::KeptStream;
use super::logs::{self, LogsRequest};
use super::{Workspace, info};
use crate::error::Result;
use crate::object::{ExecOutcome, LogEntry};
use crate::output::Stream;

/// The least time between two looks at the files: what comes in between comes at once.
const PAUSE: Duration = Duration::from_millis(30);

/// The longest text of one entry, in bytes.
const PIECE_BYTES: u64 = 256 << 10;

/// How long a supervisor is asked at once to tell of a command's end.
const LONG: Duration = Duration::from_secs(3600);

/// The commands of a workspace that were, that run and that are yet to begin, one after another.
///
/// A command that is over when it is first seen is one [`LogEntry`] with all that is kept of it. Any other is several:
/// one when it is first seen, one for each piece of output of one of its streams, from `offset` on, and one without output
/// that says how it ended. Output that goes beyond the first half of what is kept comes with the end.
#[derive(Debug)]
pub struct LogFollower {
    workspace: Workspace,
    request: LogsRequest,
    watch: Watch,
    /// The last command that was seen; `None` before the first look.
    last: Option<u64>,
    open: BTreeMap<u64, Seen>,
    ready: VecDeque<LogEntry>,
    /// Commands of which their supervisor has nothing more to tell.
    told: BTreeSet<u64>,
    looked_at: Option<Instant>,
    is_over: bool,
}

/// A command that was not over, and how much of each stream was told.
#[derive(Debug, Clone, Copy)]
struct Seen {
    told: [u64; 2],
}

impl Workspace {
    /// Follows its commands: those that the request chooses, and unless it is about a single one all later ones, also
    /// when the workspace is stopped and started meanwhile.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `item-not-found`, `workspace-not-found`, `host-io`.
    pub fn follow_logs(&self, request: LogsRequest) -> Result<LogFollower> {
        // A workspace that is not there, or has no such command, is not followed.
        let chosen = LogsRequest {
            limit: Some(0),
            ..request.clone()
        };
        self.logs(&chosen)?;
        let dir = self.dir();
        let watch = Watch::new(&dir).map_err(io_error("watch", dir))?;
        Ok(LogFollower {
            workspace: self.clone(),
            request,
            watch,
            last: None,
            open: BTreeMap::new(),
            ready: VecDeque::new(),
            told: BTreeSet::new(),
            looked_at: None,
            is_over: false,
        })
    }
}

impl LogFollower {
    /// Waits for what comes next; `None` once nothing more can come: the one command that was asked for is over, or the
    /// workspace is gone. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// `host-io`, `state-damaged`.
    pub async fn next(&mut self) -> Result<Option<LogEntry>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(Some(entry));
            }
            if self.is_over {
                return Ok(None);
            }
            if self.looked_at.is_some() {
                self.wait().await?;
            }
            let dir = self.workspace.dir();
            self.watch.look_after_files().map_err(io_error("watch", dir))?;
            self.look()?;
            self.looked_at = Some(Instant::now());
        }
    }

    /// Waits until there may be something new.
    async fn wait(&mut self) -> Result<()> {
        if let Some(looked_at) = self.looked_at {
            tokio::time::sleep_until(looked_at + PAUSE).await;
        }
        let mut running = self.open.keys().copied();
        let runs = running.find(|sequence| !self.told.contains(sequence));
        let ended = async {
            match runs {
                // Also a supervisor that went away is heard of by this alone.
                Some(sequence) => self.workspace.wait_for_command(sequence, LONG).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            news = self.watch.news() => Ok(news.map_err(io_error("watch", self.workspace.dir()))?),
            ended = ended => {
                // What has no end in the history by now may never get one: that is not asked for again at once.
                self.told.extend(runs);
                match ended {
                    Err(error) if error.code() == crate::ErrorCode::WorkspaceNotFound => Ok(()),
                    ended => ended,
                }
            }
        }
    }

    /// Looks through the history, and makes entries of what is new.
    fn look(&mut self) -> Result<()> {
        let found = match self.workspace.store().find(self.workspace.id()) {
            Ok(found) => found,
            Err(error) if error.is_absence() => {
                self.is_over = true;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let history = history(self.workspace.store(), found.id)?;
        let is_live = found.live.is_some();
        for (sequence, entry) in &history.entries {
            if let Some(seen) = self.open.get(sequence).copied() {
                self.go_on(entry, seen, is_live)?;
            } else if self.is_new(*sequence, history.entries.len(), &history.entries) {
                self.begin(entry, is_live)?;
            }
        }
        let last = self.last.unwrap_or(0);
        self.last = Some(last.max(history.last_sequence()));
        self.is_over |= self.request.sequence.is_some() && self.open.is_empty();
        Ok(())
    }

    /// Whether a command is to be followed from now on.
    fn is_new(&self, sequence: u64, count: usize, entries: &BTreeMap<u64, Entry>) -> bool {
        match (self.request.sequence, self.last) {
            (Some(only), None) => sequence == only,
            (Some(_), Some(_)) => false,
            (None, Some(last)) => sequence > last,
            (None, None) => {
                // Those that run are followed, however many came after them.
                let before = entries.range(..sequence).count();
                before + self.request.tail >= count
                    || entries.get(&sequence).is_some_and(|entry| entry.ended.is_none())
            }
        }
    }

    /// A command that is seen for the first time.
    fn begin(&mut self, entry: &Entry, is_live: bool) -> Result<()> {
        let is_first_look = self.last.is_none();
        let offset = if is_first_look { self.request.offset } else { 0 };
        let request = LogsRequest {
            offset,
            ..self.request.clone()
        };
        let dir = self.workspace.dir();
        if info::outcome(entry, is_live) != ExecOutcome::Running {
            self.ready
                .push_back(logs::describe(&dir, entry, is_live, &request)?);
            return Ok(());
        }
        let seen = Seen { told: [offset; 2] };
        self.open.insert(entry.began.sequence, seen);
        self.ready.push_back(bare(&dir, entry, is_live)?);
        self.go_on(entry, seen, is_live)
    }

    /// A command that was seen before: what it printed since, and how it ended if it did.
    fn go_on(&mut self, entry: &Entry, mut seen: Seen, is_live: bool) -> Result<()> {
        let dir = self.workspace.dir();
        let sequence = entry.began.sequence;
        let runs = info::outcome(entry, is_live) == ExecOutcome::Running;
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.request.stream.includes(stream) {
                continue;
            }
            let kept = logs::kept(&dir, entry, stream);
            let mut from = place(seen.told[stream as usize], kept);
            while from < kept.stored() {
                let until = kept.stored().min(from + PIECE_BYTES);
                let goes_on = runs || until < kept.stored();
                let Some(piece) = logs::piece(&dir, sequence, stream, (from, until), goes_on)? else {
                    break;
                };
                let mut told = bare(&dir, entry, is_live)?;
                (told.outcome, told.exit_code, told.duration_ms) = (ExecOutcome::Running, None, None);
                (told.offset, told.next_offset) = (from, Some(piece.until));
                let (text, info) = match stream {
                    Stream::Stdout => (&mut told.stdout, &mut told.stdout_info),
                    Stream::Stderr => (&mut told.stderr, &mut told.stderr_info),
                };
                *text = piece.text;
                info.encoding = piece.encoding;
                from = piece.until;
                self.ready.push_back(told);
            }
            seen.told[stream as usize] = from;
        }
        if runs {
            self.open.insert(sequence, seen);
        } else {
            self.open.remove(&sequence);
            self.ready.push_back(bare(&dir, entry, is_live)?);
        }
        Ok(())
    }
}

/// An entry without output.
fn bare(dir: &std::path::Path, entry: &Entry, is_live: bool) -> Result<LogEntry> {
    let nothing = LogsRequest {
        limit: Some(0),
        ..LogsRequest::default()
    };
    let mut bare = logs::describe(dir, entry, is_live, &nothing)?;
    bare.next_offset = None;
    Ok(bare)
}

/// Where in the file the output goes on of which so many bytes were told: what was kept last stands right behind what was
/// kept first, whatever was between them.
fn place(told: u64, kept: KeptStream) -> u64 {
    if told <= kept.head || kept.total == kept.stored() {
        return told;
    }
    let tail_begins = kept.total - kept.tail;
    kept.head + told.saturating_sub(tail_begins).min(kept.tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_found_again_in_a_file_that_was_put_in_order() {
        let all = KeptStream {
            total: 20,
            head: 8,
            tail: 12,
        };
        let cut = KeptStream {
            total: 100,
            head: 8,
            tail: 12,
        };
        for (told, kept, at) in [
            (0, all, 0),
            (15, all, 15),
            (5, cut, 5),
            (8, cut, 8),
            // What it told behind the head is lost to the file, and so is what came next.
            (12, cut, 8),
            (90, cut, 10),
            (100, cut, 20),
        ] {
            assert_eq!(place(told, kept), at, "{told} of {kept:?}");
        }
    }
}
