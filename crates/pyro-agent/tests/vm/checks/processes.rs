//! How processes end.

use std::process::Command;
use std::time::Instant;

use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Exec, Outcome, Verb};

use super::{argv, ensure, output, send_signal, shell, text};
use crate::host::{Failure, Given, Host};
use crate::input;
use crate::machine::Machine;

pub(crate) async fn timeout(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let stubborn = "setsid sh -c 'trap \"\" TERM; while :; do sleep 77; done' & echo begun; yes > /dev/null";
    let begun = Instant::now();
    let given = host
        .run(Exec {
            timeout_ms: 5000,
            grace_ms: 500,
            ..shell(stubborn)
        })
        .await?;
    let took = begun.elapsed();
    ensure(
        given.ended.outcome() == Outcome::TimedOut && given.stdout == b"begun\n",
        &given,
    )?;
    ensure(given.ended.left_running == 0, &given.ended)?;
    // What waits to be reaped is gone.
    let alive = "cat /proc/[0-9]*/stat | grep -v ') Z ' | grep -c -e '(yes)' -e '(sleep)'; true";
    let left = output(&host, alive).await?;
    ensure(left == "0", &left)?;
    Ok(format!("took {took:?}"))
}

pub(crate) async fn cancel(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    // No child: one that the shell has just forked loses the signal in the shell's own handler.
    let exec = shell("trap 'echo bye; exit' TERM; echo a; while :; do :; done");
    let id = exec.request_id.clone();
    let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
    let mut given = Given::default();
    while given.stdout.is_empty() {
        if let Some(Answer::Stdout(bytes)) = call.answers.next().await? {
            given.stdout.extend_from_slice(&bytes);
        }
    }
    send_signal(&host, &id, 0, 30_000).await?;
    call.answers.collect(&mut given).await?;
    ensure(
        given.ended.outcome() == Outcome::Cancelled && given.stdout == b"a\nbye\n",
        &given,
    )?;
    Ok(String::new())
}

pub(crate) async fn signal(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let exec = argv(&["sleep", "50"]);
    let id = exec.request_id.clone();
    let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
    send_signal(&host, &id, 10, 0).await?;
    let mut given = Given::default();
    call.answers.collect(&mut given).await?;
    ensure(
        given.ended.outcome() == Outcome::Signaled && given.ended.signal == 10,
        &given,
    )?;
    Ok(String::new())
}

/// What a command leaves running does not hold up its end, and is not harmed by it.
pub(crate) async fn left_running(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let begun = Instant::now();
    // It writes on after the output was closed, then tells so to whoever opens the other end.
    let writer = "mkfifo /tmp/alive; \
                  (for i in 1 2 3 4 5 6; do sleep 0.5; echo tick; done; echo alive > /tmp/alive) & echo done";
    let given = host.run(shell(writer)).await?;
    let took = begun.elapsed();
    ensure(
        given.ended.left_running >= 1 && given.stdout.starts_with(b"done\n"),
        &given,
    )?;
    ensure(
        output(&host, "cat /tmp/alive").await? == "alive",
        "a closed pipe did not kill it",
    )?;
    let quiet = host.run(shell("sleep 33 > /dev/null 2>&1 & echo $!")).await?;
    ensure(quiet.ended.left_running == 1, &quiet)?;
    output(&host, &format!("kill {}", text(&quiet.stdout))).await?;
    Ok(format!("ended after {took:?}"))
}

pub(crate) async fn kill_all(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let given = host.run(shell("kill -9 -1; kill -9 1; kill -9 $$")).await?;
    ensure(
        given.ended.outcome() == Outcome::Signaled && given.ended.signal == 9,
        &given,
    )?;
    output(&host, "echo still here").await
}

pub(crate) async fn parallel(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let mut calls = Vec::new();
    for _ in 0..20 {
        let exec = shell("sleep 1; echo x");
        calls.push(host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?);
    }
    for call in &mut calls {
        let mut given = Given::default();
        call.answers.collect(&mut given).await?;
        ensure(given.stdout == b"x\n", &given)?;
    }
    swept(&host).await
}

/// Waits until no cgroup is left but that of the waiting command, and four for the next ones.
async fn swept(host: &Host) -> Result<String, Failure> {
    let wait = "until [ \"$(ls -d /sys/fs/cgroup/commands/*/ | wc -l)\" -le 5 ]; do sleep 0.1; done";
    output(host, wait).await
}

