//! Workspaces whose processes are killed at random moments: each is as before or as after, and nothing is left running.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

mod content;
mod newborn;
mod operation;
mod victim;

use std::time::{Duration, Instant};

use self::content::{Content, Sources};
use self::operation::{After, Kind, Operation};
use self::victim::Victim;
use crate::process;
use crate::support::{figure, gone_within};
use crate::workspace::Workspaces;

/// How long a workspace may be on its way from one state to another: a host may be slow.
const SETTLED_WITHIN: Duration = Duration::from_secs(300);

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

    /// A moment at which somebody is killed: at the beginning of an operation much happens, and some take longer.
    fn moment(&mut self) -> Duration {
        let end = [200, 600, 1500];
        let end = end[usize::try_from(self.below(3)).unwrap()];
        Duration::from_millis(self.below(end))
    }
}

#[test]
fn whoever_is_killed_a_workspace_is_as_before_or_as_after() {
    let kills = figure("PYRO_TEST_WORKSPACE_KILLS", 14);
    let mut random = Random(figure("PYRO_TEST_SEED", 0x5eed));
    let home = Workspaces::new();
    let sources = Sources::make(home.home().path());
    let mut id = home.create(&["--name", "alpha"]);
    let mut holds = Content::default();
    for round in 1..=kills {
        let kind = Kind::of_round(round, &mut random);
        let operation = Operation::new(kind, round, &holds, &sources);
        let (victim, moment) = (Victim::any(&mut random), random.moment());
        let told = format!("round {round}: {operation:?}, {victim:?} after {moment:?}, it held {holds:?}");
        let done = interrupt(&home, &id, &operation, victim, moment);
        if kind == Kind::Create {
            newborn::assert_whole_or_absent(&home, &id, &sources, done, &told);
        } else {
            (id, holds) = settled(&home, &id, &holds, &operation.after, done, &told);
        }
    }
    home.ok(&["delete", "alpha"]);
}

/// Begins an operation and kills somebody at that moment. Whether the operation was reported as done.
fn interrupt(home: &Workspaces, id: &str, operation: &Operation, victim: Victim, moment: Duration) -> bool {
    let words: Vec<&str> = operation.words.iter().map(String::as_str).collect();
    let mut client = home.start(&words);
    // The moment is what is tested, so this is no wait for anything.
    std::thread::sleep(moment);
    let has_ended = client.has_ended();
    match (victim, operation.after == After::Made) {
        (Victim::Client, _) => {}
        (_, true) => victim.kill_among(&client.descendants()),
        (_, false) => victim.kill(home, id),
    }
    if victim.has_client() && !has_ended {
        client.kill();
        return false;
    }
    client.wait_without_reading() == Some(0)
}

/// Waits until nobody works on a workspace: its state, or the code with which it is refused. What a client began that
/// was killed may go on in the guest for a while: a workspace that is used says no time at which it expires.
fn state(home: &Workspaces, id: &str, told: &str) -> String {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let (status, object) = home.json(&["status", id]);
        let state = match status {
            0 => &object["state"],
            _ => &object["error"]["code"],
        };
        let is_used = state == "started" && object["expires_at"].is_null();
        let state = state.as_str().unwrap();
        if ["started", "stopped", "workspace-not-found"].contains(&state) && !is_used {
            return state.to_owned();
        }
        assert!(Instant::now() < deadline, "{told}: {object:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until nobody works on the workspace, looks at what it holds, and makes another if it is gone.
fn settled(
    home: &Workspaces,
    id: &str,
    before: &Content,
    after: &After,
    done: bool,
    told: &str,
) -> (String, Content) {
    if state(home, id, told) == "workspace-not-found" {
        assert_eq!(*after, After::Gone, "{told}");
        assert_nobody_in(home, id, told);
        return (home.create(&["--name", "alpha"]), Content::default());
    }
    assert!(
        !(done && *after == After::Gone),
        "{told}: it was reported as deleted"
    );
    if home.try_processes(id).is_none() {
        assert_nobody_in(home, id, told);
    }
    let found = look(home, id, content::LOOK, told);
    let found = Content::read(&found);
    let is_after = matches!(after, After::Holds(content) if *content == found);
    let fits = is_after || (found == *before && !done);
    assert!(fits, "{told}; done: {done}; it holds {found:?}");
    (id.to_owned(), found)
}

fn assert_nobody_in(home: &Workspaces, id: &str, told: &str) {
    let left = process::holding(&home.dir(id));
    assert!(process::all_gone(&left, gone_within()), "{told}: {left:?}");
}

/// What a command prints in a workspace on which nobody works.
fn look(home: &Workspaces, id: &str, script: &str, told: &str) -> String {
    // The supervisor takes clients in turn: once it has taken this one, it has taken any that was killed, and says that
    // the workspace is used for as long as that one's operation goes on.
    run(home, id, "true", told);
    state(home, id, told);
    run(home, id, script, told)
}

/// What a command prints in a workspace whose VM may have been killed just now.
fn run(home: &Workspaces, id: &str, script: &str, told: &str) -> String {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        home.ok(&["start", id]);
        let (status, object) = home.json(&["exec", id, "--timeout-seconds", "600", "--", script]);
        if status == 0 {
            return object["stdout"].as_str().unwrap().to_owned();
        }
        // That the VM was killed is found out by whoever uses it.
        assert_eq!(object["error"]["code"], "guest-lost", "{told}: {object:#}");
        assert!(
            object["error"]["hint"].is_string() && Instant::now() < deadline,
            "{told}: {object:#}"
        );
    }
}
