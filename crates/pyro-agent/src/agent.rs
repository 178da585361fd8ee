//! The server: sets the machine up, finds the host and converses with it until the machine goes off.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyro_proto::handshake::NONCE_BYTES;
use pyro_proto::message::{Fault, FaultKind};
use rustix::time::ClockId;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::channel::Channel;
use crate::exec::registry::Registry;
use crate::files::Tree;
use crate::identity::Opened;
use crate::session::{self, Medium, Sequel};
use crate::setup::devices::Uevents;
use crate::setup::{self, Machine};
use crate::{call::fault, log};

/// How long a thread waits for more to do with files, of which each takes little memory.
const THREAD_PATIENCE: Duration = Duration::from_secs(3600);

/// What every conversation shares.
#[derive(Debug)]
pub(crate) struct Agent {
    /// The machine, or why it cannot run commands.
    pub(crate) machine: Result<Rc<Machine>, String>,
    /// The commands.
    pub(crate) commands: Registry,
    /// What proves to the host that this is its machine: from the kernel's command line, until the host gives another.
    pub(crate) nonce: RefCell<Bytes>,
    /// What the last configuration left open for the next one.
    pub(crate) opened: Opened,
    /// The tree of the workspace, once the machine has one.
    pub(crate) tree: RefCell<Option<Arc<Tree>>>,
    /// Turns true when everything is on disk and the machine may end.
    pub(crate) is_off: watch::Sender<bool>,
    /// What [`ready_after_us`](Self::ready_after_us) counts from, on the clock that the kernel started.
    began: Duration,
    ready_after_us: OnceCell<u64>,
}

impl Agent {
    /// One that has not conversed yet. `began` is the time from the kernel's start to where its own counts from.
    pub(crate) fn new(machine: Result<Rc<Machine>, String>, nonce: Option<Vec<u8>>, began: Duration) -> Self {
        Self {
            machine,
            commands: Registry::default(),
            nonce: RefCell::new(nonce.unwrap_or_default().into()),
            opened: Opened::default(),
            tree: RefCell::default(),
            is_off: watch::Sender::new(false),
            began,
            ready_after_us: OnceCell::new(),
        }
    }

    /// The machine, for a request that needs it.
    ///
    /// # Errors
    /// [`FaultKind::Internal`] with the reason why there is none.
    pub(crate) fn machine(&self) -> Result<&Rc<Machine>, Fault> {
        self.machine
            .as_ref()
            .map_err(|reason| fault(FaultKind::Internal, reason.clone()))
    }

    /// The tree, for a request that needs it.
    ///
    /// # Errors
    /// [`FaultKind::Unconfigured`] if the machine is not for a workspace.
    pub(crate) fn tree(&self) -> Result<Arc<Tree>, Fault> {
        let tree = self.tree.borrow().clone();
        tree.ok_or_else(|| fault(FaultKind::Unconfigured, "this machine has no workspace"))
    }

    /// Time from the kernel's start, or on the host the agent's, to the first call of this, in microseconds.
    pub(crate) fn ready_after_us(&self) -> u64 {
        *self.ready_after_us.get_or_init(|| {
            let time = since_boot().saturating_sub(self.began);
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        })
    }
}

/// Time since the kernel's start.
pub(crate) fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// Serves until the machine is to end; process 1 ends it when this process does.
pub(crate) fn run() -> ExitCode {
    let outcome = setup::prepare().map_err(io::Error::other).and_then(|uevents| {
        let machine = setup::set_up(&uevents).map(Rc::new).map_err(|error| {
            log::error(&error.to_string());
            error.to_string()
        });
        serve(&uevents, machine)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve(uevents: &Uevents, machine: Result<Rc<Machine>, String>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(THREAD_PATIENCE)
        .build()?;
    let nonce = setup::kernel_parameter("pyro.nonce").and_then(|hex| nonce(&hex));
    let agent = Rc::new(Agent::new(machine, nonce, Duration::ZERO));
    let entered = runtime.enter();
    let channel = Channel::find(uevents)?;
    drop(entered);
    LocalSet::new().block_on(&runtime, converse(channel, &agent))
}

async fn converse(mut channel: Channel, agent: &Rc<Agent>) -> io::Result<()> {
    agent.ready_after_us();
    // A machine that is saved has a thread for what is done with files, so that none that is restored has to make it.
    drop(tokio::task::spawn_blocking(|| {}));
    loop {
        let sequel = match &mut channel {
            Channel::Port(wire) => session::serve(wire, Medium::Port, agent).await,
            Channel::Vsock(door) => session::serve(&mut door.next().await?, Medium::Connection, agent).await,
        };
        match sequel {
            Ok(Sequel::NextConversation) => {}
            Ok(Sequel::End) => return Ok(()),
            Err(error) => log::error(&format!("the channel to the host failed: {error}")),
        }
    }
}

/// Reads a nonce.
pub(crate) fn nonce(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if digits.len() != 2 * NONCE_BYTES {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_32_hexadecimal_digits() {
        let hex = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(nonce(hex), Some((0..16).collect()));
        assert_eq!(nonce("00ff"), None);
        assert_eq!(nonce("zz0102030405060708090a0b0c0d0e0f"), None);
    }
}
