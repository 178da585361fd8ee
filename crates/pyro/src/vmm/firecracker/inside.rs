//! A Firecracker's jail from outside: the sockets in it, and a file.
//!
//! For vsock see `docs/vsock.md` in Firecracker's sources: a guest that dials port P of its host is connected to the
//! socket whose name ends with `_P`; who connects to the socket without that names a port of the guest in a line.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use pyro_proto::VSOCK_PORT;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Where Firecracker serves its API.
pub(super) const API: &str = "/api.sock";
/// Where it takes connections to ports of the guest.
pub(super) const VSOCK: &str = "/vsock.sock";

/// The longest answer to the line that names a port.
const MAX_ANSWER_BYTES: usize = 32;

/// What may be done with what is put into a jail: Firecracker may be another user, and nobody else gets in.
const FOR_ALL: Mode = Mode::from_raw_mode(0o666);

/// The jail of one Firecracker.
#[derive(Debug, Clone)]
pub(crate) struct Inside {
    root: Arc<OwnedFd>,
}

impl Inside {
    /// The jail that has this root.
    pub(super) fn of(root: OwnedFd) -> Self {
        Self { root: Arc::new(root) }
    }

    /// Puts a copy of a small file there.
    ///
    /// # Errors
    /// What a system call answered.
    pub(super) fn put_copy(&self, path: &str, of: OwnedFd) -> io::Result<()> {
        let mut copy = File::create_new(self.outside(path))?;
        io::copy(&mut File::from(of), &mut copy)?;
        rustix::fs::fchmod(&copy, FOR_ALL)?;
        Ok(())
    }

    /// A connection to the API.
    ///
    /// # Errors
    /// What connect(2) answered.
    pub(super) async fn connect_api(&self) -> io::Result<UnixStream> {
        self.connect(API).await
    }

    /// Connects to a socket there. A VMM that was taken over may put a link in its place, which would lead out.
    async fn connect(&self, path: &str) -> io::Result<UnixStream> {
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let name = path.trim_start_matches('/');
        let socket = rustix::fs::openat2(&*self.root, name, flags, Mode::empty(), within)?;
        UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
    }

    /// Where a guest that does not run yet will dial.
    ///
    /// # Errors
    /// What bind(2) answered.
    pub(super) fn listen_for_agent(&self) -> io::Result<UnixListener> {
        let name = format!("{VSOCK}_{VSOCK_PORT}");
        let listener = UnixListener::bind(self.outside(&name))?;
        rustix::fs::chmod(self.outside(&name), FOR_ALL)?;
        Ok(listener)
    }

    /// Connects to the agent, which listens for all conversations after the first.
    ///
    /// # Errors
    /// What connect(2) answered, or an end of the stream if nobody listens in the guest.
    pub(crate) async fn dial(&self) -> io::Result<UnixStream> {
        let mut stream = self.connect(VSOCK).await?;
        stream
            .write_all(format!("CONNECT {VSOCK_PORT}\n").as_bytes())
            .await?;
        // The agent says nothing before it is spoken to, so what comes is this line alone.
        let mut answer = Vec::new();
        while answer.last() != Some(&b'\n') {
            let room = MAX_ANSWER_BYTES - answer.len();
            if room == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut buffer = [0; MAX_ANSWER_BYTES];
            match stream.read(&mut buffer[..room]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => answer.extend_from_slice(&buffer[..count]),
            }
        }
        if answer.starts_with(b"OK ") {
            Ok(stream)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// A path in the jail, as this process reaches it; addresses of sockets are short (unix(7)), and so is this.
    fn outside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}{path}", self.root.as_raw_fd()))
    }
}
