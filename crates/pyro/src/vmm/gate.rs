//! Hands a VMM open files where it insists on opening paths.
//!
//! A VMM runs as a user of its own who may open nothing of the user's, and takes what it can as open descriptors. Some
//! parts it only takes by path: QEMU opens the file behind a guest's memory for writing even if it shall never write
//! to it. So a system-call filter holds the calls up that open for writing (`seccomp_unotify(2)`), and pyro
//! answers each with the descriptor that it has ready under that path, which may well allow less than was asked for. Any
//! other path is left to the kernel, which decides as if nobody had looked: a gate gives, it never forbids.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use tokio_util::task::AbortOnDropHandle;

use crate::process::sys::{self, FilterInstruction, HeldCall, Verdict};

/// The longest path that is looked at, in bytes; all that are offered are short.
const MAX_PATH_BYTES: usize = 256;

/// The number of instructions in a filter.
pub(super) const FILTER_LENGTH: usize = 12;

/// The audit number of x86-64 (`AUDIT_ARCH_X86_64`).
const ARCHITECTURE: u32 = 0xC000_003E;

/// Offsets in `struct seccomp_data`; of an argument the lower half.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

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
    _keeper: AbortOnDropHandle<()>,
}

/// The filter that holds up every call by which a path is opened for writing, for the child to install.
pub(super) fn filter() -> [FilterInstruction; FILTER_LENGTH] {
    // A jump goes that many instructions beyond the next one: one for a match, one for none.
    [
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
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF, 0, 0),
    ]
}

fn load(offset: u32) -> FilterInstruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn compare(with: u32, equal: u8, unequal: u8) -> FilterInstruction {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, with, equal, unequal)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> FilterInstruction {
    let code = u16::try_from(code).unwrap_or(u16::MAX);
    FilterInstruction { code, jt, jf, k }
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

impl Gate {
    /// Begins to answer the calls that arrive at `listener`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the runtime cannot watch the listener.
    pub(super) fn keep(listener: OwnedFd, offers: Vec<Offer>) -> std::io::Result<Self> {
        let listener = sys::readable(listener)?;
        let keeper = tokio::spawn(async move {
            while let Ok(mut readiness) = listener.readable().await {
                readiness.clear_ready();
                if answer_all(listener.get_ref(), &offers).is_err() {
                    // Nobody is left who could call.
                    return;
                }
            }
        });
        Ok(Self {
            _keeper: AbortOnDropHandle::new(keeper),
        })
    }
}

/// Answers every call that waits.
fn answer_all(listener: &OwnedFd, offers: &[Offer]) -> rustix::io::Result<()> {
    // To receive would wait where nothing has arrived, so each time it is asked first.
    while waits(listener)? {
        let outcome = sys::receive_held_call(listener).and_then(|call| answer(listener, call, offers));
        match outcome {
            // The thread died meanwhile.
            Ok(()) | Err(Errno::NOENT | Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn waits(listener: &OwnedFd) -> rustix::io::Result<bool> {
    let mut state = [PollFd::new(listener, PollFlags::IN)];
    rustix::event::poll(&mut state, Some(&Timespec::default()))?;
    let found = state[0].revents();
    if found.contains(PollFlags::HUP) {
        return Err(Errno::PIPE);
    }
    Ok(found.contains(PollFlags::IN))
}

fn answer(listener: &OwnedFd, call: HeldCall, offers: &[Offer]) -> rustix::io::Result<()> {
    let path = path_of(call);
    let wanted = |offer: &&Offer| path.as_deref() == Some(OsStr::new(offer.path));
    let verdict = match offers.iter().find(wanted) {
        Some(offer) => Verdict::Give(&offer.file),
        None => Verdict::Continue,
    };
    tracing::trace!(?path, ?verdict, "the VMM opens a path");
    sys::answer_held_call(listener, call, verdict)
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
    async fn through_gate(script: &'static str) -> String {
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
        let filter = filter();
        before_exec(&mut command, move || {
            rustix::thread::set_no_new_privs(true)?;
            reporter.send(0, Some(&sys::install_filter(&filter)?))
        });
        command.stdout(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        let (_, listener) = report.receive();
        let gate = Gate::keep(listener.unwrap(), offers).unwrap();
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let output = output.await.unwrap();
        drop(gate);
        String::from_utf8(output.stdout).unwrap()
    }

    #[tokio::test]
    async fn a_path_gives_what_is_offered_and_no_more() {
        // The shell opens for reading and writing, gets what only reads, and `cat` fails to write to it.
        let script = "exec 3<>/offered; cat <&3; echo spoilt >&3 2>/dev/null || echo refused";
        assert_eq!(through_gate(script).await, "from the gate\nrefused\n");
    }

    #[tokio::test]
    async fn other_paths_are_as_they_are() {
        let script =
            "echo text >/dev/null && cat /offered || echo absent; echo x >/nonexistent/y || echo refused";
        let through = through_gate(script).await;
        assert_eq!(through, "absent\nrefused\n");
    }
}
