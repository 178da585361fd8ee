//! Which processes of the host are those of commands.
//!
//! Whatever a command starts descends from the agent for ever: it adopts those whose parents have ended (prctl(2),
//! `PR_SET_CHILD_SUBREAPER`). To a command belong those of them that descend from its first process, are in its session,
//! carry its marker in their environment, or descend from one that was found so before. A process that leaves all three
//! behind before anybody looks is lost to its command; it ends with the agent all the same.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyro_proto::message::Fault;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};
use tokio::io::Interest;

use super::directory::Directory;
use super::table::{Process, Table};
use crate::exec::environment::Environment;
use crate::exec::plan::text;
use crate::exec::user::User;
use crate::{log, sys};

/// The variable by which a command's processes are known.
pub(crate) const MARKER: &str = "PYRO_COMMAND";

/// How long killed processes may take to vanish before they are killed again.
const KILL_PAUSE: Duration = Duration::from_millis(50);

/// How long whatever cannot be killed is tried again.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Everything that commands have started.
#[derive(Debug)]
pub(crate) struct Family {
    directory: Arc<Directory>,
    /// The children of the agent whose status a command waits for.
    awaited: Arc<Mutex<HashSet<Process>>>,
}

/// The processes of one command.
#[derive(Debug)]
pub(crate) struct Members {
    nest: Nest,
    known: RefCell<HashSet<Process>>,
}

/// Where a command's first process is born.
#[derive(Debug, Clone)]
pub(crate) struct Nest {
    /// Where commands run.
    pub(crate) directory: Arc<Directory>,
    /// The request id of the command.
    pub(crate) id: String,
    first: Arc<OnceLock<Process>>,
    awaited: Arc<Mutex<HashSet<Process>>>,
}

impl Nest {
    /// Adds the variables that commands have on the host.
    ///
    /// # Errors
    /// When the id cannot be in one.
    pub(crate) fn complete(&self, environment: &mut Environment, user: &User) -> Result<(), Fault> {
        self.directory.complete(environment, user);
        environment.set(MARKER.into(), text(&self.id)?);
        Ok(())
    }

    /// Says which process was born. Call it on the workload's thread, where nothing is reaped meanwhile.
    pub(crate) fn note(&self, pid: u32) {
        let first = i32::try_from(pid).ok().and_then(Process::now);
        if let Some(first) = first {
            self.first.get_or_init(|| first);
            let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            awaited.insert(first);
        }
    }
}

impl Family {
    /// Has the kernel give orphans to this process.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn adopt(directory: Arc<Directory>) -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self {
            directory,
            awaited: Arc::default(),
        })
    }

    /// Those of the command of this request, which has none yet.
    pub(crate) fn members(&self, id: &str) -> Members {
        let nest = Nest {
            directory: Arc::clone(&self.directory),
            id: id.to_owned(),
            first: Arc::default(),
            awaited: Arc::clone(&self.awaited),
        };
        Members {
            nest,
            known: RefCell::default(),
        }
    }

    /// Sends a signal to all.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        signal_each(&living()?, signal)
    }

    /// Kills all, and what they start meanwhile, until none is left or can be killed.
    pub(crate) async fn kill(&self) -> io::Result<()> {
        kill(living).await
    }

    /// Waits until none is left.
    pub(crate) async fn emptied(&self) -> io::Result<()> {
        emptied(living).await
    }

    /// What reaps those orphans that have ended. Run it on the workload's thread.
    pub(super) fn reaper(&self) -> impl FnOnce() -> io::Result<()> + Send + use<> {
        let awaited = Arc::clone(&self.awaited);
        move || {
            // That there is any child to be reaped is told cheaply.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if !matches!(rustix::process::waitid(WaitId::All, options), Ok(Some(_))) {
                return Ok(());
            }
            let own = own_pid();
            let awaited = awaited.lock().unwrap_or_else(PoisonError::into_inner);
            let table = Table::read()?;
            let orphans = table
                .beneath(own)
                .filter(|row| row.parent == own && row.has_ended && !awaited.contains(&row.process));
            for orphan in orphans {
                let _status =
                    rustix::process::waitpid(Pid::from_raw(orphan.process.pid), WaitOptions::NOHANG);
            }
            Ok(())
        }
    }
}

impl Members {
    /// Where the first is to be born.
    pub(crate) fn nest(&self) -> Nest {
        self.nest.clone()
    }

