//! Runs that go on while nobody follows them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::kept::KeptRuns;
use super::so_far::SoFar;
use super::{Run, RunEvent, RunRequest};
use crate::Pyro;
use crate::command::{RunControl, Wish, Wishes};
use crate::error::{Diagnosis, Error, ErrorCode, Result};
use crate::id::VmId;
use crate::object::{CleanupReason, VmDeletion, VmExec, VmRun};

/// How many events wait for a follower that is busy. It loses the oldest of more, for nobody holds up a run that others
/// may follow too.
const EVENT_QUEUE: usize = 64;

/// How long a failure that nobody has heard of is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(60 * 60);

/// Runs of this process that may outlive the calls which follow them, and what came of them. For programs whose callers do
/// not wait for as long as commands take. Cheap to clone; clones have the same runs.
///
/// What a run came to is kept on disk for an hour, with its output, for every process with the same state directory.
/// A run that nobody follows ends by itself, by its time limit, by its [`RunControl`], and when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct BackgroundRuns(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pyro: Pyro,
    kept: KeptRuns,
    going: Mutex<BTreeMap<VmId, Going>>,
}

/// A run that goes on, or whose end could not be kept.
#[derive(Debug)]
struct Going {
    control: RunControl,
    so_far: SoFar,
    news: broadcast::Sender<RunEvent>,
    end: watch::Receiver<Option<End>>,
    /// Whether somebody was told to come back to it.
    is_left: bool,
    ended_at: Option<Instant>,
    _task: AbortOnDropHandle<()>,
}

/// What a run came to.
type End = Result<Arc<VmExec>, Arc<Error>>;

/// A failure that more than one may hear of.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failure(Arc<Error>);

impl Diagnosis for Failure {
    fn code(&self) -> ErrorCode {
        self.0.code()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    fn details(&self) -> Option<Map<String, Value>> {
        self.0.details()
    }
}

/// A run that was ended with everything that its program had under way.
#[derive(Debug, thiserror::Error)]
#[error("the run was cancelled before its command ended; its VM is removed")]
struct Abandoned;

impl Diagnosis for Abandoned {
    fn code(&self) -> ErrorCode {
        ErrorCode::Cancelled
    }

    fn hint(&self) -> Option<String> {
        Some("run the command again".to_owned())
    }
}

impl BackgroundRuns {
    /// None yet, but those whose results are kept. Touches nothing on disk.
    pub fn new(pyro: &Pyro) -> Self {
        Self(Arc::new(Inner {
            kept: KeptRuns::new(&pyro.settings().home),
            pyro: pyro.clone(),
            going: Mutex::default(),
        }))
    }

    /// Starts a command in a VM of its own and hands over its events, as far as they are taken in time.
    ///
    /// After [`RunControl::leave`] it finishes as [`VmRun::Running`], and the run goes on. Dropped before that, or before
    /// its end, it ends the command and removes the VM. Must be called within a tokio runtime.
    pub fn start(&self, request: RunRequest) -> Run<VmRun> {
        let so_far = SoFar::of(&self.0.pyro, &request);
        let vm_id = so_far.vm_id();
        let run = Run::start_known(self.0.pyro.clone(), request, so_far.clone());
        let control = run.control();
        let (news, heard) = broadcast::channel(EVENT_QUEUE);
        let (end, ended) = watch::channel(None);
        let carried = carry(Arc::downgrade(&self.0), run, so_far.clone(), news.clone(), end);
        let follower = Follower {
            so_far: so_far.clone(),
            control: control.clone(),
            heard,
            ended: ended.clone(),
            owned: Some(Owned {
                runs: Arc::downgrade(&self.0),
                vm_id,
            }),
        };
        let mut going = self.0.going();
        going.retain(|_, run| run.ended_at.is_none_or(|at| at.elapsed() < REMEMBERED_FOR));
        going.insert(
            vm_id,
            Going {
                control,
                so_far,
                news,
                end: ended,
                is_left: false,
                ended_at: None,
                // It waits for the lock before it looks for this entry.
                _task: AbortOnDropHandle::new(tokio::spawn(carried)),
            },
        );
        drop(going);
        Run::spawn(|events, wishes| follower.follow(events, wishes))
    }

