//! Ctrl-C, TERM and KILL: the command hears of it, and no VM is left.

#![expect(clippy::panic, reason = "a helper that fails must fail the test")]

use std::io::Write;
use std::time::Duration;

use rustix::process::Signal;

use crate::process::{Watched, all_gone};
use crate::support::{Home, Running, gone_within};
use crate::tier::Tier;

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
    // 5 s, less what a busy host takes to bring the first one.
    assert!(waited >= 2, "the command had {waited} s");
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
    // Without the second one it would come after 5 s.
    let waited = ended.text().trim_end().strip_prefix("TERM after ");
    assert!(waited.unwrap().parse::<u32>().unwrap() < 5, "{}", ended.text());
    home.assert_nothing_reserved();
}

#[test]
fn a_program_is_told_how_a_command_that_was_terminated_ended() {
    let home = Home::new();
    let script = "trap 'echo bye; exit 9' TERM; head -c 4000000 | wc -c; while :; do sleep 0.1; done";
    let mut running = home.start(&["--json", "-i"], &["bash", "-c", script]);
    // Far more than all that lies between here and there can hold, so the command runs once this is taken.
    running.stdin().write_all(&vec![b'x'; 4_000_000]).unwrap();
    let vm = running.descendants();
    running.signal(Signal::TERM);
    let ended = running.finish();
    let result = ended.json();
    assert_eq!(
        (ended.status, &result["exit_code"]),
        (130, &130.into()),
        "{result:#}"
    );
    assert_eq!(
        (&result["outcome"], &result["cancelled"]),
        (&"cancelled".into(), &true.into())
    );
    assert!(all_gone(&vm, Duration::ZERO), "pyro left before its VM");
    home.assert_nothing_reserved();
}

#[test]
fn a_run_that_is_terminated_while_its_vm_starts_is_cancelled() {
    let home = Home::new();
    let mut running = home.start(&["--json"], &["exec sleep 1000"]);
    let vm = wait_for_vm(&mut running);
    running.signal(Signal::TERM);
    let ended = running.finish();
    let told = ended.json();
    assert_eq!(ended.status, 130, "{told:#}");
    // On a fast host the command may run by now.
    if told["outcome"] != "cancelled" {
        assert_eq!(told["error"]["code"], "cancelled", "{told:#}");
        assert!(told["error"]["hint"].is_string(), "{told:#}");
    }
    assert!(all_gone(&vm, Duration::ZERO), "pyro left before its VM");
    home.assert_nothing_reserved();
}

#[test]
fn output_that_nobody_reads_does_not_hold_pyro_when_it_is_terminated() {
    let home = Home::new();
    let mut running = home.start(&[], &["echo ready; yes | head -c 120000"]);
    running.wait_for("ready");
    let vm = running.descendants();
    // The rest fits between here and there, so the VM is removed; its output stays unread.
    assert!(all_gone(&vm, Duration::from_secs(60)), "{vm:?}");
    running.signal(Signal::TERM);
    let status = running.wait_without_reading();
    assert_eq!(status, Some(130));
}

fn wait_for_vm(running: &mut Running) -> Vec<Watched> {
    while !running.has_ended() {
        // Nothing tells when another process makes one.
        let vm = running.descendants();
        if vm
            .iter()
            .any(|process| process.name().starts_with(Tier::wanted().vmm))
        {
            return vm;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("pyro ended without a VM");
}

#[test]
fn a_vm_dies_with_a_pyro_that_is_killed() {
    let home = Home::new();
    let mut running = home.start(&[], &["echo ready; trap '' HUP INT TERM; sleep 1000"]);
    running.wait_for("ready");
    let vm = running.descendants();
    assert!(!vm.is_empty());
    running.kill();
    assert!(all_gone(&vm, gone_within()), "{vm:?}");
    // Its reservation is no obstacle, and is dropped by the next one.
    assert_eq!(home.run(&[], &["true"]).status, 0);
    home.assert_nothing_reserved();
}
