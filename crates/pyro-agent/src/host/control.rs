//! The control socket, by which the host hands over a stream for each conversation.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;
use crate::wire::Wire;

/// Takes standard input over, in whose place nothing is to be read then.
///
/// # Errors
/// When there is none.
pub(super) fn take_standard_input() -> io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}

/// The agent's end of the control socket.
#[derive(Debug)]
pub(super) struct Control {
    socket: AsyncFd<OwnedFd>,
}

impl Control {
    /// Takes over a socket of the type `SOCK_SEQPACKET`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: sys::watch(socket, Interest::READABLE)?,
        })
    }

    /// The next conversation's stream; `None` when the host is gone. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the socket fails.
    pub(super) async fn next(&self) -> io::Result<Option<Wire>> {
        loop {
            let mut ready = self.socket.readable().await?;
            match receive(self.socket.get_ref()) {
                Ok(Received::Stream(stream)) => {
                    rustix::io::ioctl_fionbio(&stream, true)?;
                    return Wire::new(stream).map(Some);
                }
                // A message without a descriptor, from a newer host, is passed over.
                Ok(Received::Nothing) | Err(Errno::INTR) => {}
                Ok(Received::End) | Err(Errno::CONNRESET) => return Ok(None),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What a message has brought.
enum Received {
    Stream(OwnedFd),
    Nothing,
    End,
}

fn receive(socket: &OwnedFd) -> Result<Received, Errno> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let message = rustix::net::recvmsg(socket, &mut buffers, &mut ancillary, flags)?;
    let stream = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(match stream {
        Some(stream) => Received::Stream(stream),
        None if message.bytes == 0 => Received::End,
        None => Received::Nothing,
    })
}
