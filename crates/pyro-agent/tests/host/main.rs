//! The agent on a host without guests: each test starts the built program as the product does, and holds it to claims,
//! as whoever runs the test and, where that is root, as an ordinary user too.

#![forbid(unsafe_code)]
#![expect(clippy::panic, reason = "a claim that does not hold fails its test")]

mod agent;
#[path = "../shared/calls.rs"]
mod calls;
mod commands;
#[path = "../shared/differences.rs"]
mod differences;
#[path = "../shared/entries.rs"]
mod entries;
mod files;
#[expect(dead_code, reason = "the tests in VMs need all of it")]
#[path = "../shared/host.rs"]
mod host;
mod processes;
#[path = "../shared/tree.rs"]
mod tree;

use agent::{Agent, Caller, callers};
use host::Failure;

/// Holds an agent of each caller to a claim.
fn hold<F: Future<Output = Result<(), Failure>>>(
    start: impl Fn(Caller) -> Result<Agent, Failure>,
    claim: impl Fn(Agent) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    for caller in callers() {
        let outcome = start(caller).and_then(|agent| runtime.block_on(claim(agent)));
        outcome.unwrap_or_else(|error| panic!("as {caller:?}: {error}"));
    }
}
