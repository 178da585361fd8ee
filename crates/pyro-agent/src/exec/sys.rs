//! The system interfaces by which a process comes to be.
#![expect(unsafe_code, reason = "clone and exec have no safe wrapper")]

use std::arch::asm;
use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char, c_long, c_void};
use std::io;
use std::iter;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;

/// `struct clone_args` of clone(2), as of the kernel that knows cgroups in it.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// `linux/sched.h`; the C library's headers have it as a number that does not fit.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Starts a process that does `child`, in the cgroup behind a directory if one is given, as in a guest. Gives its descriptor.
///
/// It shares the memory of this process until it executes a program or ends, and this thread stands still for so long
/// (vfork(2)): to copy the tables of the memory, and then every page that one of both writes to, would be the greater part
/// of what it takes to start a small program. And it is born in its cgroup: to join one later holds up all forks and exits of
/// the machine until the kernel is sure that none is under way.
///
/// `child` must only make system calls, on values that exist already: other threads go on, and may hold any lock.
///
/// # Errors
/// When the kernel makes no process.
pub(super) fn start(cgroup: Option<BorrowedFd<'_>>, child: &dyn Fn() -> Infallible) -> io::Result<OwnedFd> {
    let mut process = -1_i32;
    let flags = flag(libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD);
    let exit_signal = flag(libc::SIGCHLD);
    let told = (&raw mut process).expose_provenance();
    let pid = match cgroup {
        Some(cgroup) => {
            let arguments = CloneArguments {
                flags: flags | CLONE_INTO_CGROUP,
                pidfd: told as u64,
                exit_signal,
                cgroup: u64::try_from(cgroup.as_raw_fd()).map_err(io::Error::other)?,
                ..CloneArguments::default()
            };
            let place = (&raw const arguments).expose_provenance();
            clone(libc::SYS_clone3, [place, size_of_val(&arguments), 0], child)
        }
        // Where containers are confined, the newer call is often not there at all.
        None => clone(
            libc::SYS_clone,
            [usize::try_from(flags | exit_signal).unwrap_or(0), 0, told],
            child,
        ),
    };
    if pid < 0 {
        return Err(Errno::from_raw_os_error(i32::try_from(-pid).unwrap_or(libc::EIO)).into());
    }
    // SAFETY: the kernel has put a new descriptor there, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(process) })
}

/// Makes one of the system calls that clone, with the parent's stack for both (`CLONE_VM | CLONE_VFORK`).
fn clone(call: c_long, arguments: [usize; 3], child: &dyn Fn() -> Infallible) -> isize {
    let argument: *const &dyn Fn() -> Infallible = &raw const child;
    let result: isize;
    // SAFETY: the arguments are those of the call, whose memory the caller keeps. The new process never leaves these lines
    // but by `enter`, which does not return, and what it puts on the stack is beneath all that this thread, which
    // stands still, has there.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov rdi, {argument}",
            "call {enter}",
            "ud2",
            "2:",
            argument = in(reg) argument,
            enter = sym enter,
            inlateout("rax") isize::try_from(call).unwrap_or(0) => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") 0,
            in("r8") 0,
            out("rcx") _,
            out("r11") _,
        );
    }
    result
}

/// Where the new process begins.
unsafe extern "C" fn enter(argument: *const c_void) -> ! {
    // SAFETY: it is what `clone` has on its stack, which stands still.
    let child = unsafe { *argument.cast::<&dyn Fn() -> Infallible>() };
    match child() {}
}

fn flag(number: libc::c_int) -> u64 {
    u64::from(number.unsigned_abs())
}

/// Strings as a program gets them: an array of pointers that ends with a null pointer.
#[derive(Debug)]
pub(super) struct Strings {
    /// What the pointers point to.
    _owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    /// Takes strings over.
    pub(super) fn new(owned: Vec<CString>) -> Self {
        let ends = iter::once(ptr::null());
        let pointers = owned.iter().map(|text| text.as_ptr()).chain(ends).collect();
        Self {
            _owned: owned,
            pointers,
        }
    }
}

/// The arguments of a program, and of the shell that executes it where it has no magic number.
#[derive(Debug)]
pub(super) struct Arguments {
    program: Strings,
    /// The place of the file is open.
    shell: Vec<Cell<*const c_char>>,
}

/// Where that is.
const FILE: usize = 1;

impl Arguments {
    /// Takes the arguments over, of which the first is the name of the program.
    pub(super) fn new(owned: Vec<CString>) -> Self {
        let program = Strings::new(owned);
        let file = ptr::null();
        let others = program.pointers.iter().skip(1).copied();
        let shell = [SHELL.as_ptr(), file].into_iter().chain(others);
        Self {
            shell: shell.chain(iter::once(ptr::null())).map(Cell::new).collect(),
            program,
        }
    }
}

/// What executes a file without a magic number (execvp(3)).
const SHELL: &CStr = c"/bin/sh";

/// Turns this process into the program of a file; returns only why it could not.
pub(super) fn execute(file: &CStr, arguments: &Arguments, environment: &Strings) -> Errno {
    let (arguments, environment) = (&arguments.program.pointers, &environment.pointers);
    // SAFETY: both arrays end with a null pointer, and all that they point to lives for as long as they do.
    unsafe { libc::execve(file.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_error()
}

/// Turns this process into a shell that executes the file; returns only why it could not.
pub(super) fn execute_by_shell(file: &CStr, arguments: &Arguments, environment: &Strings) -> Errno {
    let (arguments, environment) = (&arguments.shell, &environment.pointers);
    arguments[FILE].set(file.as_ptr());
    // SAFETY: as for the program itself; a cell is laid out as what it holds.
    unsafe { libc::execve(SHELL.as_ptr(), arguments.as_ptr().cast(), environment.as_ptr()) };
    last_error()
}

fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Has a broken pipe end this process, and the program that it becomes, as anywhere else; Rust's runtime ignores it.
pub(super) fn end_by_broken_pipe() {
    // SAFETY: the default action installs no code. It cannot fail for this signal.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
