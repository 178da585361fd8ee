//! What a command is followed by: a call with two directions, or one that only listens.

use pyro_proto::message::agent_message::Body;

use crate::guest::{CallReceiver, CallSender, GuestError, SoleCall};

/// A call under way.
pub(super) enum Talk {
    /// Over HTTP/2.
    Both(CallSender, CallReceiver),
    /// In plain frames, alone on its byte stream.
    Sole(SoleCall),
}

/// The direction from the agent.
pub(super) enum Listener<'a> {
    Both(&'a mut CallReceiver),
    Sole(&'a mut SoleCall),
}

impl From<(CallSender, CallReceiver)> for Talk {
    fn from((sender, receiver): (CallSender, CallReceiver)) -> Self {
        Self::Both(sender, receiver)
    }
}

impl Talk {
    /// Both directions, of which the one to the agent may be missing.
    pub(super) fn sides(&mut self) -> (Option<&mut CallSender>, Listener<'_>) {
        match self {
            Self::Both(sender, receiver) => (Some(sender), Listener::Both(receiver)),
            Self::Sole(call) => (None, Listener::Sole(call)),
        }
    }
}

impl Listener<'_> {
    /// Waits for the next message; `None` if the call is over before the command is. Nothing is lost when the future is
    /// dropped.
    ///
    /// # Errors
    /// [`GuestError`] if the connection broke, or the agent sent what is no message.
    pub(super) async fn next(&mut self) -> Result<Option<Body>, GuestError> {
        match self {
            Self::Both(receiver) => receiver.next().await,
            Self::Sole(call) => call.next().await,
        }
    }
}
