//! The namespaces in which commands run, and the one thread that lives there.
//!
//! Namespaces belong to a thread (its `nsproxy`), not to its process. One thread enters the workload's mount table and
//! root, and lets its children be born into the workload's pid namespace; they inherit all three. The rest of the
//! agent stays outside. The kernel refuses to let such a thread start other threads, so it does nothing but jobs.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use rustix::pipe::PipeFlags;
use rustix::process::{PidfdFlags, Signal, WaitId, WaitIdOptions};
use tokio::io::Interest;
use tokio::sync::oneshot;

use crate::setup::{DuringStep, SetupError, mounts};
use crate::sys::{self, Fork};

type Job = Box<dyn FnOnce() + Send>;

/// Files of the agent's own root that a job in the workload's root needs.
#[derive(Debug)]
pub(crate) struct Outside {
    /// The agent's `/proc`: the workload may have unmounted its own.
    pub(crate) proc: OwnedFd,
    /// The agent's `/dev/null`.
    pub(crate) null: File,
}

/// Which root a workload has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// The machine's own.
    Machine,
    /// Another of the same image, which is gone when the workload [ends](Workload::end).
    Rehearsal,
    /// That of the agent: commands have no namespaces of their own.
    Host,
}

/// A handle on the workload's namespaces.
#[derive(Debug)]
pub(crate) struct Workload {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    /// Process 1 of their pid namespace.
    init: Option<OwnedFd>,
    outside: Arc<Outside>,
}

impl Workload {
    /// Makes the namespaces around a root and starts their thread and their init.
    ///
    /// # Errors
    /// [`SetupError`] with the step that failed.
    pub(crate) fn enter(root: Root) -> Result<Self, SetupError> {
        let outside = Arc::new(Outside::open().during(|| "open /proc and /dev/null".to_owned())?);
        let (jobs, queue) = channel::<Job>();
        let (ready, entered) = channel();
        let thread = thread::Builder::new()
            .name("workload".to_owned())
            .spawn(move || serve(root, &ready, &queue))
            .during(|| "start the workload's thread".to_owned())?;
        let init = entered
            .recv()
            .map_err(io::Error::other)
            .during(|| "enter the workload".to_owned())??;
        Ok(Self {
            jobs,
            thread,
            init,
            outside,
        })
    }

    /// Runs `job` in the workload's root and gives what it returned.
    ///
    /// The job is run even if this future is dropped.
    ///
    /// # Errors
    /// When the workload's thread is gone.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Outside) -> T + Send + 'static,
    ) -> io::Result<T> {
        let (answer, answered) = oneshot::channel();
        let outside = Arc::clone(&self.outside);
        let job: Job = Box::new(move || drop(answer.send(job(&outside))));
        self.jobs.send(job).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    /// Ends all of its processes, its thread and so its mounts. Its commands must have been waited for.
    ///
    /// # Errors
    /// When its processes cannot be killed or waited for.
    pub(crate) async fn end(self) -> io::Result<()> {
        if let Some(init) = self.kill()? {
            let init = sys::watch(init, Interest::READABLE)?;
            init.readable().await?.retain_ready();
            rustix::process::waitid(WaitId::PidFd(init.get_ref().as_fd()), WaitIdOptions::EXITED)?;
        }
        drop(self.jobs);
        self.thread.join().map_err(|_| gone())
    }

    /// Kills every process of the workload, wherever it hides: the kernel ends a pid namespace with its init. Gives that
    /// one's descriptor, which becomes readable when all are gone.
    pub(crate) fn kill(&self) -> io::Result<Option<OwnedFd>> {
        let Some(init) = &self.init else {
            return Ok(None);
        };
        rustix::process::pidfd_send_signal(init, Signal::KILL)?;
        init.try_clone().map(Some)
    }
}

impl Outside {
    fn open() -> io::Result<Self> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        Ok(Self {
            proc: File::open("/proc")?.into(),
            null,
        })
    }
}

fn gone() -> io::Error {
    io::Error::other("the workload's thread is gone")
}

fn serve(root: Root, ready: &Sender<Result<Option<OwnedFd>, SetupError>>, queue: &Receiver<Job>) {
    let init = become_workload(root);
    let has_failed = init.is_err();
    if ready.send(init).is_err() || has_failed {
        return;
    }
    while let Ok(job) = queue.recv() {
        job();
    }
}

fn become_workload(root: Root) -> Result<Option<OwnedFd>, SetupError> {
    if root == Root::Host {
        return Ok(None);
    }
    sys::unshare_workload().during(|| "make the workload's namespaces".to_owned())?;
    mounts::separate()?;
    if root == Root::Rehearsal {
        mounts::join_image_and_memory()?;
    }
    mounts::enter_sysroot()?;
    mounts::furnish()?;
    start_init()
        .map(Some)
        .during(|| "start the workload's init".to_owned())
}

/// Forks the first process of the pid namespace and waits until it has mounted `/proc`.
fn start_init() -> io::Result<OwnedFd> {
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    match sys::fork()? {
        Fork::Child => be_workload_init(&writer),
        Fork::Parent(pid) => {
            drop(writer);
            let mut answer = [0_u8];
            let received = rustix::io::read(&reader, &mut answer)?;
            if received != 1 || answer != [MOUNTED] {
                return Err(io::Error::other("it could not mount /proc"));
            }
            rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(Into::into)
        }
    }
}

const MOUNTED: u8 = 1;

/// Lets the kernel reap orphans for ever. Signals from within the namespace cannot reach its init, as it handles none.
///
/// Only system calls: this is a fork of a process with several threads.
fn be_workload_init(ready: &OwnedFd) -> ! {
    sys::reap_automatically();
    // A failure is told by the absence of the byte.
    let is_ready = mounts::mount_proc().is_ok() && rustix::process::setsid().is_ok();
    if !is_ready || rustix::io::write(ready, &[MOUNTED]).is_err() {
        sys::exit_now(1);
    }
    sys::close_descriptors(0);
    sys::sleep_for_ever()
}
