//! The QEMU Machine Protocol, as much of it as pyro uses.
//!
//! <https://www.qemu.org/docs/master/interop/qmp-spec.html>: one JSON object a line. The greeting comes by itself; the
//! first command must be `qmp_capabilities`. Nothing here is on the way to a started machine.

use std::os::fd::{AsFd, OwnedFd, RawFd};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Interest};
use tokio::net::UnixStream;

use super::super::{VmmError, pair, passing};
use super::arguments;

/// The longest line that is read from QEMU, in bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// The name under which QEMU keeps a passed descriptor for a moment.
const PASSED: &str = "passed";

/// A connection to QEMU's monitor.
#[derive(Debug)]
pub(crate) struct Qmp {
    stream: BufReader<UnixStream>,
    greeting: Option<Value>,
    ready: bool,
    last_id: u64,
    /// How far the saving of the machine has come, as QEMU told last.
    migration: Option<String>,
}

impl Qmp {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream: BufReader::new(stream),
            greeting: None,
            ready: false,
            last_id: 0,
            migration: None,
        }
    }

    /// QEMU's version, such as `7.2.22`.
    pub(crate) async fn version(&mut self) -> Option<String> {
        let greeting = self.greeting().await.ok()?;
        let part = |name| {
            greeting
                .pointer(&format!("/QMP/version/qemu/{name}"))
                .and_then(Value::as_u64)
        };
        Some(format!(
            "{}.{}.{}",
            part("major")?,
            part("minor")?,
            part("micro")?
        ))
    }

    /// Gives the agent's port a new byte stream in place of the old one.
    ///
    /// # Errors
    /// [`VmmError`] if QEMU is gone or refuses.
    pub(crate) async fn replace_channel(&mut self) -> Result<UnixStream, VmmError> {
        let (ours, theirs) = pair()?;
        self.execute("getfd", &json!({"fdname": PASSED}), Some(theirs))
            .await?;
        let address = json!({"type": "fd", "data": {"str": PASSED}});
        let backend = json!({"type": "socket", "data": {"addr": address, "server": false}});
        self.execute(
            "chardev-change",
            &json!({"id": arguments::CHANNEL, "backend": backend}),
            None,
        )
        .await?;
        Ok(ours)
    }

    /// Asks QEMU, which may not even run yet, to restore the guest from its descriptor `devices` and to let it run. If that
    /// fails, QEMU ends.
    ///
    /// # Errors
    /// [`VmmError`] if the monitor's stream is closed.
    pub(super) async fn restore(&mut self, devices: RawFd) -> Result<(), VmmError> {
        let uri = format!("fd:{devices}");
        let lines = [
            self.line("qmp_capabilities", &json!({})),
            self.line("migrate-set-capabilities", &migration_capabilities()),
            self.line("migrate-incoming", &json!({"uri": uri})),
        ];
        self.ready = true;
        // QEMU answers when it comes to it; whoever asks for something else passes those answers over.
        self.write(lines.concat().as_bytes(), None).await
    }

    /// Pauses the guest and writes the state of its devices to `devices`.
    ///
    /// # Errors
    /// [`VmmError`] if QEMU is gone or refuses.
    pub(crate) async fn save(&mut self, devices: OwnedFd) -> Result<(), VmmError> {
        self.execute("migrate-set-capabilities", &migration_capabilities(), None)
            .await?;
        self.execute("getfd", &json!({"fdname": PASSED}), Some(devices))
            .await?;
        self.execute("migrate", &json!({"uri": format!("fd:{PASSED}")}), None)
            .await?;
        // The event may come before the answer to the command.
        loop {
            match self.migration.as_deref() {
                Some("completed") => return Ok(()),
                Some(status @ ("failed" | "cancelled")) => {
                    return Err(VmmError::Refused {
                        request: "migrate",
                        answer: status.to_owned(),
                    });
                }
                _ => drop(self.read().await?),
            }
        }
    }

    /// What QEMU says before anything else; whatever comes after it meanwhile is of no interest.
    async fn greeting(&mut self) -> Result<&Value, VmmError> {
        while self.greeting.is_none() {
            self.read().await?;
        }
        Ok(self.greeting.as_ref().expect("it was just read"))
    }

    async fn execute(
        &mut self,
        command: &'static str,
        arguments: &Value,
        descriptor: Option<OwnedFd>,
    ) -> Result<Value, VmmError> {
        if !self.ready {
            self.exchange("qmp_capabilities", &json!({}), None).await?;
            self.ready = true;
        }
        self.exchange(command, arguments, descriptor).await
    }

    async fn exchange(
        &mut self,
        command: &'static str,
        arguments: &Value,
        descriptor: Option<OwnedFd>,
    ) -> Result<Value, VmmError> {
        let line = self.line(command, arguments);
        let id = self.last_id;
        self.write(line.as_bytes(), descriptor).await?;
        loop {
            let mut answer = self.read().await?;
            // An event, or an answer to something else.
            if answer["id"] != id {
                continue;
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let answer = error
                    .get("desc")
                    .and_then(Value::as_str)
                    .unwrap_or("no reason given");
                return Err(VmmError::Refused {
                    request: command,
                    answer: answer.to_owned(),
                });
            }
        }
    }

    fn note(&mut self, message: &Value) {
        if message.get("QMP").is_some() {
            self.greeting = Some(message.clone());
        }
        if message["event"] == "MIGRATION" {
            let status = message.pointer("/data/status").and_then(Value::as_str);
            self.migration = status.map(str::to_owned);
        }
    }

    /// A command as it is sent; its answer carries `last_id`.
    fn line(&mut self, command: &str, arguments: &Value) -> String {
        self.last_id += 1;
        let id = self.last_id;
        format!(
            "{}\n",
            json!({"execute": command, "arguments": arguments, "id": id})
        )
    }

    async fn write(&mut self, mut bytes: &[u8], mut descriptor: Option<OwnedFd>) -> Result<(), VmmError> {
        let stream = self.stream.get_ref();
        while !bytes.is_empty() {
            stream.writable().await.map_err(VmmError::Channel)?;
            let sent = stream.try_io(Interest::WRITABLE, || {
                passing::send(stream, bytes, descriptor.as_ref().map(AsFd::as_fd).as_slice())
            });
            match sent {
                Ok(count) => {
                    bytes = &bytes[count..];
                    // It went with the first byte; QEMU has its own copy.
                    descriptor = None;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(VmmError::Channel(error)),
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Value, VmmError> {
        let mut line = Vec::new();
        loop {
            let available = self.stream.fill_buf().await.map_err(VmmError::Channel)?;
            if available.is_empty() {
                return Err(VmmError::Channel(std::io::ErrorKind::UnexpectedEof.into()));
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            line.extend_from_slice(&available[..taken]);
            self.stream.consume(taken);
            if end.is_some() || line.len() > MAX_LINE_BYTES {
                let message =
                    serde_json::from_slice(&line).map_err(|error| VmmError::Channel(error.into()))?;
                self.note(&message);
                return Ok(message);
            }
        }
    }
}

/// A guest's memory is in its file already, and no part of the saved state; how the saving goes on is told by events.
fn migration_capabilities() -> Value {
    let capabilities = ["events", "x-ignore-shared"].map(|name| json!({"capability": name, "state": true}));
    json!({"capabilities": capabilities})
}
