//! Finds the way to the host.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use pyro_proto::VSOCK_PORT;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::setup::DEVICE_PATIENCE;
use crate::setup::devices::{self, Uevents, VirtioType};
use crate::sys;
use crate::wire::Wire;

/// How long a host that is there may take to answer; the kernel's own two seconds are short for one that is busy, and the
/// host listens once.
const DIAL_PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait before the next conversation is taken when there is no memory for it.
const NO_MEMORY_PAUSE: Duration = Duration::from_millis(50);

/// How many conversations may wait to begin; the host has one at a time.
const BACKLOG: i32 = 8;

/// The way to the host.
#[derive(Debug)]
pub(crate) enum Channel {
    /// A serial port, opened once and used for one conversation after the other.
    Port(Wire),
    /// A connection of its own for each conversation.
    Vsock(VsockDoor),
}

impl Channel {
    /// Waits for the port; without one, for a vsock device. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the machine has neither, or the port cannot be opened.
    pub(crate) fn find(uevents: &Uevents) -> io::Result<Self> {
        let deadline = Instant::now() + DEVICE_PATIENCE;
        let found = uevents.wait_for(deadline, || {
            if let Some(node) = devices::find_port()? {
                return Ok(Some(Self::open_port(&node)?));
            }
            // A machine with a console device announces its ports later than the device.
            let may_get_port = !devices::virtio_devices(VirtioType::Console)?.is_empty();
            let has_vsock = !devices::virtio_devices(VirtioType::Vsock)?.is_empty();
            if has_vsock && !may_get_port && Path::new("/dev/vsock").exists() {
                return VsockDoor::open().map(Self::Vsock).map(Some);
            }
            Ok(None)
        })?;
        match found {
            Some(channel) => Ok(channel),
            None => Err(io::Error::other(
                "the machine has neither a port to the host nor vsock",
            )),
        }
    }

    fn open_port(node: &Path) -> io::Result<Self> {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
        let port = File::options()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(node)?;
        Wire::new(port.into()).map(Self::Port)
    }
}

/// How a machine with vsock and its host find each other.
///
/// Before each conversation the agent dials the host once. A host that has just booted or restored the machine listens and
/// learns by that that the agent is there; after a restore it could not dial itself in time, as the guest first has to take
/// in that all its connections are gone, and would take a new one for one of them. Later a host opens conversations
/// whenever it likes, for which the agent listens.
#[derive(Debug)]
pub(crate) struct VsockDoor {
    listener: AsyncFd<OwnedFd>,
}

impl VsockDoor {
    /// Begins to listen. Must be called within a tokio runtime.
    fn open() -> io::Result<Self> {
        let socket = socket()?;
        sys::bind_vsock(socket.as_fd(), VSOCK_PORT)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self {
            listener: sys::watch(socket, Interest::READABLE)?,
        })
    }

    /// The next conversation's stream.
    ///
    /// # Errors
    /// When the listening socket fails.
    pub(crate) async fn next(&self) -> io::Result<Wire> {
        if let Ok(wire) = dial().await {
            return Ok(wire);
        }
        loop {
            let mut ready = self.listener.readable().await?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::accept_with(self.listener.get_ref(), flags) {
                Ok(socket) => return Wire::new(socket),
                Err(Errno::AGAIN) => ready.clear_ready(),
                // Whoever asked has gone again.
                Err(Errno::CONNABORTED | Errno::CONNRESET | Errno::INTR) => {}
                // One that cannot be taken now is not the end of the door.
                Err(Errno::NOMEM | Errno::NOBUFS) => tokio::time::sleep(NO_MEMORY_PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Dials the host once. One that does not wait for it refuses at once.
async fn dial() -> io::Result<Wire> {
    let socket = socket()?;
    sys::set_vsock_connect_timeout(socket.as_fd(), DIAL_PATIENCE)?;
    match sys::connect_vsock(socket.as_fd(), VSOCK_PORT) {
        Ok(()) => {}
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        Err(error) => return Err(error),
    }
    let wire = Wire::new(socket)?;
    wire.connected().await?;
    Ok(wire)
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::VSOCK, SocketType::STREAM, flags, None)?;
    Ok(socket)
}
