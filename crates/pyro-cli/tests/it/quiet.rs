//! What must not happen: runtimes, threads, network and directories where none are needed.

use std::process::Stdio;

use crate::harness::Home;

/// The system calls that would betray a runtime, another thread or the network.
const BETRAYING: &str = "trace=clone,clone3,epoll_create1,socket,mkdir,mkdirat,eventfd2";

#[test]
fn help_version_and_mistakes_start_nothing() {
    let home = Home::new();
    let found = std::process::Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    if found.is_err() {
        println!("strace is not installed: only the directories are checked");
    }
    for words in [
        &["--version"][..],
        &["run", "--help"],
        &["rnu"],
        &["run", "--mem-mib", "1", "--", "x"],
    ] {
        home.pyro(words);
        assert!(home.entries().is_empty(), "{words:?} left {:?}", home.entries());
        if found.is_err() {
            continue;
        }
        let output = std::process::Command::new("strace")
            .args(["-f", "-qq", "-e", BETRAYING, "-e", "signal=none"])
            .arg(env!("CARGO_BIN_EXE_pyro"))
            .args(words)
            .env("HOME", home.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        for call in ["clone", "epoll_create1(", "socket(", "mkdir"] {
            assert!(!told.contains(call), "{words:?}: {told}");
        }
    }
}
