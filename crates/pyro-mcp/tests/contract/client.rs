//! A client on a pair of pipes in memory.

use std::path::Path;
use std::time::Duration;

use pyro::{Pyro, Settings};
use pyro_mcp::{Profile, Server, ServerOptions, Structured, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_secs(5);

pub(crate) struct Client {
    pub(crate) input: WriteHalf<DuplexStream>,
    pub(crate) output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<()>,
}

impl Client {
    pub(crate) fn connect(options: ServerOptions) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (input, output) = (tokio::io::split(far), tokio::io::split(near));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = Server::new(Pyro::open(Settings::new("/nonexistent", "/nonexistent")), options);
        let served = tokio::spawn(async move {
            serve(server, input.0, input.1, stopped).await.unwrap();
        });
        Self {
            input: output.1,
            output: BufReader::new(output.0).lines(),
            stop,
            served,
        }
    }

    pub(crate) async fn open(options: ServerOptions, revision: &str) -> (Self, Value) {
        let mut client = Self::connect(options);
        let result = client.initialize(revision).await;
        (client, result)
    }

    pub(crate) async fn initialize(&mut self, revision: &str) -> Value {
        let params = json!({
            "protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"},
        });
        let result = self.ask("initialize", params).await["result"].clone();
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        result
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string()).await;
    }

    pub(crate) async fn send_line(&mut self, line: &str) {
        self.input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Value {
        let line = timeout(SOON, self.output.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line.expect("the server has closed its output")).unwrap()
    }

    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params}))
            .await;
        let answer = self.receive().await;
        assert_eq!(answer["id"], method, "{answer}");
        answer
    }

    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }
}

pub(crate) fn vm_run() -> ServerOptions {
    ServerOptions::new(Profile::VmRun)
}

pub(crate) fn all() -> ServerOptions {
    let mut options = vm_run();
    options.structured = Structured::All;
    options
}

pub(crate) fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    });
    params
}

pub(crate) fn core(directories: &[&Path]) -> ServerOptions {
    let mut options = ServerOptions::new(Profile::WorkspaceCore);
    options.allow_host_paths = directories.iter().map(|path| path.to_path_buf()).collect();
    options
}

pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}
