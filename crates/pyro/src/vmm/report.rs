//! What a child tells its parent between fork and exec: bits, and maybe descriptors.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
};

use super::passing;

/// The most descriptors that go along.
const DESCRIPTORS: usize = 2;

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
    pub(super) fn receive(self) -> (u8, [Option<OwnedFd>; DESCRIPTORS]) {
        let mut bytes = [0; 2];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = rustix::net::recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        let mut descriptors = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        });
        let [bits, passed] = bytes;
        // Those that are missing are told, so that the others have their places.
        let mut next = |index: usize| (passed & 1 << index != 0).then(|| descriptors.next()).flatten();
        let descriptors = [next(0), next(1)];
        match received {
            Ok(message) if message.bytes == bytes.len() => (bits, descriptors),
            Ok(_) | Err(_) => (0, [None, None]),
        }
    }
}

impl Reporter {
    /// Tells. Makes system calls only.
    ///
    /// # Errors
    /// What sendmsg(2) answered.
    pub(super) fn send(&self, bits: u8, descriptors: [Option<&OwnedFd>; DESCRIPTORS]) -> std::io::Result<()> {
        let mut passed = 0;
        for (index, descriptor) in descriptors.iter().enumerate() {
            passed |= u8::from(descriptor.is_some()) << index;
        }
        let sent = match descriptors {
            [Some(first), Some(second)] => {
                passing::send(&self.0, &[bits, passed], &[first.as_fd(), second.as_fd()])
            }
            [Some(one), None] | [None, Some(one)] => passing::send(&self.0, &[bits, passed], &[one.as_fd()]),
            [None, None] => passing::send(&self.0, &[bits, passed], &[]),
        };
        sent.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    #[test]
    fn descriptors_keep_their_places() {
        let (report, reporter) = Report::pair().unwrap();
        let file: OwnedFd = File::open("/proc/self/comm").unwrap().into();
        reporter.send(5, [None, Some(&file)]).unwrap();
        let (bits, [first, second]) = report.receive();
        assert_eq!((bits, first.is_none()), (5, true));
        let mut text = String::new();
        File::from(second.unwrap()).read_to_string(&mut text).unwrap();
        assert!(!text.is_empty());
    }

    #[test]
    fn who_says_nothing_has_no_layers() {
        let (report, reporter) = Report::pair().unwrap();
        drop(reporter);
        assert!(matches!(report.receive(), (0, [None, None])));
    }
}
