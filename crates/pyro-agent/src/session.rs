//! One conversation with the host: the handshake, then HTTP/2 or plain frames until the stream breaks.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use pyro_proto::handshake::{self, AgentHello, HelloReader, HostHello};
use pyro_proto::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, STREAM_WINDOW_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::agent::Agent;
use crate::call;
use crate::plain;
use crate::wire::Wire;

/// The largest window that HTTP/2 knows: one stream that nobody reads never blocks another.
const CONNECTION_WINDOW_BYTES: u32 = i32::MAX.unsigned_abs();

const CALLS_AT_ONCE: u32 = 256;

/// Larger than the default, as each frame costs a turn of the port's queue.
const FRAME_BYTES: u32 = 64 * 1024;

/// How long the last answer may take to leave before the machine ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What follows a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequel {
    /// Another one.
    NextConversation,
    /// The end of the machine.
    End,
}

/// How a wire tells that the host is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// It stays, and carries bytes again when the host is back.
    Port,
    /// It ends.
    Connection,
}

/// Holds one conversation from hello to end.
///
/// # Errors
/// When the wire itself fails; whatever the host does is no error.
pub(crate) async fn serve(wire: &mut Wire, medium: Medium, agent: &Rc<Agent>) -> io::Result<Sequel> {
    wire.end_conversation();
    if !shake_hands(wire, medium, agent).await? {
        return Ok(Sequel::NextConversation);
    }
    if begins_with_preface(wire).await {
        return Ok(answer_calls(wire, agent).await);
    }
    plain::answer(wire, agent).await;
    Ok(Sequel::NextConversation)
}

/// Whether HTTP/2 follows the handshake (RFC 9113, section 3.4), and not plain frames, which begin with a zero.
async fn begins_with_preface(wire: &mut Wire) -> bool {
    let mut buffer = [0; 4096];
    // What fails here fails again when it is read, and there it is dealt with.
    let count = wire.read(&mut buffer).await.unwrap_or(0);
    wire.push_back(buffer[..count].into());
    buffer[0] == b'P'
}

/// Answers hellos until host and agent agree on a version; false if the wire ended before.
async fn shake_hands(wire: &mut Wire, medium: Medium, agent: &Agent) -> io::Result<bool> {
    let mut reader = HelloReader::default();
    let mut buffer = [0_u8; 4096];
    loop {
        let hello = loop {
            match reader.next::<HostHello>() {
                Ok(Some(hello)) => break hello,
                Ok(None) => {}
                Err(_) => reader = HelloReader::default(),
            }
            match (wire.read(&mut buffer).await, medium) {
                // A restored machine finds that it was reset.
                (Ok(0) | Err(_), Medium::Connection) => return Ok(false),
                (Err(error), Medium::Port) => return Err(error),
                (Ok(0), Medium::Port) => {
                    reader = HelloReader::default();
                    wire.changed().await?;
                }
                (Ok(count), _) => reader.push(&buffer[..count]),
            }
        };
        let greeting = handshake::encode(&hello);
        let answer = answer_to(hello, agent);
        wire.write_all(&handshake::encode(&answer)).await?;
        if answer.version != 0 {
            wire.push_back(reader.into_rest());
            wire.begin_conversation(greeting);
            return Ok(true);
        }
    }
}

fn answer_to(hello: HostHello, agent: &Agent) -> AgentHello {
    let ours = (OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION);
    let theirs = (hello.oldest_version, hello.newest_version);
    AgentHello {
        session: hello.session,
        boot_nonce: agent.nonce.borrow().clone(),
        version: handshake::common_version(ours, theirs).unwrap_or(0),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel_release: rustix::system::uname().release().to_string_lossy().into_owned(),
        setup_failure: agent.machine.as_ref().err().cloned(),
        ready_after_us: agent.ready_after_us(),
    }
}

async fn answer_calls(wire: &mut Wire, agent: &Rc<Agent>) -> Sequel {
    let connection = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(CALLS_AT_ONCE)
        .max_frame_size(FRAME_BYTES)
        .handshake::<_, Bytes>(wire)
        .await;
    let Ok(mut connection) = connection else {
        return Sequel::NextConversation;
    };
    let mut calls = JoinSet::new();
    let mut is_off = agent.is_off.subscribe();
    loop {
        tokio::select! {
            call = connection.accept() => match call {
                Some(Ok((request, respond))) => {
                    calls.spawn_local(call::answer(request, respond, Rc::clone(agent)));
                }
                // The host may hang up in the very moment in which it has its answer.
                Some(Err(_)) | None if *agent.is_off.borrow() => return Sequel::End,
                Some(Err(_)) | None => return Sequel::NextConversation,
            },
            Some(_) = calls.join_next(), if !calls.is_empty() => {}
            _ = is_off.wait_for(|is_off| *is_off) => break,
        }
    }
    connection.graceful_shutdown();
    // A broken connection fails again each time it is asked, so the first failure is its end.
    let farewell = async { while let Some(Ok(_)) = connection.accept().await {} };
    // The machine ends in any case; the host may have closed already.
    drop(tokio::time::timeout(FAREWELL, farewell).await);
    Sequel::End
}
