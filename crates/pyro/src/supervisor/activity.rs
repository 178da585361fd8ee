//! When a workspace was last used, and when it expires.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::workspace::{Live, Pulse, VmFacts};

/// Follows the activity of a workspace, and says so in its pulse, and what its VM is in `live.json`.
#[derive(Debug)]
pub(super) struct Activity {
    dir: PathBuf,
    /// Opened when it is first needed.
    pulse: OnceCell<Pulse>,
    live: RefCell<Live>,
    last: Cell<Instant>,
    ttl: Cell<Duration>,
    is_over: Cell<bool>,
    changed: Notify,
}

/// An operation under way: while it lasts, nothing expires.
#[derive(Debug)]
pub(super) struct Busy {
    activity: Rc<Activity>,
    since: Instant,
}

/// An operation that took no longer was done when it began. Its caller may know that it is over before this is: of two
/// workspaces, the one that was used last must not give way to that.
const SHORT: Duration = Duration::from_secs(1);

impl Activity {
    /// A workspace that was used just now.
    pub(super) fn new(dir: PathBuf, live: Live, ttl: Duration) -> Self {
        Self {
            dir,
            pulse: OnceCell::new(),
            live: RefCell::new(live),
            last: Cell::new(Instant::now()),
            ttl: Cell::new(ttl),
            is_over: Cell::new(false),
            changed: Notify::new(),
        }
    }

    /// An operation begins.
    pub(super) fn begin(self: &Rc<Self>) -> Busy {
        self.live.borrow_mut().busy += 1;
        self.touch();
        Busy {
            activity: Rc::clone(self),
            since: Instant::now(),
        }
    }

    /// Gives it another time to live, from now on.
    pub(super) fn set_ttl(&self, ttl: Duration) {
        self.ttl.set(ttl);
        self.touch();
    }

    /// Says what the VM is.
    pub(super) fn set_vm(&self, facts: VmFacts) {
        self.live.borrow_mut().vm = Some(facts);
        self.touch();
        if !self.is_over.get()
            && let Err(error) = self.live.borrow().write(&self.dir)
        {
            tracing::warn!(%error, "live.json was not written");
        }
    }

    /// Says nothing more: another supervisor may, from now on.
    pub(super) fn close(&self) {
        self.is_over.set(true);
    }

    /// When it was last used.
    pub(super) fn last_at(&self) -> Timestamp {
        self.live.borrow().last_activity_at
    }

    /// Waits until it has not been used for its time to live.
    pub(super) async fn expired(&self) {
        loop {
            let changed = self.changed.notified();
            if self.live.borrow().busy > 0 {
                changed.await;
                continue;
            }
            let at = self.last.get() + self.ttl.get();
            if Instant::now() >= at {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = changed => {}
            }
        }
    }

    fn touch(&self) {
        self.last.set(Instant::now());
        self.live.borrow_mut().last_activity_at = Timestamp::now();
        self.tell();
    }

    fn tell(&self) {
        // Whoever reads it sees the last time that could be written.
        if !self.is_over.get()
            && let Err(error) = self.beat()
        {
            tracing::warn!(%error, "the pulse was not written");
        }
        self.changed.notify_waiters();
    }

    fn beat(&self) -> io::Result<()> {
        let pulse = match self.pulse.get() {
            Some(pulse) => pulse,
            None => {
                let opened = Pulse::open(&self.dir)?;
                self.pulse.get_or_init(|| opened)
            }
        };
        let live = self.live.borrow();
        pulse.beat(live.last_activity_at, live.busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.live.borrow_mut().busy -= 1;
        if self.since.elapsed() < SHORT {
            self.activity.tell();
        } else {
            self.activity.touch();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ProcessIdentity;

    fn activity(dir: &std::path::Path, ttl: Duration) -> Rc<Activity> {
        let live = Live {
            supervisor: ProcessIdentity { pid: 1, start: 1 },
            boot: String::new(),
            vm: None,
            last_activity_at: Timestamp::UNIX_EPOCH,
            busy: 0,
        };
        Rc::new(Activity::new(dir.to_owned(), live, ttl))
    }

    #[tokio::test(start_paused = true)]
    async fn it_expires_after_its_time_from_the_last_use() {
        let dir = tempfile::tempdir().unwrap();
        let activity = activity(dir.path(), Duration::from_secs(60));
        let began = Instant::now();
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let busy = activity.begin();
                let user = tokio::task::spawn_local(async move {
                    tokio::time::sleep(Duration::from_secs(100)).await;
                    drop(busy);
                });
                activity.expired().await;
                user.await.unwrap();
            })
            .await;
        assert_eq!(began.elapsed().as_secs(), 160);
    }

    #[tokio::test(start_paused = true)]
    async fn another_time_to_live_counts_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let activity = activity(dir.path(), Duration::from_secs(6000));
        activity.live.borrow().write(dir.path()).unwrap();
        let began = Instant::now();
        tokio::join!(activity.expired(), async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            activity.set_ttl(Duration::from_secs(60));
        });
        assert_eq!(began.elapsed().as_secs(), 70);
        assert!(Live::read(dir.path()).unwrap().last_activity_at > Timestamp::UNIX_EPOCH);
    }
}
