//! What a command gets, and what it gives.

use std::fmt::Write;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Exec, FaultKind, Outcome, Verb};

use super::{argv, configuration, ensure, median, output, refusal, shell, text};
use crate::host::Failure;
use crate::machine::Machine;

/// What the first answers of a fresh machine cost.
pub(crate) async fn start(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    ensure(host.hello.setup_failure.is_none(), &host.hello)?;
    let ready = Duration::from_micros(host.hello.ready_after_us);
    let begun = Instant::now();
    super::configure(&host, configuration("pyro", "0123456789abcdef0123456789abcdef")?).await?;
    let mut note = format!("ready after {ready:?}, configured in {:?}", begun.elapsed());
    for _ in 0..4 {
        let begun = Instant::now();
        let given = host.run(argv(&["/bin/true"])).await?;
        ensure(
            given.ended.outcome() == Outcome::Exited && given.ended.status == 0,
            &given,
        )?;
        let own = Duration::from_micros(given.ended.duration_us);
        let _ = write!(note, ", true in {:?} of which {own:?} ran", begun.elapsed());
    }
    Ok(note)
}

pub(crate) async fn ping(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let mut times = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        ensure(
            matches!(host.ask(Verb::Ping, None).await?, Answer::Done(_)),
            "done",
        )?;
        times.push(begun.elapsed());
    }
    Ok(format!("p50 {:?}", median(times)))
}

/// Also again, as after a restore.
pub(crate) async fn configure(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    for round in 0..2 {
        let (name, id) = (
            format!("pyro-{round}"),
            format!("0123456789abcdef0123456789abcde{round}"),
        );
        let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        super::configure(&host, configuration(&name, &id)?).await?;
        let seen = output(&host, "uname -n; cat /etc/machine-id; date +%s").await?;
        let after = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let lines: Vec<&str> = seen.lines().collect();
        ensure(lines.len() == 3 && lines[0] == name && lines[1] == id, &seen)?;
        // The guest's clock runs on its own from there; a second either way is rounding.
        let time: u64 = lines[2].parse()?;
        ensure(
            (before.as_secs() - 1..=after.as_secs() + 1).contains(&time),
            (before, time, after),
        )?;
    }
    Ok(String::new())
}

pub(crate) async fn plain(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let given = host.run(argv(&["git", "--version"])).await?;
    ensure(text(&given.stdout).starts_with("git version"), &given)?;
    let seen = output(
        &host,
        "pwd; echo $$; cat /proc/1/comm; ls /dev /dev/fd/ | tr '\\n' ' '; mount | wc -l",
    )
    .await?;
    Ok(format!("{} {seen}", text(&given.stdout)))
}

pub(crate) async fn ends(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let ended = host.run(shell("echo out; echo err >&2; exit 7")).await?;
    ensure(
        ended.ended.status == 7 && ended.stdout == b"out\n" && ended.stderr == b"err\n",
        &ended,
    )?;
    let ended = host.run(shell("kill -SEGV $$")).await?;
    ensure(
        ended.ended.outcome() == Outcome::Signaled && ended.ended.signal == 11,
        &ended,
    )?;
    let ended = host.run(argv(&["no-such-program"])).await?;
    ensure(
        ended.ended.outcome() == Outcome::NotStarted && ended.ended.status == 127,
        &ended,
    )?;
    let script = "printf 'echo $0 $*' > /tmp/script; chmod +x /tmp/script";
    output(&host, script).await?;
    for name in ["/tmp/script", "script"] {
        let exec = Exec {
            env: vec![Bytes::from_static(b"PATH=/etc:/no/where:/tmp")],
            ..argv(&[name, "a", "b"])
        };
        let ended = host.run(exec).await?;
        ensure(
            ended.ended.status == 0 && ended.stdout == b"/tmp/script a b\n",
            &ended,
        )?;
    }
    let ended = host.run(argv(&["/etc/passwd"])).await?;
    ensure(
        ended.ended.outcome() == Outcome::NotStarted && ended.ended.status == 126,
        &ended,
    )?;
    Ok(ended.ended.message)
}

pub(crate) async fn refusals(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let missing = Exec {
        cwd: Bytes::from_static(b"/missing"),
        ..argv(&["true"])
    };
    ensure(
        refusal(&host, missing.clone()).await? == FaultKind::InvalidArgument,
        "cwd",
    )?;
    let nobody = Exec {
        user: "no-such-user".to_owned(),
        ..argv(&["true"])
    };
    ensure(
        refusal(&host, nobody).await? == FaultKind::InvalidArgument,
        "user",
    )?;
    let attach = Attach {
        request_id: "unknown".to_owned(),
        ..Attach::default()
    };
    let answer = host.ask(Verb::Exec, Some(Ask::Attach(attach))).await?;
    ensure(
        matches!(&answer, Answer::Fault(fault) if fault.kind() == FaultKind::UnknownCommand),
        answer,
    )?;
    let made = Exec {
        create_cwd: true,
        cwd: Bytes::from_static(b"/made/here"),
        ..argv(&["pwd"])
    };
    let given = host.run(made).await?;
    ensure(given.stdout == b"/made/here\n", &given)?;
    Ok(String::new())
}

pub(crate) async fn users(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let given = host
        .run(Exec {
            user: "www-data".to_owned(),
            ..shell("id; echo $HOME $USER")
        })
        .await?;
    ensure(
        text(&given.stdout).contains("uid=33(www-data) gid=33(www-data)"),
        &given,
    )?;
    let given = host
        .run(Exec {
            user: "4242:4243".to_owned(),
            ..shell("id -u; id -g; id -G")
        })
        .await?;
    ensure(given.stdout == b"4242\n4243\n4243\n", &given)?;
    Ok(String::new())
}

pub(crate) async fn environment(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let env = vec![Bytes::from_static(b"A=1"), Bytes::from_static(b"A=2")];
    let given = host
        .run(Exec {
            env,
            ..argv(&["env"])
        })
        .await?;
    let mut lines: Vec<_> = text(&given.stdout).lines().collect();
    lines.sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    ensure(
        lines
            == [
                "A=2",
                "HOME=/root",
                "LANG=C.UTF-8",
                path,
                "TERM=dumb",
                "USER=root",
            ],
        &lines,
    )?;
    output(
        &host,
        "ulimit -n; umask; cat /proc/self/oom_score_adj; cat /proc/self/cgroup; ls -l /proc/self/fd | wc -l",
    )
    .await
    .map(|seen| seen.replace('\n', " "))
}

pub(crate) async fn rename(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    output(&host, "mv /usr/share/common-licenses /usr/share/moved && ls /usr/share/moved | wc -l && mv /usr/share/moved /usr/share/common-licenses").await
}
