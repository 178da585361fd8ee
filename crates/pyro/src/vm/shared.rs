//! A VM that many tasks use at once: one of them keeps it, and the others ask that one.

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{FollowedVm, LiveVm, VmError};
use crate::guest::Caller;

/// How many questions may wait; each is answered before the next is taken.
const QUEUE: usize = 64;

/// A share of a VM. The VM lives until its [`Kept`] is gone.
#[derive(Debug, Clone)]
pub(crate) struct SharedVm {
    asks: mpsc::Sender<Ask>,
    ended: watch::Receiver<Option<String>>,
}

/// A VM that is kept for many. Dropping it kills the VM.
#[derive(Debug)]
pub(crate) struct Kept {
    share: SharedVm,
    keeper: AbortOnDropHandle<()>,
}

#[derive(Debug)]
enum Ask {
    Caller {
        broken: Option<Caller>,
        reply: oneshot::Sender<Result<Caller, VmError>>,
    },
    Lost {
        problem: String,
        reply: oneshot::Sender<VmError>,
    },
    Kill,
}

impl Kept {
    /// Takes a VM in. Must be called within a tokio runtime.
    pub(crate) fn new(vm: LiveVm) -> Self {
        let (asks, inbox) = mpsc::channel(QUEUE);
        let (end, ended) = watch::channel(None);
        let keeper = AbortOnDropHandle::new(tokio::spawn(keep(vm, inbox, end)));
        Self {
            share: SharedVm { asks, ended },
            keeper,
        }
    }

    /// A share for another task.
    pub(crate) fn share(&self) -> SharedVm {
        self.share.clone()
    }

    /// Kills the VM and waits until it is gone.
    pub(crate) async fn kill(self) {
        let _gone_already = self.share.asks.send(Ask::Kill).await;
        let _how_it_ended = self.keeper.await;
    }
}

async fn keep(mut vm: LiveVm, mut inbox: mpsc::Receiver<Ask>, end: watch::Sender<Option<String>>) {
    loop {
        let ask = tokio::select! {
            ask = inbox.recv() => ask,
            how = vm.ended(), if end.borrow().is_none() => {
                end.send_replace(Some(how));
                continue;
            }
        };
        // Whoever asked may have given up.
        match ask {
            Some(Ask::Caller { broken, reply }) => drop(reply.send(caller(&mut vm, broken).await)),
            Some(Ask::Lost { problem, reply }) => drop(reply.send(vm.lost(&problem).await)),
            Some(Ask::Kill) | None => return vm.kill().await,
        }
    }
}

/// One reconnection serves all who found the same connection broken.
async fn caller(vm: &mut LiveVm, broken: Option<Caller>) -> Result<Caller, VmError> {
    match vm.connect().await {
        Ok(caller) if !broken.is_some_and(|broken| broken.is_same(&caller)) => Ok(caller),
        Ok(_) | Err(_) => vm.reconnect().await,
    }
}

impl SharedVm {
    async fn ask_for_caller(&self, broken: Option<Caller>) -> Result<Caller, VmError> {
        let (reply, answer) = oneshot::channel();
        if self.asks.send(Ask::Caller { broken, reply }).await.is_err() {
            return Err(VmError::Ended);
        }
        answer.await.unwrap_or_else(|_| Err(VmError::Ended))
    }
}

impl FollowedVm for SharedVm {
    async fn caller(&mut self) -> Result<Caller, VmError> {
        self.ask_for_caller(None).await
    }

    async fn caller_after(&mut self, broken: Option<&Caller>) -> Result<Caller, VmError> {
        self.ask_for_caller(broken.cloned()).await
    }

    async fn ended(&mut self) -> String {
        match self.ended.wait_for(Option::is_some).await {
            Ok(how) => how.clone().unwrap_or_default(),
            Err(_) => "was ended".to_owned(),
        }
    }

    async fn lost(&mut self, problem: &str) -> VmError {
        let (reply, answer) = oneshot::channel();
        let problem = problem.to_owned();
        if self.asks.send(Ask::Lost { problem, reply }).await.is_err() {
            return VmError::Ended;
        }
        answer.await.unwrap_or_else(|_| VmError::Ended)
    }
}
