//! The system interfaces that have no safe wrapper.
#![expect(unsafe_code, reason = "fork and a few kernel interfaces have no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the id of the new one.
    Parent(Pid),
}

/// Forks.
///
/// In a process with several threads the child must do nothing but system calls until it ends or executes.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the callers either have one thread, or only make system calls in the child.
    let pid = unsafe { libc::fork() };
    match Pid::from_raw(pid) {
        None => Ok(Fork::Child),
        Some(child) if pid > 0 => Ok(Fork::Parent(child)),
        Some(_) => Err(io::Error::last_os_error()),
    }
}

/// Ends the process at once, without the exit handlers that belong to the process it was forked from.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` has no requirements.
    unsafe { libc::_exit(status) }
}

/// Has the kernel reap the children of this process, adopted ones too, without a wait (wait(2), `SIG_IGN`).
pub(crate) fn reap_automatically() {
    // SAFETY: ignoring a signal installs no code. It cannot fail for this signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Does nothing until the process is killed.
pub(crate) fn sleep_for_ever() -> ! {
    loop {
        // SAFETY: `pause` has no requirements.
        unsafe { libc::pause() };
    }
}

/// Has the runtime watch a descriptor.
pub(crate) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor stays open, and the same, for as long as its owner, which the result contains.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(Into::into)
}

/// Closes every descriptor of this process from the number `first` on.
pub(crate) fn close_descriptors(first: u32) {
    // SAFETY: the callers own none of these descriptors, or use none afterwards. A failure leaves them open until exec
    // or exit, which costs only memory.
    unsafe { libc::close_range(first, libc::c_uint::MAX, 0) };
}

/// Closes one descriptor, whatever it is.
pub(crate) fn close_descriptor(number: i32) {
    // SAFETY: the caller owns it, and does not use it afterwards. A failure leaves nothing to be done.
    unsafe { libc::close(number) };
}

/// Gives the calling thread its own mount table, root and working directory, and its children their own pid namespace.
pub(crate) fn unshare_workload() -> io::Result<()> {
    let flags = UnshareFlags::FS | UnshareFlags::NEWNS | UnshareFlags::NEWPID;
    // SAFETY: no descriptor table is unshared, which is what could break the ownership of descriptors.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(Into::into)
}

/// Sends any signal, real-time ones too, to one process.
pub(crate) fn send_signal(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: `kill` has no memory requirements.
    match unsafe { libc::kill(pid.as_raw_nonzero().get(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// As [`send_signal`], to the process behind a descriptor.
pub(crate) fn send_signal_by_descriptor(process: impl AsFd, signal: i32) -> io::Result<()> {
    let process = process.as_fd().as_raw_fd();
    let no_information = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the kernel takes a null pointer for the information that `kill` would give.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process, signal, no_information, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Begins to connect a socket to `port` of the host (vsock(7)).
pub(crate) fn connect_vsock(socket: BorrowedFd<'_>, port: u32) -> io::Result<()> {
    let (address, length) = vsock_address(libc::VMADDR_CID_HOST, port)?;
    // SAFETY: the address is live and `length` is its size.
    match unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives a socket a port of this machine (vsock(7)).
pub(crate) fn bind_vsock(socket: BorrowedFd<'_>, port: u32) -> io::Result<()> {
    let (address, length) = vsock_address(libc::VMADDR_CID_ANY, port)?;
    // SAFETY: the address is live and `length` is its size.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bounds the time in which a socket must be connected (`AF_VSOCK` in `linux/vm_sockets.h`).
pub(crate) fn set_vsock_connect_timeout(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
    let time = libc::timeval {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).map_err(io::Error::other)?,
        tv_usec: 0,
    };
    let length = libc::socklen_t::try_from(size_of::<libc::timeval>()).map_err(io::Error::other)?;
    // SAFETY: the option's value is live and `length` is its size.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::AF_VSOCK,
            SO_VM_SOCKETS_CONNECT_TIMEOUT,
            (&raw const time).cast(),
            length,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes a `struct timeval`.
const SO_VM_SOCKETS_CONNECT_TIMEOUT: libc::c_int = 6;

fn vsock_address(context: u32, port: u32) -> io::Result<(libc::sockaddr_vm, libc::socklen_t)> {
    let address = libc::sockaddr_vm {
        svm_family: libc::sa_family_t::try_from(libc::AF_VSOCK).map_err(io::Error::other)?,
        svm_reserved1: 0,
        svm_port: port,
        svm_cid: context,
        svm_zero: [0; 4],
    };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_vm>()).map_err(io::Error::other)?;
    Ok((address, length))
}

const ENTROPY_WORDS: usize = 64;

/// `struct rand_pool_info` of random(4), with room for the largest seed in use.
#[repr(C)]
struct EntropyPool {
    entropy_bits: libc::c_int,
    bytes: libc::c_int,
    words: [u32; ENTROPY_WORDS],
}

const RNDADDENTROPY: libc::Ioctl = 0x4008_5203;
const RNDRESEEDCRNG: libc::Ioctl = 0x5207;

/// Credits random bytes to the kernel's generator and has it use them at once.
pub(crate) fn add_entropy(random: BorrowedFd<'_>, seed: &[u8]) -> io::Result<()> {
    let mut pool = EntropyPool {
        entropy_bits: 0,
        bytes: 0,
        words: [0; ENTROPY_WORDS],
    };
    for (word, chunk) in pool.words.iter_mut().zip(seed.chunks_exact(size_of::<u32>())) {
        *word = chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        pool.bytes += 4;
    }
    pool.entropy_bits = pool.bytes * 8;
    // SAFETY: the kernel reads `bytes` bytes of `words`, and no more are there than it holds.
    if unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY, &raw const pool) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the request takes no argument.
    match unsafe { libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
