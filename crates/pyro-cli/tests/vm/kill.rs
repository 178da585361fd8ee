//! Workspaces whose processes are killed at random moments: each is as before or as after, and nothing is left running.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::process;
use crate::support::{figure, gone_within};
use crate::workspace::Workspaces;

/// The same numbers for the same seed, on every host.
struct Random(u64);

impl Random {
    /// A number below `end` (xorshift64, Marsaglia 2003).
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What a workspace may hold after an operation that was cut off.
#[derive(Debug)]
struct Expected {
    before: String,
    after: String,
}

#[test]
fn whoever_is_killed_a_workspace_is_as_before_or_as_after() {
    let kills = figure("PYRO_TEST_WORKSPACE_KILLS", 12);
    let mut random = Random(figure("PYRO_TEST_SEED", 0x5eed));
    let home = Workspaces::new();
    let mut id = home.create(&["--name", "alpha"]);
    let mut holds = String::new();
    for round in 1..=kills {
        let write = format!("echo {round} >/root/f; sync");
        let exec = ["exec", "alpha", "--timeout-seconds", "600", "--", &write];
        let (words, after): (&[&str], String) = match random.below(5) {
            0 | 1 => (&exec, round.to_string()),
            2 => (&["reset", "alpha"], String::new()),
            3 => (&["stop", "alpha"], holds.clone()),
            _ => (&["delete", "alpha"], "deleted".to_owned()),
        };
        let expected = Expected {
            before: holds.clone(),
            after,
        };
        let victim = random.below(3);
        let delay = Duration::from_millis(random.below(400));
        let told = format!("round {round}: {words:?}, victim {victim} after {delay:?}, {expected:?}");
        let mut client = home.start(words);
        std::thread::sleep(delay);
        let done = client.has_ended();
        kill(&home, &id, victim);
        if victim == 0 && !done {
            client.kill();
        } else {
            client.wait_without_reading();
        }
        (id, holds) = settled(&home, &id, &expected, &told);
    }
    home.ok(&["delete", "alpha"]);
}

/// Kills the supervisor (1) or the VMM (2) of a workspace, if it has one.
fn kill(home: &Workspaces, id: &str, victim: u64) {
    let Some((supervisor, vm)) = home.try_processes(id) else {
        return;
    };
    let pid = match victim {
        1 => i32::try_from(supervisor).unwrap(),
        2 => match vm.first() {
            Some(vmm) => vmm.pid(),
            None => return,
        },
        _ => return,
    };
    let _gone_already = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

/// Waits until nobody works on the workspace, looks at what it holds, and makes another if it is gone.
fn settled(home: &Workspaces, id: &str, expected: &Expected, told: &str) -> (String, String) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let state = loop {
        let (status, object) = home.json(&["status", id]);
        let state = match (status, &object["state"]) {
            (0, Value::String(state)) => state.clone(),
            _ => object["error"]["code"].as_str().unwrap().to_owned(),
        };
        if ["started", "stopped", "workspace-not-found"].contains(&state.as_str()) {
            break state;
        }
        assert!(Instant::now() < deadline, "{told}: {object:#}");
        std::thread::sleep(Duration::from_millis(20));
    };
    if state == "workspace-not-found" {
        assert_eq!(expected.after, "deleted", "{told}");
        assert!(
            process::all_gone(&process::holding(&home.dir(id)), gone_within()),
            "{told}"
        );
        return (home.create(&["--name", "alpha"]), String::new());
    }
    if home.try_processes(id).is_none() {
        let left = process::holding(&home.dir(id));
        assert!(process::all_gone(&left, gone_within()), "{told}: {left:?}");
    }
    // What an exec that was cut off wrote may be in the guest's memory only: it is synced, to be there whatever happens
    // next.
    let found = loop {
        home.ok(&["start", id]);
        let words = [
            "exec",
            id,
            "--timeout-seconds",
            "600",
            "--",
            "cat /root/f 2>/dev/null; sync",
        ];
        let (status, object) = home.json(&words);
        if status == 0 {
            break object["stdout"].as_str().unwrap().trim_end().to_owned();
        }
        // That the VM was killed just now is found out by whoever uses it.
        assert_eq!(object["error"]["code"], "guest-lost", "{told}: {object:#}");
        assert!(
            object["error"]["hint"].is_string() && Instant::now() < deadline,
            "{told}: {object:#}"
        );
    };
    let fits = found == expected.before || (found == expected.after && expected.after != "deleted");
    assert!(fits, "{told}: it holds {found:?}");
    (id.to_owned(), found)
}
