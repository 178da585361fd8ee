//! The end of a workspace's VM.

use std::time::Duration;

use pyro_proto::message::Signal;

use super::exec::Running;
use super::{Supervisor, moving};
use crate::error::Result;
use crate::vm::FollowedVm as _;
use crate::workspace::{Kind, State, StopReason, WorkspaceError, ends_for_good, stopped};

/// How long a guest may take to end by itself before its VM is killed.
const POWER_OFF: Duration = Duration::from_secs(20);

/// How long commands whose VM was ended may take to be recorded.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// Why and how a workspace's VM is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    reason: StopReason,
    /// Whether the guest is asked to end by itself.
    is_gentle: bool,
}

impl Ending {
    /// Somebody asked for it.
    pub(super) fn asked(at_once: bool) -> Self {
        Self {
            reason: StopReason::Requested,
            is_gentle: !at_once,
        }
    }

    /// The guest may write what it has.
    pub(super) fn gentle(reason: StopReason) -> Self {
        Self {
            reason,
            is_gentle: true,
        }
    }

    /// The VM has ended already.
    pub(super) fn of_vm(reason: StopReason) -> Self {
        Self {
            reason,
            is_gentle: false,
        }
    }
}

/// The command that a one-shot VM is there for. Dropping it ends the VM.
#[derive(Debug)]
pub(super) struct LastUse<'a>(&'a Supervisor);

impl Drop for LastUse<'_> {
    fn drop(&mut self) {
        self.0.ending.send_if_modified(|ending| {
            let is_first = ending.is_none();
            ending.get_or_insert(Ending::asked(true));
            is_first
        });
    }
}

impl Supervisor {
    /// Ends a command: with a grace it hears an interrupt first.
    pub(super) fn end_command_early(&self, sequence: u64, grace_ms: Option<u64>) {
        if let Some(running) = self.commands.borrow().get(&sequence) {
            match grace_ms {
                Some(grace) => running.control.interrupt(Duration::from_millis(grace)),
                None => running.control.cancel(),
            }
        }
    }

    /// Sends a signal to every process of a command.
    pub(super) async fn signal(&self, sequence: u64, number: i32) -> Result<()> {
        let request_id = self.command(sequence)?.request_id;
        let signal = Signal {
            request_id,
            number,
            grace_ms: 0,
        };
        let mut vm = self.share_to_use()?;
        Ok(vm.caller().await?.signal(signal).await?)
    }

    /// Lets a command go on without the client that began it.
    pub(super) fn keep(&self, sequence: u64) -> Result<()> {
        self.command(sequence)?.is_kept.set(true);
        Ok(())
    }

    /// A command that runs.
    fn command(&self, sequence: u64) -> Result<Running> {
        let running = self.commands.borrow().get(&sequence).cloned();
        Ok(running.ok_or(WorkspaceError::CommandOver { sequence })?)
    }

    /// Waits until a command does not run any more, or for a time.
    pub(super) async fn wait(&self, sequence: u64, at_most: Duration) {
        let ended = async {
            loop {
                let gone = self.command_gone.notified();
                if !self.commands.borrow().contains_key(&sequence) {
                    return;
                }
                gone.await;
            }
        };
        // Either way whoever waits looks at what is recorded.
        tokio::time::timeout(at_most, ended).await.ok();
    }

    /// Ends the VM and records it, or removes what there is of a one-shot VM that is not to stay.
    pub(super) async fn end(&self, ending: Ending) {
        self.is_ending.set(true);
        let record = self.store.read(self.id);
        let is_for_good = record.is_ok_and(|record| ends_for_good(&record, ending.reason));
        let moved = self.store.update(self.id, |record| {
            let state = if is_for_good {
                State::Deleting
            } else {
                State::Stopping
            };
            moving(record, state)?;
            record.stop_reason = Some(ending.reason);
            Ok(())
        });
        if let Err(error) = moved {
            tracing::error!(%error, "that the workspace is being stopped was not recorded");
        }
        if ending.is_gentle && !is_for_good {
            self.power_off().await;
        }
        let vm = self.vm.take();
        if let Some(vm) = vm {
            vm.kill().await;
        }
        self.all_commands_recorded().await;
        if is_for_good {
            self.remove(ending.reason);
            return;
        }
        drop(self.recorder.borrow_mut().sync());
        self.activity.close();
        let last_activity_at = self.activity.last_at();
        let recorded = self.store.update(self.id, |record| {
            stopped(record, ending.reason);
            self.note_full_disk(record);
            record.last_activity_at = last_activity_at;
            Ok(())
        });
        if let Err(error) = recorded {
            // Whoever finds it next sees that nobody moves it any more.
            tracing::error!(%error, "that the workspace is stopped was not recorded");
        }
    }

    /// Removes a one-shot VM with all that it has.
    fn remove(&self, reason: StopReason) {
        self.activity.close();
        let removed = match reason {
            StopReason::TtlExpired => self.store.remove_expired(self.id, jiff::Timestamp::now()),
            _ => self.store.remove(self.id),
        };
        if let Err(error) = removed {
            // Whoever finds it next sees that nobody removes it any more.
            tracing::error!(%error, "the VM was not removed");
        }
    }

    /// Notes that the one command of a one-shot VM begins; whatever comes of it, the VM goes with what is returned.
    ///
    /// # Errors
    /// If it had its command, or that cannot be noted.
    pub(super) fn spend(&self) -> Result<Option<LastUse<'_>>> {
        if self.store.kind() != Kind::Vm {
            return Ok(None);
        }
        self.store.update(self.id, |record| {
            if record.is_spent {
                return Err(WorkspaceError::Spent { id: self.id });
            }
            record.is_spent = true;
            Ok(())
        })?;
        Ok(Some(LastUse(self)))
    }

    /// Lets the guest write its disk and end; commands that run are told to end, and then do.
    pub(super) async fn power_off(&self) {
        let Some(mut vm) = self.share() else { return };
        let off = async {
            // A guest that does not answer is killed.
            if let Ok(caller) = vm.caller().await
                && caller.power_off().await.is_ok()
            {
                vm.ended().await;
            }
        };
        if tokio::time::timeout(POWER_OFF, off).await.is_err() {
            tracing::warn!("the guest did not power off in time");
        }
    }

    pub(super) async fn all_commands_recorded(&self) {
        let all = async {
            loop {
                let gone = self.command_gone.notified();
                if self.commands.borrow().is_empty() {
                    return;
                }
                gone.await;
            }
        };
        drop(tokio::time::timeout(LAST_RECORDS, all).await);
    }
}
