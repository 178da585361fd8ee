//! Hands a VMM open files where it insists on opening paths.
//!
//! A VMM runs as a user of its own who may open nothing of the user's, and takes what it can as open descriptors. Some
//! parts it only takes by path: QEMU opens the file behind a guest's memory for writing even if it shall never write
//! to it, and Firecracker opens everything. So a system-call filter holds those calls up (`seccomp_unotify(2)`), and pyro
//! answers each with the descriptor that it has ready under that path, which may well allow less than was asked for. Any
//! other path is left to the kernel, which decides as if nobody had looked: a gate gives, and forbids nothing but the one
//! way round it, io_uring(7), to a VMM of which everything is held.
//!
//! Firecracker also makes its own sockets, and nothing tells when one can be connected to. So its calls of listen(2) are
//! held up as well; pyro carries the first one out itself and then knows.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use crate::process::sys::{self, FilterInstruction, HeldCall, Verdict};

/// The longest path that is looked at, in bytes; all that are offered are short.
const MAX_PATH_BYTES: usize = 256;

/// The audit number of x86-64 (`AUDIT_ARCH_X86_64`).
const ARCHITECTURE: u32 = 0xC000_003E;

/// Offsets in `struct seccomp_data`; of an argument the lower half.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// How many connections may wait to be accepted, where pyro listens for the VMM.
const BACKLOG: i32 = 16;

/// Which calls are held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// Those that open a path for writing.
    OpenForWriting,
    /// Those that open a path, and those that listen on a socket.
    OpenAndListen,
}

/// A file that a VMM gets when it opens a path.
#[derive(Debug)]
pub(super) struct Offer {
    /// The path, which need not exist.
    pub(super) path: &'static str,
    /// What opening it gives.
    pub(super) file: OwnedFd,
}

/// Answers a VMM's calls for as long as it lives.
#[derive(Debug)]
pub(super) struct Gate {
    offers: Arc<Mutex<Vec<Offer>>>,
    listening: Option<oneshot::Receiver<()>>,
    _keeper: AbortOnDropHandle<()>,
}

/// The filter that holds the calls up, for the child to install.
pub(super) fn filter(held: Held) -> Vec<FilterInstruction> {
    match held {
        Held::OpenForWriting => open_for_writing(),
        Held::OpenAndListen => open_and_listen(),
    }
}

fn open_for_writing() -> Vec<FilterInstruction> {
    // A jump goes that many instructions beyond the next one: one for a match, one for none.
    vec![
        load(ARCH),
        compare(ARCHITECTURE, 0, 8),
        load(NUMBER),
        compare(number(libc::SYS_openat), 0, 2),
        load(ARGUMENTS + 8 * 2),
        instruction(libc::BPF_JMP | libc::BPF_JA, 2, 0, 0),
        compare(number(libc::SYS_open), 0, 3),
        load(ARGUMENTS + 8),
        instruction(
            libc::BPF_ALU | libc::BPF_AND | libc::BPF_K,
            libc::O_ACCMODE.cast_unsigned(),
            0,
            0,
        ),
        // Of the access modes, read-only is 0.
        compare(0, 0, 1),
        give_back(libc::SECCOMP_RET_ALLOW),
        give_back(libc::SECCOMP_RET_USER_NOTIF),
    ]
}

fn open_and_listen() -> Vec<FilterInstruction> {
    vec![
        load(ARCH),
        compare(ARCHITECTURE, 0, 5),
        load(NUMBER),
        compare(number(libc::SYS_openat), 4, 0),
        compare(number(libc::SYS_open), 3, 0),
        compare(number(libc::SYS_listen), 2, 0),
        // What is asked for by a ring passes no filter, and no disk is served by one.
        compare(number(libc::SYS_io_uring_setup), 2, 0),
        give_back(libc::SECCOMP_RET_ALLOW),
        give_back(libc::SECCOMP_RET_USER_NOTIF),
        give_back(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
    ]
}

fn load(offset: u32) -> FilterInstruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn compare(with: u32, equal: u8, unequal: u8) -> FilterInstruction {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, with, equal, unequal)
}

