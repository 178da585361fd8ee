//! The byte stream to the host, over a virtio serial port or a vsock connection.
//!
//! A serial port has no connections. While the host's end is closed, a read returns 0 and poll reports a hang-up
//! (`drivers/char/virtio_console.c`), for as long as it stays closed. Tokio remembers a hang-up for the life of a
//! registration, so the port cannot be registered with its reactor. It is watched, edge-triggered, by an epoll
//! instance of its own, which never hangs up, and which the reactor watches in turn.

use std::io;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use pyro_proto::handshake::MAGIC;
use rustix::event::{PollFd, PollFlags, Timespec, epoll};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::sys;

/// The most that one write hands over: virtio-console takes no more at a time.
const WRITE_BYTES: usize = 32 * 1024;

/// The moments at which a descriptor may have become ready.
#[derive(Debug)]
struct Edges {
    epoll: AsyncFd<OwnedFd>,
}

impl Edges {
    fn new(watched: impl AsFd, interest: epoll::EventFlags) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            watched,
            epoll::EventData::new_u64(0),
            interest | epoll::EventFlags::ET,
        )?;
        Ok(Self {
            epoll: sys::watch(epoll, Interest::READABLE)?,
        })
    }

    /// Ready once for every edge; try the operation again then.
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.epoll.poll_read_ready(context))?;
            ready.clear_ready();
            let mut events = [epoll::Event {
                flags: epoll::EventFlags::empty(),
                data: epoll::EventData::new_u64(0),
            }];
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            match epoll::wait(&self.epoll, events.as_mut_slice(), Some(&now)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

/// The most that one read takes: a buffer of the port holds no more (`drivers/char/virtio_console.c`), but a socket does.
const READ_BYTES: usize = 64 * 1024;

/// A byte stream to the host.
#[derive(Debug)]
pub(crate) struct Wire {
    // Before the descriptor: a registration must go before what it watches.
    readable: Edges,
    writable: Edges,
    descriptor: OwnedFd,
    /// Bytes that were read and belong to whoever reads next.
    unread: BytesMut,
    /// The hello that began the conversation.
    answered: Option<Vec<u8>>,
    outgoing: Vec<u8>,
    /// Where bytes arrive: to fill the reader's own room with zeroes before each read takes longer than to copy what came.
    incoming: Box<[u8]>,
}

impl Wire {
    /// Takes over a non-blocking descriptor.
    pub(crate) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            readable: Edges::new(&descriptor, epoll::EventFlags::IN)?,
            writable: Edges::new(&descriptor, epoll::EventFlags::OUT)?,
            descriptor,
            unread: BytesMut::new(),
            answered: None,
            outgoing: Vec::new(),
            incoming: vec![0; READ_BYTES].into(),
        })
    }

    /// Waits until the host's end of a port may have changed.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        std::future::poll_fn(|context| self.readable.poll_next(context)).await
    }

    /// Waits until a socket is connected, or has failed to.
    pub(crate) async fn connected(&self) -> io::Result<()> {
        std::future::poll_fn(|context| self.writable.poll_next(context)).await?;
        rustix::net::sockopt::socket_error(&self.descriptor)??;
        Ok(())
    }

    /// Gives bytes back, to be read again before any other.
    pub(crate) fn push_back(&mut self, mut bytes: BytesMut) {
        bytes.extend_from_slice(&self.unread);
        self.unread = bytes;
    }

    /// From here on until [`end_conversation`](Self::end_conversation) a hello other than `answered` ends the stream.
    ///
    /// `answered` itself comes again when the host repeated it before the answer arrived; that is passed over.
    /// When the host's end of a port is opened anew before its end was noticed, as after a restored snapshot, the only
    /// sign is a hello where a frame should be. It always begins a buffer of the port, and so a read.
    pub(crate) fn begin_conversation(&mut self, answered: Vec<u8>) {
        self.answered = Some(answered);
    }

    /// Makes the stream readable again after its end.
    pub(crate) fn end_conversation(&mut self) {
        self.answered = None;
    }

    fn pass_over_repeated_hellos(&mut self) {
        if let Some(answered) = &self.answered {
            while self.unread.starts_with(answered) {
                self.unread.advance(answered.len());
            }
        }
    }

    /// Reads what of a hello did not fit into the reader's buffer; one buffer of the port holds all of it.
    fn read_rest_of_hello(&mut self) {
        let begun = self.unread.len();
        let whole = self.answered.as_ref().map_or(0, Vec::len);
        if begun < whole {
            self.unread.resize(whole, 0);
            let count = rustix::io::read(&self.descriptor, &mut self.unread[begun..]).unwrap_or(0);
            self.unread.truncate(begun + count);
        }
    }

    fn write_now(&self, bytes: &[u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            match rustix::io::write(&self.descriptor, bytes) {
                Ok(count) => return Poll::Ready(Ok(count)),
                // A port whose host is away takes nothing until another one comes, for which this is not meant.
                Err(Errno::AGAIN) if self.answered.is_some() && self.is_hung_up()? => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Err(Errno::AGAIN) => ready!(self.writable.poll_next(context))?,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn is_hung_up(&self) -> io::Result<bool> {
        let mut state = [PollFd::new(&self.descriptor, PollFlags::empty())];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut state, Some(&now))?;
        Ok(state[0].revents().contains(PollFlags::HUP))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.pass_over_repeated_hellos();
            if !this.unread.is_empty() {
                if !(this.answered.is_some() && this.unread.starts_with(&MAGIC)) {
                    let count = this.unread.len().min(buffer.remaining());
                    buffer.put_slice(&this.unread[..count]);
                    this.unread.advance(count);
                }
                return Poll::Ready(Ok(()));
            }
            let room = buffer.remaining().min(READ_BYTES);
            match rustix::io::read(&this.descriptor, &mut this.incoming[..room]) {
                Ok(count) => {
                    let fresh = &this.incoming[..count];
                    if !(this.answered.is_some() && fresh.starts_with(&MAGIC)) {
                        buffer.put_slice(fresh);
                        return Poll::Ready(Ok(()));
                    }
                    this.unread = BytesMut::from(fresh);
                    this.read_rest_of_hello();
                }
                Err(Errno::AGAIN) => ready!(this.readable.poll_next(context))?,
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write_now(&bytes[..bytes.len().min(WRITE_BYTES)], context)
    }

    /// Joins the slices itself: each write to a port is a turn of its queue, and the kernel would take one per slice.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        outgoing.clear();
        for slice in slices {
            let room = WRITE_BYTES - outgoing.len();
            outgoing.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let outcome = self.write_now(&outgoing, context);
        self.outgoing = outgoing;
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// A port is never closed: the next conversation uses it again.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
