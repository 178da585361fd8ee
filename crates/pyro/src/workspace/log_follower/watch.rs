//! Learns that something was added to a workspace's history or to the output of its commands (inotify(7)).

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::process::sys;
use crate::workspace::history;
use crate::workspace::kept;

/// How many bytes of news are taken at once; what they say is of no interest.
const NEWS_BYTES: usize = 16 * 1024;

/// Watches the directory of a workspace.
#[derive(Debug)]
pub(super) struct Watch {
    news: AsyncFd<OwnedFd>,
    dir: PathBuf,
}

impl Watch {
    /// Begins to watch. Must be called within a runtime.
    ///
    /// # Errors
    /// If the kernel refuses: its user may have too many of them.
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let news = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watch = Self {
            news: sys::readable(news)?,
            dir: dir.to_owned(),
        };
        watch.look_after_files()?;
        Ok(watch)
    }

    /// Watches also what came into being meanwhile. The directory itself is watched for names alone: the VM writes to a
    /// disk in it all the time.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn look_after_files(&self) -> io::Result<()> {
        let names =
            WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        self.add(&self.dir, names)?;
        self.add(&history::path(&self.dir), WatchFlags::MODIFY)?;
        self.add(&kept::dir(&self.dir), WatchFlags::MODIFY | WatchFlags::MOVED_TO)
    }

    fn add(&self, path: &Path, flags: WatchFlags) -> io::Result<()> {
        match inotify::add_watch(&self.news, path, flags) {
            // It is watched as soon as it is there.
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for news.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) async fn news(&self) -> io::Result<()> {
        let mut buffer = vec![0; NEWS_BYTES];
        loop {
            let mut ready = self.news.readable().await?;
            let taken = ready.try_io(|news| Ok(rustix::io::read(news.get_ref(), &mut buffer)?));
            match taken {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}
