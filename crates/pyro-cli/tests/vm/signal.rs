//! Signals to a command of a workspace that runs.

use crate::workspace::Workspaces;

#[test]
fn a_signal_reaches_every_process_of_a_command_and_no_other() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let command = |words: &str| home.start(&["exec", &id, "--", words]);
    let mut deaf = command("trap 'echo heard' USR1; echo ready; while :; do sleep 0.1; done");
    deaf.wait_for("ready");
    let mut other = command("sleep 600 & echo ready; wait");
    other.wait_for("ready");

    let entry = home.ok(&["kill", &id, "1", "--signal", "SIGUSR1"]);
    assert_eq!(
        (&entry["sequence"], &entry["outcome"]),
        (&1.into(), &"running".into()),
        "{entry:#}"
    );
    deaf.wait_for("heard");
    home.ok(&["kill", &id, "2"]);
    assert_eq!(other.finish().status, 143);
    home.ok(&["kill", &id, "1", "--signal", "9"]);
    assert_eq!(deaf.finish().status, 137);
    assert_eq!(home.sh(&id, "pgrep -c sleep || true"), "0\n");

    for (sequence, signal, code) in [
        ("1", "TERM", "invalid-state"),
        ("9", "TERM", "item-not-found"),
        ("1", "TREM", "invalid-argument"),
        ("1", "0", "invalid-argument"),
    ] {
        home.refused(&["kill", &id, sequence, "--signal", signal], code);
    }
    home.ok(&["stop", &id]);
    home.refused(&["kill", &id, "1"], "invalid-state");
}
