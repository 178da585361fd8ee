//! Connections that are cut while a command runs.

use std::time::Duration;

use pyro::Stdin;
use pyro::object::ExecOutcome;

use crate::support::{Host, shell};

/// How often a command is cut off from the host.
const CUTS: usize = 5;

/// How much passes through a guest: `PYRO_TEST_INPUT_MIB`.
fn input_mib() -> usize {
    let given = std::env::var("PYRO_TEST_INPUT_MIB").ok();
    given.map_or(6, |text| text.parse().expect("PYRO_TEST_INPUT_MIB is a number"))
}

/// Bytes that differ from place to place, so that one that is lost or repeated shows.
fn pattern(count: usize) -> Vec<u8> {
    let words = (0_u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes());
    words.take(count).collect()
}

#[test]
fn a_command_that_is_cut_off_runs_once_and_loses_nothing() {
    let host = Host::new();
    let last = 60_000;
    let request = shell(&format!(
        "echo started >>/run/log; seq {last}; cat /run/log; exit 6"
    ));
    let mut expected: Vec<u8> = (1..=last)
        .flat_map(|number| format!("{number}\n").into_bytes())
        .collect();
    expected.extend(b"started\n");
    let mut cuts = 0;
    let (result, stdout) = host.run(request, |so_far, control| {
        if cuts < CUTS && so_far.len() > cuts * expected.len() / (CUTS + 1) {
            cuts += 1;
            control.cut_connection();
        }
    });
    let result = result.unwrap();
    assert_eq!(cuts, CUTS);
    assert_eq!((result.outcome, result.exit_code), (ExecOutcome::Exited, Some(6)));
    let differs = stdout.iter().zip(&expected).position(|(a, b)| a != b);
    assert!(
        stdout == expected,
        "{} of {} bytes, differing at {differs:?}",
        stdout.len(),
        expected.len()
    );
    assert_eq!(result.stdout_info.bytes, expected.len() as u64);
}

#[test]
fn input_that_is_cut_off_is_taken_up_again() {
    let host = Host::new();
    let sent = pattern(input_mib() << 20);
    let mut request = shell("cat -");
    request.stdin = Stdin::Reader(Box::new(std::io::Cursor::new(sent.clone())));
    let mut cuts = 0;
    let (result, stdout) = host.run(request, |so_far, control| {
        if cuts < CUTS && so_far.len() > cuts * sent.len() / (CUTS + 1) {
            cuts += 1;
            control.cut_connection();
        }
    });
    let result = result.unwrap();
    assert_eq!((cuts, result.exit_code), (CUTS, Some(0)));
    let differs = stdout.iter().zip(&sent).position(|(a, b)| a != b);
    assert!(
        stdout == sent,
        "{} of {} bytes, differing at {differs:?}",
        stdout.len(),
        sent.len()
    );
}

#[test]
fn a_command_that_is_cut_off_can_still_be_ended() {
    let host = Host::new();
    let request = shell("trap 'echo INT' INT; echo ready; while :; do sleep 0.1; done");
    let mut told = false;
    let (result, stdout) = host.run(request, |_, control| {
        if !std::mem::replace(&mut told, true) {
            control.cut_connection();
            control.interrupt(Duration::from_secs(2));
        }
    });
    let result = result.unwrap();
    assert_eq!(
        (result.outcome, result.exit_code),
        (ExecOutcome::Cancelled, Some(130))
    );
    assert_eq!(String::from_utf8_lossy(&stdout), "ready\nINT\n");
}
