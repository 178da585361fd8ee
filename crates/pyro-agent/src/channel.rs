//! Finds the way to the host.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use pyro_proto::VSOCK_PORT;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::setup::DEVICE_PATIENCE;
use crate::setup::devices::{self, Uevents, VirtioType};
use crate::sys;
use crate::wire::Wire;

/// The first and the longest pause between two attempts to reach the host by vsock.
const REDIAL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// The way to the host.
#[derive(Debug)]
pub(crate) enum Channel {
    /// A serial port, opened once and used for one conversation after the other.
    Port(Wire),
    /// A connection to the host's vsock port, dialled for each conversation.
    Vsock,
}

impl Channel {
    /// Waits for the port; without one, for a vsock device.
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
            Ok((has_vsock && !may_get_port && Path::new("/dev/vsock").exists()).then_some(Self::Vsock))
        })?;
        match found {
            Some(channel) => Ok(channel),
            None if !devices::virtio_devices(VirtioType::Vsock)?.is_empty() => Ok(Self::Vsock),
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

/// Dials the host until it answers.
///
/// # Errors
/// When no socket can be made. That the host does not listen yet is no error: nothing tells the guest when it does,
/// so this is the one place that tries again on a timer.
pub(crate) async fn dial() -> io::Result<Wire> {
    let mut pause = REDIAL.0;
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::VSOCK, SocketType::STREAM, flags, None)?;
        let attempt = sys::connect_vsock(std::os::fd::AsFd::as_fd(&socket), VSOCK_PORT);
        let is_refused = attempt
            .as_ref()
            .is_err_and(|error| Errno::from_io_error(error) != Some(Errno::INPROGRESS));
        if !is_refused {
            let wire = Wire::new(socket)?;
            if attempt.is_ok() || wire.connected().await.is_ok() {
                return Ok(wire);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(REDIAL.1);
    }
}
