//! What a workspace begins with: a directory or archive of the host, written once as a read-only image, or as a directory
//! where there is no VM.
//!
//! The image is the lower layer of the tree: it is never copied, a reset leaves it as it is, and what differs from it is
//! told without looking through it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyro_image::seed::{
    SeedImage, SeedLimits, SeedMode as PlanMode, SeedOptions, SeedOwner, SeedPlan, SeedProgress, SeedSkipped,
    SeedSummary, build_seed_image, write_seed_image,
};
use tokio::sync::mpsc;

use super::SEED;
use super::content::seed_error;
use super::error::io_error;
use super::handle::SeedOrigin;
use super::seed_directory;
use crate::TREE;
use crate::admission::DISK_MARGIN;
use crate::dirs;
use crate::disk::{SEED_DISK_BYTES, SEED_TOP, nameless};
use crate::environment::{BootableEnvironment, EnvironmentProgress, OnProgress};
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::object::{OriginKind, SeedMode, SkippedFile, WorkspaceSeed};
use crate::space::free_bytes;

/// What a file takes in an image apart from its content, in bytes: its inode and its name.
const ENTRY_BYTES: u64 = 128;

/// What a file takes in a directory apart from its full blocks, in bytes, at most.
const BLOCK_BYTES: u64 = 4096;

/// The first user of every machine.
const ROOT: SeedOwner = SeedOwner { uid: 0, gid: 0 };

/// How many files that were left out are recorded.
const MAX_SKIPPED: usize = 1000;

/// A host without space for a seed.
#[derive(Debug, thiserror::Error)]
#[error("the seed needs {} MiB, {} MiB are available in `{}`", needed >> 20, available >> 20, dir.display())]
struct NoSpace {
    needed: u64,
    available: u64,
    dir: PathBuf,
}

impl Diagnosis for NoSpace {
    fn code(&self) -> ErrorCode {
        ErrorCode::InsufficientResources
    }

    fn hint(&self) -> Option<String> {
        Some("free space there, or name another place: `--home DIR`; leave out what is not needed".to_owned())
    }
}

/// A seed that was looked through, and not read yet.
#[derive(Debug)]
pub(crate) struct Planned {
    plan: SeedPlan,
    path: PathBuf,
}

/// What to plan a seed from.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// The directory or archive.
    pub(crate) path: &'a Path,
    /// Whether to take along what Git ignores.
    pub(crate) include_ignored: bool,
    /// The user's own ignore file.
    pub(crate) excludes_file: Option<PathBuf>,
    /// The most that its contents may have, in bytes.
    pub(crate) quota: u64,
}

/// No seed.
pub(super) fn none() -> WorkspaceSeed {
    WorkspaceSeed {
        mode: SeedMode::Empty,
        seed_path: None,
        destination: TREE.to_owned(),
        origin_kind: OriginKind::None,
        origin_ref: None,
        entry_count: 0,
        bytes_written: 0,
        ignored_count: 0,
        skipped: Vec::new(),
    }
}

/// A seed with how it was chosen.
pub(super) fn chosen(seed: WorkspaceSeed, origin: &SeedOrigin) -> WorkspaceSeed {
    match origin {
        SeedOrigin::Path => seed,
        SeedOrigin::Project => WorkspaceSeed {
            origin_kind: OriginKind::Project,
            ..seed
        },
        SeedOrigin::Repo(commit) => WorkspaceSeed {
            origin_kind: OriginKind::Repo,
            origin_ref: commit.clone(),
            // The clone does not stay where it is.
            seed_path: None,
            ..seed
        },
    }
}

/// Looks through a seed: it is refused here if it is too large, or cannot be read.
pub(crate) async fn plan(source: &Source<'_>, progress: OnProgress<'_>) -> Result<Planned> {
    let path = source.path.to_owned();
    let options = SeedOptions {
        include_ignored: source.include_ignored,
        excludes_file: source.excludes_file.clone(),
        limits: SeedLimits {
            content_bytes: source.quota,
            ..SeedLimits::default()
        },
    };
    progress(EnvironmentProgress::Step(format!("reading {}", path.display())));
    in_background(progress, move |hear, cancel| {
        let plan = SeedPlan::new(&path, &options, hear, cancel).map_err(seed_error)?;
        Ok(Planned { plan, path })
    })
    .await
}

