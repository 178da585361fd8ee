//! The source of a push: read by threads that may wait for the disk.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use pyro_image::seed::{SeedEntry, SeedError, SeedIgnores, SeedKind, SeedOptions, SeedPlan, SeedProgress};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::deletion::Verdict;
use super::{OnTransfer, TransferProgress};
use crate::error::Result;
use crate::workspace::content::seed_error;

/// How much content goes at once, in bytes.
const PIECE_BYTES: usize = 128 * 1024;

/// How many pieces may wait for the guest.
const QUEUE: usize = 16;

/// Something of a source, in the order of [`SeedReader`](pyro_image::seed::SeedReader).
#[derive(Debug)]
pub(super) enum Piece {
    /// An entry.
    Entry(SeedEntry),
    /// Content of the last one.
    Data(bytes::Bytes),
}

/// A source that was looked through.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) plan: Arc<SeedPlan>,
    options: SeedOptions,
    stop: Arc<StopOnDrop>,
}

/// Has the threads end that read for somebody who went away.
#[derive(Debug, Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Source {
    /// Looks a source through: names, lengths, and what Git ignores. Dropping the future ends that soon.
    pub(super) async fn open(path: PathBuf, options: SeedOptions, progress: OnTransfer<'_>) -> Result<Self> {
        let stop = Arc::new(StopOnDrop::default());
        let (sender, mut reports) = mpsc::channel(1);
        let (cancel, chosen) = (Arc::clone(&stop.0), options.clone());
        let mut work = tokio::task::spawn_blocking(move || {
            // Progress that nobody takes in time is not worth waiting for.
            let mut report = |state: SeedProgress| {
                let _untold = sender.try_send(state);
            };
            SeedPlan::new(&path, &chosen, &mut report, &cancel)
        });
        let plan = loop {
            tokio::select! {
                plan = &mut work => break plan,
                Some(state) = reports.recv() => {
                    if let SeedProgress::Found { entries, bytes } = state {
                        progress(TransferProgress::Found { entries, bytes });
                    }
                }
            }
        };
        let plan = plan
            .expect("looking through a seed does not panic")
            .map_err(seed_error)?;
        let summary = plan.summary();
        progress(TransferProgress::Found {
            entries: summary.entry_count,
            bytes: summary.content_bytes,
        });
        let plan = Arc::new(plan);
        Ok(Self { plan, options, stop })
    }

    /// Reads everything. What the thread returns is what the user should know.
    pub(super) fn read(&self) -> (mpsc::Receiver<Piece>, JoinHandle<Result<Vec<String>, SeedError>>) {
        let (sender, pieces) = mpsc::channel(QUEUE);
        let (plan, cancel) = (Arc::clone(&self.plan), Arc::clone(&self.stop.0));
        let work = tokio::task::spawn_blocking(move || read(&plan, &cancel, &sender));
        (pieces, work)
    }

    /// Judges what a destination has by what the source has and, if that is spared, would leave out. Not to be sent to
    /// another thread.
    pub(super) fn judge<'a>(plan: &'a SeedPlan, options: &SeedOptions, spares: bool) -> Judge<'a> {
        let skipped = plan.summary().skipped.iter();
        Judge {
            plan,
            spares,
            ignores: plan.ignores(options),
            skipped: skipped.map(|skipped| skipped.path.as_slice()).collect(),
        }
    }

    /// How it was looked through.
    pub(super) fn options(&self) -> &SeedOptions {
        &self.options
    }
}

/// Says what becomes of what a destination has.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    plan: &'a SeedPlan,
    /// Whether a `.git` and what Git ignores stay.
    spares: bool,
    ignores: SeedIgnores<'a>,
    skipped: HashSet<&'a [u8]>,
}

impl Judge<'_> {
    /// A path relative to the destination.
    pub(super) fn verdict(&mut self, path: &[u8], is_directory: bool) -> Verdict {
        // It is in the source, and could not be taken along: nobody knows what would be in it.
        if self.skipped.contains(path) {
            return Verdict::Spared;
        }
        if let Some(is_directory) = self.plan.is_directory(path) {
            return Verdict::Has { is_directory };
        }
        let name = path.rsplit(|&byte| byte == b'/').next();
        if self.spares && (name == Some(b".git") || self.ignores.is_ignored(path, is_directory)) {
            return Verdict::Spared;
        }
        Verdict::Lacks
    }
}

