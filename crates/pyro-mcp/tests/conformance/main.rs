//! The official conformance suite against pyro's own HTTP stack with the tools, resources and prompts that the suite asks
//! a server to have: the transport, its checks, the handler and rmcp's plumbing are pyro's, the tables are the suite's.
//!
//! `cargo xtask test` runs it. It takes from the environment: `PYRO_TEST_NODE_DIR`, a directory with the npm packages of the
//! suite and node. It needs no VM.

#![expect(clippy::unwrap_used, reason = "a step that fails fails its test")]

mod fixtures;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pyro::{Pyro, Settings};
use pyro_mcp::{HttpOptions, HttpServer, Profile, ServerOptions, Token};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use fixtures::Fixtures;

#[tokio::test(flavor = "multi_thread")]
async fn every_required_scenario_passes_but_for_what_pyro_does_not_do() {
    let packages = std::env::var_os("PYRO_TEST_NODE_DIR");
    let packages = PathBuf::from(packages.expect("PYRO_TEST_NODE_DIR is set by `cargo xtask test`"));
    let home = tempfile::tempdir().unwrap();
    let pyro = Pyro::open(Settings::new(home.path().join("home"), home.path().join("cache")));
    let token_file = pyro.token_file().unwrap();
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let http = HttpOptions::new(address, Token::read(&token_file).unwrap());
    let options = ServerOptions::new(Profile::WorkspaceCore);
    let server = HttpServer::bind_within(pyro, options, http, Fixtures::around)
        .await
        .unwrap();
    let url = server.url();
    let stop = CancellationToken::new();
    let served = tokio::spawn(server.serve(stop.clone().cancelled_owned()));

    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let output = Command::new(packages.join("node_modules/.bin/node"))
        .arg(scripts.join("conformance_required.mjs"))
        .arg(&packages)
        .arg(url)
        .arg(std::fs::read_to_string(&token_file).unwrap().trim())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    stop.cancel();
    served.await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    println!("{told}");
    assert!(output.status.success(), "{told}\n{complained}");
    assert!(told.contains("ok: 67 required scenarios ran"), "{told}");
}
