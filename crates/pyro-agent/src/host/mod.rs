//! The agent on a host without guests: commands and files live in a private directory, as what the caller may do.
//!
//! ```text
//!  guard                  started by the host; ends all that is left when the server ends
//!   └─ server             the control socket on standard input, one conversation after the other, every command
//!       └─ commands       each in its own session; orphans are adopted
//! ```
//!
//! Nothing isolates commands from the host, or from each other. Whichever of guard and server is killed, the other one
//! ends everything that was started.

pub(crate) mod configure;
mod control;
pub(crate) mod directory;
mod guard;
pub(crate) mod processes;
mod table;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Mode;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use self::control::Control;
use self::directory::Directory;
use self::processes::Family;
use crate::agent::{self, Agent};
use crate::exec::group::Groups;
use crate::session::{self, Medium, Sequel};
use crate::setup::{Machine, Place};
use crate::workload::{Root, Workload};
use crate::{log, sys};

/// The boot nonce, in hexadecimal digits.
const NONCE: &str = "PYRO_AGENT_NONCE";

/// How often it is looked whether orphans have ended.
const REAPING: Duration = Duration::from_secs(1);

/// How long a file operation may go on when everything ends.
const FILES_PATIENCE: Duration = Duration::from_secs(2);

/// Serves as the words say: `host DIR`, or `host DIR SEED`.
pub(crate) fn main(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    log::use_standard_error();
    let is_host = words.next().is_some_and(|word| word == "host");
    let (directory, seed) = (words.next().map(PathBuf::from), words.next().map(PathBuf::from));
    let outcome = match directory {
        Some(directory) if is_host && words.next().is_none() => run(directory, seed),
        _ => Err(io::Error::other(
            "this program is the init of a pyro guest, or is called as `pyro-agent host DIR [SEED]`",
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(directory: PathBuf, seed: Option<PathBuf>) -> io::Result<()> {
    let began = agent::since_boot();
    // Nothing of what the host had open or set is passed on.
    sys::close_descriptors(3);
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let nonce = std::env::var(NONCE).ok().and_then(|hex| agent::nonce(&hex));
    let guard = guard::begin()?;
    let socket = control::take_standard_input()?;
    let machine = set_up(directory, seed).map(Rc::new).map_err(|error| {
        log::error(&error.to_string());
        error.to_string()
    });
    let agent = Rc::new(Agent::new(machine, nonce, began));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = serve(&runtime, socket, guard, &agent);
    processes::end_all();
    runtime.shutdown_timeout(FILES_PATIENCE);
    served
}

fn set_up(directory: PathBuf, seed: Option<PathBuf>) -> io::Result<Machine> {
    let directory = Arc::new(Directory::open(directory, seed)?);
    let family = Family::adopt(Arc::clone(&directory))?;
    Ok(Machine {
        workload: Workload::enter(Root::Host).map_err(io::Error::other)?,
        groups: Groups::Host(family),
        place: Place::Host(directory),
    })
}

fn serve(runtime: &Runtime, socket: OwnedFd, guard: OwnedFd, agent: &Rc<Agent>) -> io::Result<()> {
    let entered = runtime.enter();
    let mut control = Control::new(socket)?;
    drop(entered);
    LocalSet::new().block_on(runtime, async {
        tokio::select! {
            outcome = converse(&mut control, agent) => outcome,
            gone = processes::has_ended(guard) => gone,
            never = reap(agent) => match never {},
        }
    })
}

/// Holds one conversation after the other. A new one takes the place of the old.
async fn converse(control: &mut Control, agent: &Rc<Agent>) -> io::Result<()> {
    let mut next = control.next().await?;
    while let Some(mut wire) = next.take() {
        let sequel = {
            let conversation = session::serve(&mut wire, Medium::Connection, agent);
            tokio::pin!(conversation);
            tokio::select! {
                sequel = &mut conversation => Some(sequel),
                newer = control.next() => {
                    next = newer?;
                    None
                }
            }
        };
        match sequel {
            Some(Ok(Sequel::End)) => return Ok(()),
            Some(Ok(Sequel::NextConversation)) => next = control.next().await?,
            Some(Err(error)) => {
                log::error(&format!("a conversation with the host failed: {error}"));
                next = control.next().await?;
            }
            None => {}
        }
    }
    // The host is gone.
    Ok(())
}

/// Reaps orphans. Nobody waits for them, so it need not be at once.
async fn reap(agent: &Agent) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(REAPING).await;
        let Ok(machine) = &agent.machine else { continue };
        let Groups::Host(family) = &machine.groups else {
            continue;
        };
        let reaper = family.reaper();
        if let Ok(Err(error)) | Err(error) = machine.workload.run(move |_| reaper()).await {
            log::error(&format!("cannot reap orphans: {error}"));
        }
    }
}