fn read(
    plan: &SeedPlan,
    cancel: &AtomicBool,
    pieces: &mpsc::Sender<Piece>,
) -> Result<Vec<String>, SeedError> {
    let mut reader = plan.read(cancel);
    // Whoever takes no more has gone away, or has failed and says so itself.
    let send = |piece| pieces.blocking_send(piece).map_err(|_| SeedError::Cancelled);
    while let Some(entry) = reader.next_entry() {
        let has_content = matches!(entry.kind, SeedKind::File { size: 1.. });
        send(Piece::Entry(entry))?;
        if !has_content {
            continue;
        }
        loop {
            let mut buffer = BytesMut::zeroed(PIECE_BYTES);
            let length = reader.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            buffer.truncate(length);
            send(Piece::Data(buffer.freeze()))?;
        }
    }
    Ok(reader.warnings())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::ErrorCode;

    async fn open(path: &std::path::Path) -> Result<Source> {
        Source::open(path.to_path_buf(), SeedOptions::default(), &|_| {}).await
    }

    #[tokio::test]
    async fn a_source_is_read_entry_by_entry() {
        let dir = tempfile::tempdir().unwrap();
        let content = vec![7; PIECE_BYTES + 1];
        fs::write(dir.path().join("large"), &content).unwrap();
        fs::write(dir.path().join("empty"), "").unwrap();
        let source = open(dir.path()).await.unwrap();
        let (mut pieces, work) = source.read();
        let (mut paths, mut read) = (Vec::new(), Vec::new());
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Entry(entry) => paths.push(entry.path),
                Piece::Data(data) => read.extend(data),
            }
        }
        assert_eq!(work.await.unwrap().unwrap(), <[String; 0]>::default());
        assert_eq!(paths, [&b""[..], b"empty", b"large"]);
        assert!(read == content);
    }

    #[tokio::test]
    async fn a_source_that_nobody_wants_any_more_is_read_no_further() {
        let dir = tempfile::tempdir().unwrap();
        // More than what may wait, so that the thread cannot be done before it hears of it.
        fs::write(dir.path().join("file"), vec![0; (QUEUE + 1) * PIECE_BYTES]).unwrap();
        let source = open(dir.path()).await.unwrap();
        let (pieces, work) = source.read();
        drop(pieces);
        let error = work.await.unwrap().unwrap_err();
        assert!(matches!(error, SeedError::Cancelled), "{error}");
        let error = open(&dir.path().join("missing")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::HostIo);
    }

    #[tokio::test]
    async fn what_the_source_has_or_ignores_or_cannot_read_stays() {
        let dir = tempfile::tempdir().unwrap();
        for directory in [".git/objects", "src", "sub"] {
            fs::create_dir_all(dir.path().join(directory)).unwrap();
        }
        fs::write(dir.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(dir.path().join(".gitignore"), "target\n").unwrap();
        fs::write(dir.path().join("src/main.rs"), "").unwrap();
        let fifo = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let source = open(dir.path()).await.unwrap();
        let mut judge = Source::judge(&source.plan, source.options(), true);
        for (path, is_directory, expected) in [
            ("src", true, Verdict::Has { is_directory: true }),
            ("src/main.rs", false, Verdict::Has { is_directory: false }),
            ("src/old.rs", false, Verdict::Lacks),
            ("target", true, Verdict::Spared),
            ("src/target", false, Verdict::Spared),
            (".git", true, Verdict::Has { is_directory: true }),
            // The source has a `.git`, of which this is a mirror.
            (".git/stale", false, Verdict::Lacks),
            ("sub/.git", true, Verdict::Spared),
            ("pipe", false, Verdict::Spared),
            ("pipe2", false, Verdict::Lacks),
        ] {
            assert_eq!(judge.verdict(path.as_bytes(), is_directory), expected, "{path}");
        }
    }
}