fn give_back(action: u32) -> FilterInstruction {
    instruction(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> FilterInstruction {
    let code = u16::try_from(code).unwrap_or(u16::MAX);
    FilterInstruction { code, jt, jf, k }
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

impl Gate {
    /// Begins to answer the calls of that process that arrive at `listener`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the runtime cannot watch the listener.
    pub(super) fn keep(listener: OwnedFd, offers: Vec<Offer>, process: Pid) -> std::io::Result<Self> {
        let listener = sys::readable(listener)?;
        let offers = Arc::new(Mutex::new(offers));
        let (listens, listening) = oneshot::channel();
        let mut keeper = Keeper {
            process,
            offers: Arc::clone(&offers),
            listens: Some(listens),
        };
        let task = tokio::spawn(async move {
            while let Ok(mut readiness) = listener.readable().await {
                readiness.clear_ready();
                if keeper.answer_all(listener.get_ref()).await.is_err() {
                    // Nobody is left who could call.
                    return;
                }
            }
        });
        Ok(Self {
            offers,
            listening: Some(listening),
            _keeper: AbortOnDropHandle::new(task),
        })
    }

    /// Also gives this file from now on.
    pub(super) fn offer(&self, offer: Offer) {
        lock(&self.offers).push(offer);
    }

    /// Waits until the VMM listens on its first socket; false if it never will.
    pub(super) async fn listening(&mut self) -> bool {
        match self.listening.take() {
            Some(listening) => listening.await.is_ok(),
            None => true,
        }
    }
}

fn lock(offers: &Mutex<Vec<Offer>>) -> std::sync::MutexGuard<'_, Vec<Offer>> {
    offers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The side of a gate that answers.
#[derive(Debug)]
struct Keeper {
    process: Pid,
    offers: Arc<Mutex<Vec<Offer>>>,
    /// Until somebody has listened.
    listens: Option<oneshot::Sender<()>>,
}

impl Keeper {
    /// Answers every call that waits.
    async fn answer_all(&mut self, listener: &OwnedFd) -> rustix::io::Result<()> {
        // To receive would wait where nothing has arrived, so each time it is asked first.
        while waits(listener)? {
            let outcome = sys::receive_held_call(listener).and_then(|call| self.answer(listener, call));
            match outcome {
                // The thread died meanwhile.
                Ok(()) | Err(Errno::NOENT | Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            // A VMM that never stops asking must not keep the runtime from everything else.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn answer(&mut self, listener: &OwnedFd, call: HeldCall) -> rustix::io::Result<()> {
        if i64::from(call.number) == libc::SYS_listen {
            return self.answer_listen(listener, call);
        }
        let path = path_of(call);
        let wanted = |offer: &&Offer| path.as_deref() == Some(OsStr::new(offer.path));
        let offers = lock(&self.offers);
        let verdict = match offers.iter().find(wanted) {
            Some(offer) => Verdict::Give(&offer.file),
            None => Verdict::Continue,
        };
        tracing::trace!(?path, ?verdict, "the VMM opens a path");
        sys::answer_held_call(listener, call, verdict)
    }

    /// Listens in the VMM's place, once. It does so itself where that is not allowed, and for what comes later.
    fn answer_listen(&mut self, listener: &OwnedFd, call: HeldCall) -> rustix::io::Result<()> {
        let Some(listens) = self.listens.take() else {
            return sys::answer_held_call(listener, call, Verdict::Continue);
        };
        let listened = self
            .socket_of(call)
            .and_then(|socket| rustix::net::listen(socket, BACKLOG));
        tracing::trace!(?listened, "the VMM listens");
        if listened.is_err() {
            // Whoever waits is told that it will never be known.
            return sys::answer_held_call(listener, call, Verdict::Continue);
        }
        let _nobody_waits = listens.send(());
        sys::answer_held_call(listener, call, Verdict::Done)
    }

    /// The socket that a call names as its first argument, as a descriptor of ours (`pidfd_getfd(2)`).
    fn socket_of(&self, call: HeldCall) -> rustix::io::Result<OwnedFd> {
        let process = pidfd_open(self.process, PidfdFlags::empty())?;
        let number = i32::try_from(call.arguments[0]).map_err(|_| Errno::BADF)?;
        pidfd_getfd(&process, number, PidfdGetfdFlags::empty())
    }
}

fn waits(listener: &OwnedFd) -> rustix::io::Result<bool> {
    let mut state = [PollFd::new(listener, PollFlags::IN)];
    // It does not wait, and all the same fails if a signal is due; a gate that ended for that would refuse everything.
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut state, Some(&Timespec::default())))?;
    let found = state[0].revents();
    if found.contains(PollFlags::HUP) {
        return Err(Errno::PIPE);
    }
    Ok(found.contains(PollFlags::IN))
}

/// The path that the call names, if it can be read and is not too long.
///
/// Should the thread have died and its number be another's now, the answer fails, as it names the call.
fn path_of(call: HeldCall) -> Option<OsString> {
    let argument = match i64::from(call.number) {
        libc::SYS_open => 0,
        _ => 1,
    };
    let memory = File::open(format!("/proc/{}/mem", call.thread)).ok()?;
    let mut bytes = [0; MAX_PATH_BYTES];
    // The path may end at the end of what is mapped, which makes a short read.
    let count = memory.read_at(&mut bytes, call.arguments[argument]).ok()?;
    let path = bytes[..count].split(|byte| *byte == 0).next()?;
    (path.len() < count).then(|| OsStr::from_bytes(path).to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process::sys::before_exec;
    use crate::vmm::report::Report;

    /// What a shell prints that opens `/offered`, which does not exist, through a gate that offers it for reading.
    async fn through_gate(held: Held, script: &'static str) -> String {
        let offered = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(offered.path(), "from the gate\n").unwrap();
        let file = File::open(offered.path()).unwrap().into();
        let offers = vec![Offer {
            path: "/offered",
            file,
        }];
        let (report, reporter) = Report::pair().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let filter = filter(held);
        before_exec(&mut command, move || {
            rustix::thread::set_no_new_privs(true)?;
            reporter.send(0, [Some(&sys::install_filter(&filter)?), None])
        });
        command.stdout(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        let (_, [listener, _]) = report.receive();
        let process = Pid::from_child(&child);
        let gate = Gate::keep(listener.unwrap(), offers, process).unwrap();
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let output = output.await.unwrap();
        drop(gate);
        String::from_utf8(output.stdout).unwrap()
    }

    #[tokio::test]
    async fn a_path_gives_what_is_offered_and_no_more() {
        // The shell opens for reading and writing, gets what only reads, and `cat` fails to write to it.
        let script = "exec 3<>/offered; cat <&3; echo spoilt >&3 2>/dev/null || echo refused";
        let through = through_gate(Held::OpenForWriting, script).await;
        assert_eq!(through, "from the gate\nrefused\n");
    }

    #[tokio::test]
    async fn a_path_that_is_only_read_is_given_too() {
        let through = through_gate(Held::OpenAndListen, "read -r line </offered; echo \"$line\"").await;
        assert_eq!(through, "from the gate\n");
    }

    #[tokio::test]
    async fn other_paths_are_as_they_are() {
        let script =
            "echo text >/dev/null && cat /offered || echo absent; echo x >/nonexistent/y || echo refused";
        let through = through_gate(Held::OpenForWriting, script).await;
        assert_eq!(through, "absent\nrefused\n");
    }
}
