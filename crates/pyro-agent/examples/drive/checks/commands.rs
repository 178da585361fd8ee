//! What a command gets, and what it gives.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Configure, Exec, FaultKind, Outcome, Verb};

use super::{argv, ensure, median, output, refusal, shell, text};
use crate::host::{Failure, Host};

pub(super) async fn ping(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
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

pub(super) async fn configure(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    for round in 0..2 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let configure = Configure {
            hostname: format!("pyro-{round}"),
            machine_id: format!("0123456789abcdef0123456789abcde{round}"),
            realtime_ns: u64::try_from(now.as_nanos())?,
            entropy: Bytes::from_static(&[7; 64]),
        };
        let answer = host.ask(Verb::Configure, Some(Ask::Configure(configure))).await?;
        ensure(matches!(answer, Answer::Done(_)), answer)?;
        let seen = output(&host, "uname -n; cat /etc/machine-id; date +%s").await?;
        let expected = format!(
            "pyro-{round}\n0123456789abcdef0123456789abcde{round}\n{}",
            now.as_secs()
        );
        ensure(seen[..seen.len() - 2] == expected[..expected.len() - 2], seen)?;
    }
    Ok(String::new())
}

pub(super) async fn plain(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let given = host.run(argv(&["git", "--version"])).await?;
    ensure(text(&given.stdout).starts_with("git version"), &given)?;
    let seen = output(
        &host,
        "pwd; echo $$; cat /proc/1/comm; ls /dev /dev/fd/ | tr '\\n' ' '; mount | wc -l",
    )
    .await?;
    Ok(format!("{} {seen}", text(&given.stdout)))
}

pub(super) async fn ends(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
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
    let ended = host.run(argv(&["/etc/passwd"])).await?;
    ensure(
        ended.ended.outcome() == Outcome::NotStarted && ended.ended.status == 126,
        &ended,
    )?;
    Ok(ended.ended.message)
}

pub(super) async fn refusals(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
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

pub(super) async fn users(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
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

pub(super) async fn environment(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
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

pub(super) async fn latency(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        host.run(argv(&["true"])).await?;
        times.push(begun.elapsed());
    }
    Ok(format!("exec of true p50 {:?}", median(times)))
}

pub(super) async fn rename(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    output(&host, "mv /usr/share/common-licenses /usr/share/moved && ls /usr/share/moved | wc -l && mv /usr/share/moved /usr/share/common-licenses").await
}

/// For an image that holds one static program, `/hello`, and nothing else.
pub(super) async fn lean(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let given = host.run(argv(&["/hello", "version"])).await?;
    ensure(
        refusal(&host, shell("echo x")).await? == FaultKind::ShellMissing,
        "shell",
    )?;
    configure_only(&host).await?;
    let fallback = host
        .run(Exec {
            argv: argv(&["/hello"]).argv,
            ..shell("/hello")
        })
        .await?;
    ensure(fallback.ended.outcome() == Outcome::Exited, &fallback)?;
    Ok(format!("{:?} {}", given.ended, text(&given.stdout)))
}

async fn configure_only(host: &Host) -> Result<(), Failure> {
    let machine_id = "0123456789abcdef0123456789abcdef".to_owned();
    let configure = Configure {
        machine_id,
        ..Configure::default()
    };
    let answer = host.ask(Verb::Configure, Some(Ask::Configure(configure))).await?;
    ensure(matches!(answer, Answer::Done(_)), answer)
}
