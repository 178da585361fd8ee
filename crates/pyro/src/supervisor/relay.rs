//! A call of a client to the agent, whose frames the supervisor passes on unread, both ways.

use std::io;
use std::rc::Rc;

use pyro_proto::message::Verb;
use tokio::net::UnixStream;

use super::Supervisor;
use super::api::Answer;
use super::wire::{self, Frame};
use crate::error::Result;
use crate::guest::{CallReceiver, CallSender, GuestError, ask_once, over_socket};
use crate::vm::FollowedVm as _;

/// What clients may ask of the agent by themselves: whatever is about files.
const RELAYED: [Verb; 6] = [
    Verb::ListFiles,
    Verb::ReadFile,
    Verb::WriteFile,
    Verb::Changes,
    Verb::Export,
    Verb::Put,
];

/// Opens a call to the agent and passes its frames on until it is over.
pub(super) async fn serve(supervisor: &Rc<Supervisor>, verb: &str, mut stream: UnixStream) -> io::Result<()> {
    let _busy = supervisor.activity.begin();
    let Some(verb) = RELAYED.into_iter().find(|relayed| relayed.name() == verb) else {
        return super::fail(&mut stream, &super::OtherVersion { id: supervisor.id }.into()).await;
    };
    let (to_agent, from_agent) = match supervisor.open_call(verb).await {
        Ok(call) => call,
        Err(error) => return super::fail(&mut stream, &error).await,
    };
    wire::send(&mut stream, &Frame::json(&Answer::Done)).await?;
    let (to_client, from_client) = over_socket(stream);
    let asks = Box::pin(ask_on(from_client, to_agent));
    let answers = Box::pin(pass_on(from_agent, to_client));
    let passed = tokio::select! {
        // Whatever the client still has to say, the agent does not hear it.
        answered = answers => answered,
        gone = asks => Err(gone),
    };
    // What it was refused may have this cause.
    supervisor.watch_host_disk();
    passed.map_err(io::Error::other)
}

impl Supervisor {
    /// Has the agent answer. Both ways all is said at once, as far as the guest is concerned: each time that it has something
    /// to read, an emulated one takes a good part of what the whole request does.
    ///
    /// # Errors
    /// `busy`, `guest-lost`, and what an agent refuses with.
    pub(super) async fn ping_guest(&self) -> Result<()> {
        let _busy = self.activity.begin();
        let call = self.open_call(Verb::Ping).await?;
        Ok(ask_once(call, Verb::Ping, None).await?)
    }

    /// Opens a call, by another connection if the one there is is found broken: nothing was said on it yet.
    async fn open_call(&self, verb: Verb) -> Result<(CallSender, CallReceiver)> {
        let mut vm = self.share_to_use()?;
        let caller = vm.caller().await?;
        match caller.open_call(verb).await {
            Err(error) if error.is_broken_stream() => {
                let caller = vm.caller_after(Some(&caller)).await?;
                Ok(caller.open_call(verb).await?)
            }
            opened => Ok(opened?),
        }
    }
}

/// Passes frames on to their end, as fast as they are taken.
async fn pass_on(mut from: CallReceiver, mut to: CallSender) -> Result<(), GuestError> {
    while let Some(frames) = from.next_frames().await? {
        to.send_frames(frames).await?;
    }
    to.finish()
}

/// Passes on what is asked, for as long as the agent takes it. Ends only if the client goes away: an agent that takes no
/// more has said why, and the answers end the call.
async fn ask_on(mut from_client: CallReceiver, mut to_agent: CallSender) -> GuestError {
    loop {
        match from_client.next_frames().await {
            Ok(Some(frames)) => {
                if to_agent.send_frames(frames).await.is_err() {
                    break;
                }
            }
            Ok(None) => {
                // A connection that broke is seen by whoever hears the answers.
                let _broken = to_agent.finish();
                break;
            }
            Err(gone) => return gone,
        }
    }
    // The stream is not to be reset before the answers are heard.
    let _to_agent = to_agent;
    std::future::pending().await
}
