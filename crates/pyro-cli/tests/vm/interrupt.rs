//! Ctrl-C, TERM and KILL: the command hears of it, and no VM is left.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::process::all_gone;
use crate::support::{GONE_WITHIN, Home};

/// Says what it hears and goes on; TERM says how long after the first INT it came.
const STUBBORN: &str = "trap 'SECONDS=0; echo INT' INT; trap 'echo TERM after $SECONDS; exit 9' TERM
    echo ready; while :; do sleep 0.1; done";

#[test]
fn a_command_hears_the_first_interrupt_and_may_end_in_order() {
    let home = Home::new();
    let script = "trap 'echo INT; exit 3' INT; echo ready; while :; do sleep 1; done";
    let mut running = home.start(&[], &["bash", "-c", script]);
    running.wait_for("ready");
    running.signal(Signal::INT);
    let ended = running.finish();
    // It ended by itself, so the status is its own.
    assert_eq!((ended.status, ended.text()), (3, "INT\n"), "{}", ended.stderr);
    home.assert_nothing_reserved();
}

#[test]
fn an_interrupt_that_is_not_heeded_ends_the_command_later() {
    let home = Home::new();
    let mut running = home.start(&[], &["bash", "-c", STUBBORN]);
    running.wait_for("ready");
    let vm = running.descendants();
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    let told: Vec<&str> = ended.text().lines().collect();
    let [int, term] = told[..] else { panic!("{told:?}") };
    assert_eq!(int, "INT");
    let waited: u32 = term.strip_prefix("TERM after ").unwrap().parse().unwrap();
    assert!(waited >= 4, "the command had {waited} s");
    assert!(all_gone(&vm, Duration::ZERO), "pyro left before its VM");
}

#[test]
fn a_second_interrupt_ends_the_command_at_once() {
    let home = Home::new();
    let mut running = home.start(&[], &["bash", "-c", STUBBORN]);
    running.wait_for("ready");
    running.signal(Signal::INT);
    running.wait_for("INT");
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    let term = ended
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("TERM after "));
    // Without the second one it would come after 5 s.
    if let Some(waited) = term {
        assert!(waited.parse::<u32>().unwrap() < 5, "{}", ended.text());
    }
    home.assert_nothing_reserved();
}

#[test]
fn a_program_gets_an_object_for_a_command_that_was_interrupted() {
    let home = Home::new();
    let mut running = home.start(&["--json", "-i"], &["cat; trap '' INT TERM; exec sleep 1000"]);
    // Once the input is taken and ended, the command ignores what it is told.
    drop(running.stdin());
    let deadline = Instant::now() + Duration::from_secs(60);
    while running.descendants().is_empty() {
        assert!(Instant::now() < deadline, "no VM was started");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(Signal::TERM);
    let ended = running.finish();
    let told = ended.json();
    assert_eq!(ended.status, 130);
    // Before the command ran this is a failure, and after it a result.
    if told["ok"] == false {
        assert_eq!(told["error"]["code"], "cancelled", "{told:#}");
        assert!(told["error"]["hint"].is_string(), "{told:#}");
    } else {
        assert_eq!(
            (&told["outcome"], &told["exit_code"]),
            (&"cancelled".into(), &130.into())
        );
        assert_eq!(told["cancelled"], true);
    }
    home.assert_nothing_reserved();
}

#[test]
fn terminating_pyro_ends_the_command_and_shows_its_last_words() {
    let home = Home::new();
    let mut running = home.start(
        &["--json", "-i"],
        &[
            "bash",
            "-c",
            "read line; trap 'echo bye; exit' TERM; sleep 1000 & wait",
        ],
    );
    let mut stdin = running.stdin();
    std::io::Write::write_all(&mut stdin, b"go\n").unwrap();
    drop(stdin);
    let vm = wait_for_vm(&running);
    // The VM boots for longer than this; a TERM during boot is the test above.
    running.signal(Signal::TERM);
    let ended = running.finish();
    assert_eq!(ended.status, 130, "{}", ended.text());
    assert!(all_gone(&vm, Duration::ZERO), "pyro left before its VM");
    assert_ne!(ended.json(), Value::Null);
}

fn wait_for_vm(running: &crate::support::Running) -> Vec<crate::process::Watched> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        // Nothing tells when a process of another makes one.
        let vm = running.descendants();
        if vm.iter().any(|process| process.name().starts_with("qemu")) {
            return vm;
        }
        assert!(Instant::now() < deadline, "no VM was started");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_vm_dies_with_a_pyro_that_is_killed() {
    let home = Home::new();
    let mut running = home.start(&[], &["echo ready; trap '' HUP INT TERM; sleep 1000"]);
    running.wait_for("ready");
    let vm = running.descendants();
    assert!(!vm.is_empty());
    running.kill();
    assert!(all_gone(&vm, GONE_WITHIN), "{vm:?}");
    // Its reservation is no obstacle, and is dropped by the next one.
    assert_eq!(home.run(&[], &["true"]).status, 0);
    home.assert_nothing_reserved();
}