    /// How many there are.
    pub(crate) fn population(&self) -> usize {
        self.living().map_or(0, |living| living.len())
    }

    /// Sends a signal to all.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        signal_each(&self.living()?, signal)
    }

    /// Kills all, and what they start meanwhile, until none is left or can be killed.
    pub(crate) async fn kill(&self) -> io::Result<()> {
        kill(|| self.living()).await
    }

    /// Waits until none is left.
    pub(crate) async fn emptied(&self) -> io::Result<()> {
        emptied(|| self.living()).await
    }

    /// None is left.
    pub(crate) fn forget(&self) {
        if let Some(first) = self.nest.first.get() {
            let mut awaited = self.nest.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            awaited.remove(first);
        }
    }

    fn living(&self) -> io::Result<Vec<Process>> {
        let Some(first) = self.nest.first.get() else {
            return Ok(Vec::new());
        };
        let table = Table::read()?;
        let mut known = self.known.borrow_mut();
        known.retain(|process| table.has(*process));
        let marker = format!("{MARKER}={}", self.nest.id);
        // The number of a session is not given again while anybody is in it.
        let has_session = table.get(first.pid).is_none_or(|row| row.process == *first);
        let all: Vec<_> = table.beneath(own_pid()).collect();
        for row in &all {
            let process = row.process;
            let is_known = process == *first || (has_session && row.session == first.pid);
            if is_known || (!known.contains(&process) && process.has_variable(marker.as_bytes())) {
                known.insert(process);
            }
        }
        for row in &all {
            if table
                .ancestors(row)
                .any(|ancestor| known.contains(&ancestor.process))
            {
                known.insert(row.process);
            }
        }
        let living = all
            .iter()
            .filter(|row| !row.has_ended && known.contains(&row.process));
        Ok(living.map(|row| row.process).collect())
    }
}

async fn kill(find: impl Fn() -> io::Result<Vec<Process>>) -> io::Result<()> {
    let deadline = Instant::now() + KILL_PATIENCE;
    let mut is_empty = false;
    while Instant::now() < deadline {
        let living = find()?;
        // A process that was born while the first look was taken is found by the second.
        if living.is_empty() && is_empty {
            break;
        }
        is_empty = living.is_empty();
        // Whatever it is that may not be killed must not keep the others alive.
        drop(signal_each(&living, libc::SIGKILL));
        if let Ok(ended) = tokio::time::timeout(KILL_PAUSE, ended(&living)).await {
            ended?;
        }
    }
    Ok(())
}

async fn emptied(find: impl Fn() -> io::Result<Vec<Process>>) -> io::Result<()> {
    loop {
        let living = find()?;
        if living.is_empty() {
            return Ok(());
        }
        ended(&living).await?;
    }
}

/// Kills everything that descends from this process, and reaps it, until nothing is left or can be killed. Nobody may wait
/// for any of it any more.
pub(super) fn end_all() {
    let deadline = Instant::now() + KILL_PATIENCE;
    let mut is_empty = false;
    while Instant::now() < deadline {
        let living = match living() {
            Ok(living) => living,
            Err(error) => return log::error(&format!("cannot find the commands' processes: {error}")),
        };
        if living.is_empty() && is_empty {
            return;
        }
        is_empty = living.is_empty();
        drop(signal_each(&living, libc::SIGKILL));
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        if !is_empty {
            thread::sleep(Duration::from_millis(2));
        }
    }
    log::error("some processes of commands cannot be killed");
}

/// All that descend from this process and have not ended.
fn living() -> io::Result<Vec<Process>> {
    let table = Table::read()?;
    let living = table.beneath(own_pid()).filter(|row| !row.has_ended);
    Ok(living.map(|row| row.process).collect())
}

/// Sends a signal to each, and gives the first failure.
fn signal_each(processes: &[Process], signal: i32) -> io::Result<()> {
    let mut outcome = Ok(());
    for process in processes {
        let sent = process.signal(signal);
        outcome = outcome.and(sent);
    }
    outcome
}

/// Waits until each has ended.
async fn ended(processes: &[Process]) -> io::Result<()> {
    for process in processes {
        if let Some(descriptor) = process.open()? {
            has_ended(descriptor).await?;
        }
    }
    Ok(())
}

/// Waits until the process behind a descriptor has ended.
pub(super) async fn has_ended(process: OwnedFd) -> io::Result<()> {
    sys::watch(process, Interest::READABLE)?
        .readable()
        .await?
        .retain_ready();
    Ok(())
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}