impl Planned {
    /// Writes the image into a workspace's directory. It is durable when this returns, but for its name.
    pub(super) async fn write(
        self,
        dir: &Path,
        environment: &BootableEnvironment,
        progress: OnProgress<'_>,
    ) -> Result<(WorkspaceSeed, Vec<String>)> {
        let image = dir.join(SEED);
        self.write_image_by(dir, environment, progress, move |plan, owner, hear, cancel| {
            let written = build_seed_image(plan, &image, owner, hear, cancel).map_err(seed_error)?;
            extend(&image).map_err(io_error("write", &image))?;
            Ok(written)
        })
        .await
    }

    /// Writes the image to a file without a name on a directory's file system, which is gone with whoever has it open.
    pub(crate) async fn write_nameless(
        self,
        dir: &Path,
        environment: &BootableEnvironment,
        progress: OnProgress<'_>,
    ) -> Result<(File, WorkspaceSeed, Vec<String>)> {
        let file = nameless(dir).map_err(io_error("create a seed in", dir))?;
        // As one that cannot be written to by whoever has it.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let image = File::open(path).map_err(io_error("open a seed in", dir))?;
        let shown = dir.join(SEED);
        let (seed, warnings) = self
            .write_image_by(dir, environment, progress, move |plan, owner, hear, cancel| {
                let sized = file.try_clone().map_err(io_error("write", &shown))?;
                let written =
                    write_seed_image(plan, file, &shown, owner, hear, cancel).map_err(seed_error)?;
                sized
                    .set_len(SEED_DISK_BYTES)
                    .map_err(io_error("write", &shown))?;
                Ok(written)
            })
            .await?;
        Ok((image, seed, warnings))
    }

    /// Writes the seed as a new directory, with the tree as [`SEED_TOP`] in it, for commands that run without a VM. It is durable
    /// when this returns, but for its name.
    pub(crate) async fn write_directory(
        self,
        seed: &Path,
        progress: OnProgress<'_>,
    ) -> Result<(WorkspaceSeed, Vec<String>)> {
        let SeedSummary {
            content_bytes,
            entry_count,
            ..
        } = *self.plan.summary();
        // The seed itself, and the tree that begins as a copy of it.
        let needed = 2 * (content_bytes + entry_count * BLOCK_BYTES);
        check_space(seed, needed)?;
        dirs::ensure_private(seed)?;
        let tree = seed.join(SEED_TOP);
        self.write_by(progress, move |plan, hear, cancel| {
            let late = seed_directory::write(&plan, &tree, hear, cancel)?;
            let mut summary = plan.summary().clone();
            summary.warnings.extend(late);
            Ok(summary)
        })
        .await
    }

    async fn write_image_by(
        self,
        dir: &Path,
        environment: &BootableEnvironment,
        progress: OnProgress<'_>,
        write: impl FnOnce(SeedPlan, SeedOwner, &mut dyn FnMut(SeedProgress), &AtomicBool) -> Result<SeedImage>
        + Send
        + 'static,
    ) -> Result<(WorkspaceSeed, Vec<String>)> {
        let SeedSummary {
            content_bytes,
            entry_count,
            ..
        } = *self.plan.summary();
        check_space(dir, content_bytes + entry_count * ENTRY_BYTES)?;
        let user = &environment.defaults.user;
        let known = environment.owner.map(|(uid, gid)| SeedOwner { uid, gid });
        let owner = known.or_else(|| owner(user));
        let written = self.write_by(progress, move |mut plan, hear, cancel| {
            plan.nest(SEED_TOP).map_err(seed_error)?;
            let image = write(plan, owner.unwrap_or(ROOT), hear, cancel)?;
            Ok(SeedSummary {
                entry_count: image.entry_count,
                content_bytes: image.bytes_written,
                ignored_count: image.ignored_count,
                ignored_bytes: image.ignored_bytes,
                skipped: image.skipped,
                warnings: image.warnings,
            })
        });
        let (seed, mut warnings) = written.await?;
        if owner.is_none() {
            warnings.push(format!(
                "the seed belongs to root: who the user `{user}` of the environment is in numbers is not known"
            ));
        }
        Ok((seed, warnings))
    }