    /// Follows a run that was left, to its end; one that ended within the last hour finishes at once, as often as it is
    /// asked for. Dropping this leaves the run alone; its [`RunControl`] ends the run, and leaves it once more.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `vm-not-found` if there is no such run of this process, and no result of it is kept; what it failed with.
    pub fn follow(&self, vm_id: &VmId) -> Result<Run<VmRun>> {
        let follower = self.0.going().get(vm_id).map(|run| Follower {
            so_far: run.so_far.clone(),
            control: run.control.clone(),
            heard: run.news.subscribe(),
            ended: run.end.clone(),
            owned: None,
        });
        if let Some(follower) = follower {
            return Ok(Run::spawn(|events, wishes| follower.follow(events, wishes)));
        }
        let exec = VmRun::Ended(Box::new(self.0.kept.read(*vm_id)?));
        Ok(Run::spawn(|_, _| async move { Ok(exec) }))
    }

    /// What a run has come to until now.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub fn state(&self, vm_id: &VmId) -> Result<VmRun> {
        let found = self.0.going().get(vm_id).map(|run| {
            let end = run.end.borrow().clone();
            (end, run.so_far.clone())
        });
        match found {
            Some((None, so_far)) => Ok(VmRun::Running(Box::new(so_far.to_object()))),
            Some((Some(end), _)) => outcome(end),
            None => Ok(VmRun::Ended(Box::new(self.0.kept.read(*vm_id)?))),
        }
    }

    /// Ends a run that goes on, and returns once its VM is gone; `None` if there is no such run of this process, or it has
    /// ended. What it printed until then is kept.
    pub async fn delete(&self, vm_id: &VmId) -> Option<VmDeletion> {
        let (control, mut end) = {
            let going = self.0.going();
            let run = going.get(vm_id).filter(|run| run.ended_at.is_none())?;
            (run.control.clone(), run.end.clone())
        };
        control.cancel();
        // However it ends, and if it does not tell: it has ended.
        let _told = end_of(&mut end).await;
        Some(VmDeletion {
            vm_id: *vm_id,
            deleted: true,
            reason: CleanupReason::ExplicitDelete,
        })
    }

    /// Keeps what the command of a VM that was made ahead of it came to, like that of a run.
    ///
    /// # Errors
    /// `host-io` if the state directory takes no more.
    pub fn keep(&self, exec: &VmExec) -> Result<()> {
        Ok(self.0.kept.keep(exec)?)
    }

