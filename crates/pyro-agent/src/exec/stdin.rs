//! The standard input of a command.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use tokio::net::unix::pipe::Sender;

/// Where input goes, and how much of it the agent has taken.
#[derive(Debug, Default)]
pub(crate) struct Stdin {
    pipe: RefCell<Option<Rc<Sender>>>,
    taken: Cell<u64>,
}

impl Stdin {
    /// Opens it.
    pub(crate) fn open(&self, pipe: OwnedFd) -> io::Result<()> {
        *self.pipe.borrow_mut() = Some(Rc::new(Sender::from_owned_fd(pipe)?));
        Ok(())
    }

    /// Bytes that were written, or that nobody was left to read.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// Writes as many bytes as the command has room for, at least one, and gives their number.
    ///
    /// Dropping the future loses nothing. What a command will not read any more is taken and thrown away.
    pub(crate) async fn write(&self, bytes: &[u8]) -> usize {
        let count = loop {
            let Some(pipe) = self.pipe.borrow().clone() else {
                break bytes.len();
            };
            let attempt = match pipe.writable().await {
                Ok(()) => pipe.try_write(bytes),
                Err(error) => Err(error),
            };
            match attempt {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.close(),
            }
        };
        self.taken.set(self.taken.get() + count as u64);
        count
    }

    /// Ends it.
    pub(crate) fn close(&self) {
        self.pipe.take();
    }
}