    async fn write_by(
        self,
        progress: OnProgress<'_>,
        write: impl FnOnce(SeedPlan, &mut dyn FnMut(SeedProgress), &AtomicBool) -> Result<SeedSummary>
        + Send
        + 'static,
    ) -> Result<(WorkspaceSeed, Vec<String>)> {
        progress(EnvironmentProgress::Step("writing the seed".to_owned()));
        let Self { plan, path } = self;
        let mode = match plan.mode() {
            PlanMode::Directory => SeedMode::Directory,
            PlanMode::TarArchive => SeedMode::TarArchive,
        };
        let written = in_background(progress, move |hear, cancel| write(plan, hear, cancel)).await?;
        let seed = WorkspaceSeed {
            mode,
            seed_path: Some(path),
            origin_kind: OriginKind::Path,
            entry_count: written.entry_count,
            bytes_written: written.content_bytes,
            ignored_count: written.ignored_count,
            skipped: written.skipped.iter().take(MAX_SKIPPED).map(skipped).collect(),
            ..none()
        };
        let mut warnings = written.warnings;
        if written.skipped.len() > MAX_SKIPPED {
            let count = written.skipped.len();
            warnings.push(format!(
                "{count} files were left out; the first {MAX_SKIPPED} are listed"
            ));
        }
        Ok((seed, warnings))
    }
}

fn check_space(dir: &Path, needed: u64) -> Result<()> {
    let free = free_bytes(dir).map_err(io_error("ask for the space in", dir))?;
    let available = free.saturating_sub(DISK_MARGIN);
    if needed <= available {
        return Ok(());
    }
    let dir = dir.to_owned();
    Err(NoSpace {
        needed,
        available,
        dir,
    }
    .into())
}

/// A user that is given by numbers, as in `1000` or `1000:100`; root if none is given. For environments whose user was
/// not looked up when they were installed.
fn owner(user: &str) -> Option<SeedOwner> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
    match uid {
        "" | "root" => Some(ROOT),
        _ => Some(SeedOwner {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        }),
    }
}

fn skipped(file: &SeedSkipped) -> SkippedFile {
    SkippedFile::new(&file.path, &file.reason)
}

/// Every machine's disk for a seed has one size, whatever is on it.
fn extend(image: &Path) -> std::io::Result<()> {
    let file = File::options().write(true).open(image)?;
    file.set_len(SEED_DISK_BYTES)?;
    file.sync_all()
}

/// Tells a job that its result is wanted no more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does work that waits for disks, hears how far it is, and has it stop if nobody waits for it any more.
async fn in_background<T: Send + 'static>(
    progress: OnProgress<'_>,
    work: impl FnOnce(&mut dyn FnMut(SeedProgress), &AtomicBool) -> Result<T> + Send + 'static,
) -> Result<T> {
    let cancel = Arc::new(AtomicBool::new(false));
    let _guard = CancelOnDrop(Arc::clone(&cancel));
    let (news, mut heard) = mpsc::channel(1);
    let job = tokio::task::spawn_blocking(move || {
        // News that nobody has taken yet is as good as the next.
        let mut hear = |far| {
            let _untaken = news.try_send(far);
        };
        work(&mut hear, &cancel)
    });
    while let Some(far) = heard.recv().await {
        progress(match far {
            SeedProgress::Found { bytes, .. } => EnvironmentProgress::Bytes {
                done: bytes,
                total: 0,
            },
            SeedProgress::Written {
                bytes_done,
                bytes_total,
            } => EnvironmentProgress::Bytes {
                done: bytes_done,
                total: bytes_total,
            },
        });
    }
    match job.await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_that_are_numbers_own_their_seed() {
        let ids = |user| owner(user).map(|owner| (owner.uid, owner.gid));
        assert_eq!(ids(""), Some((0, 0)));
        assert_eq!(ids("root:root"), Some((0, 0)));
        assert_eq!(ids("1000"), Some((1000, 0)));
        assert_eq!(ids("1000:100"), Some((1000, 100)));
        assert_eq!(ids("app"), None);
    }
}
