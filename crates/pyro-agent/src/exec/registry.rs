//! All commands by their request ids, and the tasks that supervise them.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use pyro_proto::message::{Fault, FaultKind};
use tokio::task::JoinSet;

use super::command::Command;
use super::plan::Plan;
use super::supervise;
use crate::call::fault;
use crate::setup::Machine;

/// How many ended commands can still be asked about.
const ENDED_KEPT: usize = 64;

/// How much memory the output of ended commands may take, all together: enough for the last few of the loudest.
const ENDED_OUTPUT_BYTES: usize = 4 * 1024 * 1024;

/// All commands that run, and the last that ended.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    state: Rc<State>,
    supervisors: RefCell<JoinSet<()>>,
    is_closed: Cell<bool>,
}

#[derive(Debug, Default)]
struct State {
    commands: RefCell<HashMap<String, Rc<Command>>>,
    /// Those of them that ended, the latest last.
    ended: RefCell<VecDeque<Rc<Command>>>,
}

impl Registry {
    /// The command with this request id, unless it ended long ago.
    pub(crate) fn find(&self, id: &str) -> Option<Rc<Command>> {
        self.state.commands.borrow().get(id).cloned()
    }

    /// Starts a command under an id that [`find`](Self::find) did not find.
    ///
    /// It is registered before this returns, so that a repeated request finds it, and lives on without its caller.
    ///
    /// # Errors
    /// [`FaultKind::Internal`] when the machine is being ended.
    pub(crate) fn start(&self, id: String, plan: Plan, machine: &Rc<Machine>) -> Result<Rc<Command>, Fault> {
        if self.is_closed.get() {
            return Err(fault(FaultKind::Internal, "the machine is being powered off"));
        }
        let command = Rc::new(Command::new(id.clone()));
        self.state.commands.borrow_mut().insert(id, Rc::clone(&command));
        let (state, machine, supervised) = (Rc::clone(&self.state), Rc::clone(machine), Rc::clone(&command));
        let mut supervisors = self.supervisors.borrow_mut();
        while supervisors.try_join_next().is_some() {}
        supervisors.spawn_local(async move {
            supervise::supervise(&supervised, plan, &machine, |end| state.note(&supervised, end)).await;
        });
        Ok(command)
    }

    /// Starts nothing any more.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
    }
}

/// What the registry does with a command that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It never began: the same id may be used again.
    Refused,
    /// Its outcome is kept for a while.
    Ended,
}

impl State {
    fn note(&self, command: &Rc<Command>, end: End) {
        let mut commands = self.commands.borrow_mut();
        if end == End::Refused {
            commands.remove(&command.id);
            return;
        }
        let mut ended = self.ended.borrow_mut();
        ended.push_back(Rc::clone(command));
        if ended.len() > ENDED_KEPT {
            ended.pop_front().and_then(|oldest| commands.remove(&oldest.id));
        }
        let mut room = ENDED_OUTPUT_BYTES;
        for command in ended.iter().rev() {
            let memory = command.output_memory();
            if memory > room {
                command.forget_output();
            }
            room = room.saturating_sub(memory);
        }
    }
}