    /// Cancels every run, and returns once all have ended; those that have not within `grace` are ended by force, with
    /// their VMs.
    pub async fn close(&self, grace: Duration) {
        let ends: Vec<_> = {
            let going = self.0.going();
            let running = going.values().filter(|run| run.ended_at.is_none());
            running
                .map(|run| {
                    run.control.cancel();
                    run.end.clone()
                })
                .collect()
        };
        let all = async {
            for mut end in ends {
                // One that will never tell has ended too.
                let _told = end.wait_for(Option::is_some).await;
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::debug!("runs were ended by force");
        }
        let gone = std::mem::take(&mut *self.0.going());
        drop(gone);
    }
}

impl Inner {
    fn going(&self) -> MutexGuard<'_, BTreeMap<VmId, Going>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn outcome(end: End) -> Result<VmRun> {
    match end {
        Ok(exec) => Ok(VmRun::Ended(Box::new(Arc::unwrap_or_clone(exec)))),
        Err(error) => Err(Failure(error).into()),
    }
}

/// Carries a run to its end, with or without anyone who follows it, and keeps what it came to.
async fn carry(
    runs: Weak<Inner>,
    mut run: Run,
    so_far: SoFar,
    news: broadcast::Sender<RunEvent>,
    end: watch::Sender<Option<End>>,
) {
    while let Some(event) = run.next_event().await {
        if let RunEvent::Phase(phase) = &event {
            so_far.enter(*phase);
        }
        let _nobody_follows = news.send(event);
    }
    let result = run.finish().await;
    let Some(runs) = runs.upgrade() else { return };
    let vm_id = so_far.vm_id();
    let mut is_kept = false;
    if let Ok(exec) = &result {
        match runs.kept.keep(exec) {
            Ok(()) => is_kept = true,
            Err(error) => tracing::warn!(%vm_id, %error, "a result is in memory only"),
        }
    }
    let failed = result.is_err();
    // From here on nothing waits: taking the entry away ends this task.
    let mut going = runs.going();
    end.send_replace(Some(result.map(Arc::new).map_err(Arc::new)));
    if let Some(run) = going.get_mut(&vm_id) {
        run.ended_at = Some(Instant::now());
        if is_kept || (failed && !run.is_left) {
            going.remove(&vm_id);
        }
    }
}

/// Waits for what a run comes to.
async fn end_of(ended: &mut watch::Receiver<Option<End>>) -> Result<End, Abandoned> {
    let end = ended.wait_for(Option::is_some).await;
    end.ok().and_then(|end| end.clone()).ok_or(Abandoned)
}

/// Somebody who follows a run.
struct Follower {
    so_far: SoFar,
    control: RunControl,
    heard: broadcast::Receiver<RunEvent>,
    ended: watch::Receiver<Option<End>>,
    /// Whether the run ends with this follower.
    owned: Option<Owned>,
}

/// The run of a follower that has not left it.
struct Owned {
    runs: Weak<Inner>,
    vm_id: VmId,
}

impl Owned {
    /// The run goes on without it.
    fn leave(mut self) {
        if let Some(runs) = std::mem::take(&mut self.runs).upgrade()
            && let Some(run) = runs.going().get_mut(&self.vm_id)
        {
            run.is_left = true;
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(runs) = self.runs.upgrade() {
            // One that ended is not this follower's any more.
            let goes_on = |run: &Going| run.ended_at.is_none();
            let mut going = runs.going();
            let gone = going.get(&self.vm_id).is_some_and(goes_on);
            let gone = gone.then(|| going.remove(&self.vm_id));
            drop(going);
            drop(gone);
        }
    }
}

impl Follower {
    /// Follows to the run's end, or until it is left.
    async fn follow(mut self, events: mpsc::Sender<RunEvent>, wishes: Wishes) -> Result<VmRun> {
        let Wishes {
            mut wish,
            mut leave,
            mut cuts,
        } = wishes;
        let mut known = Wish::GoOn;
        let mut is_heard = true;
        // A phase that is still to be told.
        let mut owed = None;
        loop {
            tokio::select! {
                // What happened before the end is told before it.
                biased;
                heard = self.heard.recv(), if is_heard => match heard {
                    // Other events that are not taken in time are lost.
                    Ok(event) => {
                        if let Err(TrySendError::Full(event @ RunEvent::Phase(_))) = events.try_send(event) {
                            owed = Some(event);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => is_heard = false,
                },
                permit = events.reserve(), if owed.is_some() => {
                    if let (Ok(permit), Some(event)) = (permit, owed.take()) {
                        permit.send(event);
                    }
                }
                end = end_of(&mut self.ended) => return outcome(end?),
                wished = wish.more_urgent_than(known) => {
                    known = wished;
                    match wished {
                        Wish::GoOn => {}
                        Wish::Interrupt(end) => {
                            self.control.interrupt(end.saturating_duration_since(Instant::now()));
                        }
                        Wish::Cancel => self.control.cancel(),
                    }
                }
                () = leave.asked() => {
                    if let Some(owned) = self.owned.take() {
                        owned.leave();
                    }
                    return Ok(VmRun::Running(Box::new(self.so_far.to_object())));
                }
                () = cuts.next() => self.control.cut_connection(),
            }
        }
    }
}
