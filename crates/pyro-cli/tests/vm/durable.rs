//! What commands wrote is on disk a moment later, whatever becomes of the VM.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::workspace::Workspaces;

/// The contract allows two seconds. A kernel that is left alone takes more than five.
const A_MOMENT: Duration = Duration::from_secs(3);

/// On a busy host one time is no measure.
const TRIES: u32 = 4;

/// Kills the VMM of a workspace, and waits until that is recorded.
fn kill_vmm(home: &Workspaces, id: &str) {
    let (_, vm) = home.try_processes(id).unwrap();
    kill_process(Pid::from_raw(vm[0].pid()).unwrap(), Signal::KILL).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while home.ok(&["status", id])["state"] != "stopped" {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is left of files that a command wrote a moment before the VMM was killed.
fn left_of_writes(home: &Workspaces, id: &str, number: u32) -> String {
    home.sh(id, "echo old >again; head -c 100000 /dev/zero >/root/again; sync");
    // New files, more in one, and other bytes in the place of some: not all of it takes new blocks.
    let write = format!(
        "mkdir dir{number}; echo one >dir{number}/new; echo more >>again; echo two >/root/new{number}; \
         printf three | dd of=/root/again bs=1 seek=5000 conv=notrunc 2>/dev/null"
    );
    home.sh(id, &write);
    // The moment is what is tested, so this is no wait for anything.
    std::thread::sleep(A_MOMENT);
    kill_vmm(home, id);
    let look = format!("cat dir{number}/new again /root/new{number}; tail -c +5001 /root/again | head -c 5");
    home.sh(id, &look)
}

#[test]
fn what_a_command_wrote_survives_a_vmm_that_is_killed_a_moment_later() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let mut found = Vec::new();
    for number in 0..TRIES {
        found.push(left_of_writes(&home, &id, number));
        if found
            .last()
            .is_some_and(|left| left == "one\nold\nmore\ntwo\nthree")
        {
            return;
        }
    }
    assert_eq!(found, [""; 0], "nothing of it was whole");
}
