//! The replacement of a workspace's VM by one with the disk of the beginning.

use serde_json::{Map, Value};

use super::directory::HostDirectory;
use super::life::Ending;
use super::machine::{self, Base, DiskIs, RunningVm};
use super::{Supervisor, moving, on_host};
use crate::environment::BootableEnvironment;
use crate::error::{Diagnosis, Error, ErrorCode, Result};
use crate::workspace::{DISK, Record, State, StopReason, WorkspaceError};

/// The disk that takes the place of the one before.
pub(super) const NEW_DISK: &str = "disk.new";

/// What is to be known of a VM that took the place of one that was ended for nothing.
const PROCESSES_GONE: &str =
    "a reset failed when its VM was ended already: the disk is as it was, the processes are gone";

/// A reset that failed when the VM was ended already, because the host had not the memory for two.
#[derive(Debug, thiserror::Error)]
#[error("{}; its disk is as it was, {}", cause.message(), if *runs { "its processes are gone" } else { "it is stopped" })]
struct NotReplaced {
    cause: Error,
    /// Whether it has a VM again.
    runs: bool,
}

impl Diagnosis for NotReplaced {
    fn code(&self) -> ErrorCode {
        self.cause.code()
    }

    fn hint(&self) -> Option<String> {
        self.cause.hint()
    }

    fn details(&self) -> Option<Map<String, Value>> {
        self.cause.details()
    }
}

impl Supervisor {
    /// Puts a VM with an empty disk in the place of the one that runs. If that fails, nothing has changed, unless the
    /// host has not the memory for both: then the processes are gone.
    pub(super) async fn reset(&self) -> Result<()> {
        let _busy = self.activity.begin();
        let record = self.store.update(self.id, |record| {
            moving(record, State::Resetting)?;
            Ok(record.clone())
        })?;
        let replaced = self.replace_vm(&record).await;
        if let Err(error) = &replaced
            && self.share().is_none()
        {
            return self.end_without_vm(error).and(replaced);
        }
        let last_reset_at = jiff::Timestamp::now();
        self.store.update(self.id, |record| {
            record.state = State::Started;
            record.mover = None;
            if replaced.is_ok() {
                record.generation += 1;
                record.last_error = None;
                self.host_disk_was_full.set(false);
                record.last_reset_at = Some(last_reset_at);
                self.generation.set(record.generation);
            }
            Ok(())
        })?;
        replaced?;
        self.record_reset();
        Ok(())
    }

    /// Starts it as it was in the beginning, and then puts its new ground in the place of the one there is. If it fails,
    /// nothing has changed. Without a VM it is to be called when nothing runs.
    pub(super) async fn start_anew(&self, record: &Record) -> Result<RunningVm> {
        match &self.base {
            Base::Image(environment) => self.start_on_new_disk(environment, record).await,
            Base::Host => self.start_in_new_directory(record).await,
        }
    }

    async fn start_in_new_directory(&self, record: &Record) -> Result<RunningVm> {
        on_host::prepare(&self.dir).await?;
        on_host::with_directory(&self.dir, HostDirectory::begin_anew).await?;
        let started = match on_host::start(&self.pyro, record, &self.dir).await {
            Ok(started) => started,
            Err(error) => {
                on_host::with_directory(&self.dir, HostDirectory::take_back).await?;
                return Err(error);
            }
        };
        if let Err(error) = on_host::with_directory(&self.dir, HostDirectory::keep).await {
            started.kill().await;
            on_host::with_directory(&self.dir, HostDirectory::take_back).await?;
            return Err(error.into());
        }
        Ok(started)
    }

    async fn start_on_new_disk(
        &self,
        environment: &BootableEnvironment,
        record: &Record,
    ) -> Result<RunningVm> {
        let (disk, new_disk) = (self.dir.join(DISK), self.dir.join(NEW_DISK));
        let place = (NEW_DISK, DiskIs::New);
        let started = machine::start(&self.pyro, record, environment, &self.dir, place).await;
        let started = match started {
            Ok(vm) => vm,
            Err(error) => {
                drop(std::fs::remove_file(&new_disk));
                return Err(error);
            }
        };
        if let Err(source) = std::fs::rename(&new_disk, &disk) {
            started.kill().await;
            let error = WorkspaceError::Io {
                action: "replace",
                path: disk,
                source,
            };
            return Err(error.into());
        }
        Ok(started)
    }

    async fn replace_vm(&self, record: &Record) -> Result<()> {
        if matches!(self.base, Base::Host) {
            return self.end_and_replace(record).await;
        }
        match self.start_anew(record).await {
            Ok(started) => {
                self.put_in_place(started).await;
                Ok(())
            }
            Err(error) if is_for_want_of_memory(&error) => {
                tracing::info!(%error, "the VM is ended before the one that takes its place begins");
                self.end_and_replace(record).await
            }
            Err(error) => Err(error),
        }
    }

    async fn end_and_replace(&self, record: &Record) -> Result<()> {
        self.is_between.set(true);
        let replaced = self.replace_after_end(record).await;
        self.is_between.set(false);
        replaced
    }

    /// Ends the VM first. Where no other can be started, one has its disk.
    async fn replace_after_end(&self, record: &Record) -> Result<()> {
        self.end_all_commands().await;
        // What the guest has not written yet must be on the disk, should that be needed again.
        self.power_off().await;
        self.end_vm().await;
        let cause = match self.start_anew(record).await {
            Ok(started) => {
                self.put_in_place(started).await;
                return Ok(());
            }
            Err(cause) => cause,
        };
        let runs = match self.start_on(DiskIs::Old, record).await {
            Ok(mut started) => {
                started.facts.warnings.push(PROCESSES_GONE.to_owned());
                self.put_in_place(started).await;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the VM that was ended for a reset was not started again");
                false
            }
        };
        Err(NotReplaced { cause, runs }.into())
    }

    async fn put_in_place(&self, started: RunningVm) {
        self.activity.set_vm(started.facts.clone());
        let old = self.vm.replace(Some(started));
        self.vm_changed.notify_waiters();
        // Its commands end with it, as cancelled.
        if let Some(old) = old {
            old.kill().await;
        }
        self.all_commands_recorded().await;
    }

    /// Ends the VM, and gives back what it holds.
    async fn end_vm(&self) {
        let vm = self.vm.take();
        if let Some(vm) = vm {
            vm.kill().await;
        }
        self.all_commands_recorded().await;
    }

    async fn end_all_commands(&self) {
        for command in self.commands.borrow().values() {
            command.control.cancel();
        }
        self.all_commands_recorded().await;
    }

    /// Has the workspace stopped, which it is already.
    fn end_without_vm(&self, error: &Error) -> Result<()> {
        let noted = self.store.update(self.id, |record| {
            record.last_error = Some(error.message());
            Ok(())
        });
        self.ending
            .send_replace(Some(Ending::of_vm(StopReason::GuestLost)));
        Ok(noted?)
    }
}

fn is_for_want_of_memory(error: &Error) -> bool {
    let lacks =
        |details: Map<String, Value>| details.get("resource").is_some_and(|lacking| lacking == "memory");
    error.code() == ErrorCode::InsufficientResources && error.details().is_some_and(lacks)
}
