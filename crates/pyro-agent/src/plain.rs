//! A conversation in plain frames: one command for a machine that was just started, and nothing beside it.
//!
//! Of a short command in a machine that was just restored, HTTP/2 would be a large part: an emulator has to translate
//! every piece of code that runs for the first time.

use std::rc::Rc;

use pyro_proto::frame::Decoder;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{FaultKind, HostMessage};
use tokio::io::AsyncReadExt;

use crate::agent::Agent;
use crate::call::{self, Asks, CallError, Reply};
use crate::wire::Wire;
use crate::{exec, identity};

/// Answers what the host sends, to the end of its command or of the wire.
pub(crate) async fn answer(wire: &mut Wire, agent: &Rc<Agent>) {
    let outcome = Box::pin(serve(wire, agent)).await;
    call::tell_refusal(outcome, &mut Reply::Plain(wire)).await;
}

async fn serve(wire: &mut Wire, agent: &Rc<Agent>) -> Result<(), CallError> {
    let mut decoder = Decoder::default();
    let mut ask = next(wire, &mut decoder).await?;
    if let Ask::Configure(configure) = ask {
        let configured = identity::apply(configure, agent).await;
        configured.map_err(|fault| call::fault(FaultKind::Unconfigured, fault.message))?;
        ask = next(wire, &mut decoder).await?;
    }
    exec::answer(&mut Asks::Sole(Some(ask)), &mut Reply::Plain(wire), agent).await
}

async fn next(wire: &mut Wire, decoder: &mut Decoder) -> Result<Ask, CallError> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = decoder.next::<HostMessage>()? {
            // A message of an unknown kind, from a newer host, is passed over.
            let Some(ask) = message.body else { continue };
            return Ok(ask);
        }
        match wire.read(&mut buffer).await {
            Ok(0) | Err(_) => return Err(call::broken_off()),
            Ok(count) => decoder.push(&buffer[..count]),
        }
    }
}