/// A cgroup that was left as it was made is used again, and no other: not with a limit, not with one below it, and not if
/// the guest has used or removed it.
pub(crate) async fn spare_cgroup(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let own = "sed s,.*/,, /proc/self/cgroup";
    let first = output(&host, own).await?;
    ensure(output(&host, own).await? == first, "it is used again")?;
    for deed in ["echo 77 > pids.max", "mkdir below", "mkdir below; rmdir below"] {
        let change = format!("c=$({own}); cd /sys/fs/cgroup/commands/$c; {deed}; echo $c");
        let changed = output(&host, &change).await?;
        let look = format!("c=$({own}); cat /sys/fs/cgroup/commands/$c/pids.max; echo $c");
        let seen = output(&host, &look).await?;
        let (limit, next) = seen.split_once('\n').unwrap_or_default();
        ensure(limit == "max" && next != changed, (deed, &seen, &changed))?;
    }
    let used = "grep -q 'populated 0' $c/cgroup.events && echo 0 > $c/cgroup.procs";
    for deed in ["rmdir $c", used] {
        // While this waits, the next command to end leaves a spare that nobody takes.
        let wait = shell("mkfifo /tmp/done /tmp/end; echo waits; cat /tmp/done; rm /tmp/done");
        let mut call = host.call(Verb::Exec, Some(Ask::Exec(wait)), false).await?;
        while !matches!(call.answers.next().await?, Some(Answer::Stdout(_))) {}
        let search = format!(
            "cd /sys/fs/cgroup/commands; \
             (while :; do for c in *; do [ -d $c ] && {deed} && break 2; done; done; \
             echo $c > /tmp/done; read end < /tmp/end) > /dev/null 2>&1 &"
        );
        output(&host, &search).await?;
        let mut given = Given::default();
        call.answers.collect(&mut given).await?;
        let spare = text(&given.stdout);
        ensure(!spare.is_empty(), &given)?;
        let next = output(&host, own).await?;
        ensure(next != spare, (next, spare))?;
        output(&host, "echo > /tmp/end; rm /tmp/end").await?;
    }
    Ok(String::new())
}

/// Of a rehearsal nothing remains, whatever it did, and whatever it left running.
pub(crate) async fn rehearsal(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    // The shell counts by itself: how many processes a pipe has at a moment is a matter of luck.
    // Links are not told: those of /proc are as many as processes, and the kernel has threads of its own.
    let state = "cat /proc/mounts; set -- /proc/[0-9]*; echo $#; \
                 find / /tmp /etc /run /dev /dev/shm -maxdepth 1 -printf '%p %M %u %g %s %l\n'";
    // What earlier checks left running is to be gone, and the first command may make what each finds there.
    swept(&host).await?;
    output(&host, state).await?;
    let before = output(&host, state).await?;
    let messy = "echo $$; touch /new /etc/new /tmp/new /run/new /dev/shm/new; rm /etc/passwd; \
                 mount -t tmpfs none /mnt; mkdir /sys/fs/cgroup$(cut -d : -f 3 /proc/self/cgroup)/new; sleep 1000 & sleep 1000 > /dev/null &";
    let rehearse = |exec: Exec| Exec {
        rehearsal: true,
        timeout_ms: 60_000,
        ..exec
    };
    let given = host.run(rehearse(shell(messy))).await?;
    ensure(
        given.ended.outcome() == Outcome::Exited && given.stdout == b"2\n",
        &given,
    )?;
    let missing = host.run(rehearse(argv(&["no-such-program"]))).await?;
    ensure(missing.ended.status == 127, &missing)?;
    let after = output(&host, state).await?;
    ensure(after == before, (before, after))?;
    swept(&host).await
}

pub(crate) async fn oom(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let given = host.run(shell("tail /dev/zero")).await?;
    ensure(given.ended.oom_killed, &given.ended)?;
    output(&host, "echo survived").await
}

/// The machine ends after everything is on disk; what is left running is told before.
pub(crate) async fn power_off(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let left = shell("trap 'echo end > /trapped; exit' TERM; echo begun; sleep 1000 & wait");
    let mut call = host.call(Verb::Exec, Some(Ask::Exec(left)), false).await?;
    while !matches!(call.answers.next().await?, Some(Answer::Stdout(_))) {}
    output(&host, "echo not synchronised > /written").await?;
    let begun = Instant::now();
    let answer = host.ask(Verb::PowerOff, None).await?;
    let answered = begun.elapsed();
    ensure(matches!(answer, Answer::Done(_)), answer)?;
    drop(host);
    ensure(machine.ended().await?.success(), "QEMU ends well")?;
    let gone = begun.elapsed();
    let disk = machine.disk();
    input::output(
        Command::new(input::program("e2fsck", "e2fsprogs")?)
            .arg("-fn")
            .arg(&disk),
    )?;
    for (file, content) in [("trapped", "end\n"), ("written", "not synchronised\n")] {
        let mut debugfs = Command::new(input::program("debugfs", "e2fsprogs")?);
        let seen = input::output(debugfs.args(["-R", &format!("cat /upper/{file}")]).arg(&disk))?;
        ensure(seen == content.as_bytes(), text(&seen))?;
    }
    Ok(format!("answered after {answered:?}, gone after {gone:?}"))
}
