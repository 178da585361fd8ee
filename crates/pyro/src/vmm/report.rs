//! What a child tells its parent between fork and exec: one byte, and maybe a descriptor.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
};

use super::passing;

/// The parent's end.
#[derive(Debug)]
pub(super) struct Report(OwnedFd);

/// The child's end.
#[derive(Debug)]
pub(super) struct Reporter(OwnedFd);

impl Report {
    /// Both ends; neither survives an exec.
    ///
    /// # Errors
    /// If the process has no descriptors left.
    pub(super) fn pair() -> std::io::Result<(Self, Reporter)> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(ours), Reporter(theirs)))
    }

    /// What the child said. Call it once the child has executed its program, and no copy of its end is left here.
    ///
    /// A child that said nothing did not get that far, and is not a VMM.
    pub(super) fn receive(self) -> (u8, Option<OwnedFd>) {
        let mut byte = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut byte)];
        let received = rustix::net::recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        match received {
            Ok(message) if message.bytes > 0 => (byte[0], descriptor),
            Ok(_) | Err(_) => (0, None),
        }
    }
}

impl Reporter {
    /// Tells. Makes system calls only.
    ///
    /// # Errors
    /// What sendmsg(2) answered.
    pub(super) fn send(&self, byte: u8, descriptor: Option<&OwnedFd>) -> std::io::Result<()> {
        passing::send(&self.0, &[byte], descriptor).map(drop)
    }
}
