//! The claims.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Configure, Exec, FaultKind, Outcome, Signal, Verb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::host::{self, Failure, Given, Host};

type Check = fn(PathBuf) -> Pin<Box<dyn Future<Output = Result<String, Failure>>>>;

macro_rules! checks {
    ($($name:ident $is_routine:literal),* $(,)?) => {
        /// Every check, and whether it leaves the guest as usable as before.
        pub(crate) const ALL: &[(&str, bool, Check)] =
            &[$((stringify!($name), $is_routine, |socket| Box::pin($name(socket)))),*];
    };
}

checks! {
    ping true, configure true, plain true, ends true, refusals true, users true, environment true,
    latency true, bulk true, blocked true, stdin true, half_closed true, timeout true, cancel true, signal true, left_running true,
    kill_all true, parallel true, cut true, reconnect true, hello_inside true, garbage true, rename true,
    oom false, lean false, power_off false,
}

fn ensure(holds: bool, otherwise: impl std::fmt::Debug) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(format!("not so: {otherwise:?}").into())
    }
}

fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", now.as_nanos(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn argv(words: &[&str]) -> Exec {
    let argv = words
        .iter()
        .map(|word| Bytes::copy_from_slice(word.as_bytes()))
        .collect();
    Exec {
        request_id: new_id(),
        argv,
        grace_ms: 2000,
        ..Exec::default()
    }
}

fn shell(string: &str) -> Exec {
    Exec {
        shell: Some(Bytes::copy_from_slice(string.as_bytes())),
        ..argv(&[])
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("(not text)").trim_end()
}

async fn output(host: &Host, string: &str) -> Result<String, Failure> {
    let given = host.run(shell(string)).await?;
    ensure(
        given.ended.outcome() == Outcome::Exited && given.ended.status == 0,
        &given,
    )?;
    Ok(text(&given.stdout).to_owned())
}

async fn send_signal(host: &Host, id: &str, number: i32, grace_ms: u64) -> Result<(), Failure> {
    let signal = Signal {
        request_id: id.to_owned(),
        number,
        grace_ms,
    };
    let answer = host.ask(Verb::Signal, Some(Ask::Signal(signal))).await?;
    ensure(matches!(answer, Answer::Done(_)), answer)
}

async fn refusal(host: &Host, exec: Exec) -> Result<FaultKind, Failure> {
    match host.ask(Verb::Exec, Some(Ask::Exec(exec))).await? {
        Answer::Fault(fault) => Ok(fault.kind()),
        other => Err(format!("not refused: {other:?}").into()),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn ping(socket: PathBuf) -> Result<String, Failure> {
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

async fn configure(socket: PathBuf) -> Result<String, Failure> {
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

async fn plain(socket: PathBuf) -> Result<String, Failure> {
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

async fn ends(socket: PathBuf) -> Result<String, Failure> {
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

async fn refusals(socket: PathBuf) -> Result<String, Failure> {
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

async fn users(socket: PathBuf) -> Result<String, Failure> {
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

async fn environment(socket: PathBuf) -> Result<String, Failure> {
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

async fn latency(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        host.run(argv(&["true"])).await?;
        times.push(begun.elapsed());
    }
    Ok(format!("exec of true p50 {:?}", median(times)))
}

async fn bulk(socket: PathBuf) -> Result<String, Failure> {
    const BYTES: usize = 100_000_000;
    let host = Host::connect(&socket).await?;
    let before = anonymous_kib(&host).await?;
    let begun = Instant::now();
    let given = host
        .run(shell(&format!("yes \"$(printf '\\377')\" | head -c {BYTES}")))
        .await?;
    let took = begun.elapsed();
    ensure(
        given.ended.stdout_bytes == BYTES as u64 && given.stdout.len() == BYTES,
        &given.ended,
    )?;
    ensure(
        given.stdout.chunks_exact(2).all(|pair| pair == b"\xff\n"),
        "content",
    )?;
    let after = anonymous_kib(&host).await?;
    Ok(format!(
        "in {took:?}; anonymous memory of the guest {before} KiB before, {after} KiB after"
    ))
}

async fn anonymous_kib(host: &Host) -> Result<u64, Failure> {
    Ok(output(host, "awk '/AnonPages/{print $2}' /proc/meminfo")
        .await?
        .parse()?)
}

/// A stream that nobody reads neither grows in the guest nor blocks another.
async fn blocked(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let before = anonymous_kib(&host).await?;
    let mut flood = argv(&["yes"]);
    flood.timeout_ms = 20_000;
    let (mut calls, ids) = (Vec::new(), [(); 8].map(|()| new_id()));
    for id in &ids {
        let exec = Exec {
            request_id: id.clone(),
            ..flood.clone()
        };
        calls.push(host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?);
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let after = anonymous_kib(&host).await?;
    for id in &ids {
        send_signal(&host, id, 0, 0).await?;
    }
    let mut lengths = Vec::new();
    for call in &mut calls {
        let mut given = Given::default();
        call.answers.collect(&mut given).await?;
        ensure(given.ended.outcome() == Outcome::Cancelled, &given.ended)?;
        ensure(
            given.stdout.len() as u64 == given.ended.stdout_bytes,
            &given.ended,
        )?;
        lengths.push(given.stdout.len() / 1024);
    }
    Ok(format!(
        "8 floods: {} KiB more in the guest; KiB given {lengths:?}",
        after.saturating_sub(before)
    ))
}

async fn stdin(socket: PathBuf) -> Result<String, Failure> {
    const CHUNKS: usize = 80;
    let host = Host::connect(&socket).await?;
    let cat = Exec {
        stdin: true,
        ..shell("sleep 0.3; cat")
    };
    let call = host.call(Verb::Exec, Some(Ask::Exec(cat)), false).await?;
    let (mut send, mut answers) = (call.send, call.answers);
    let chunk = Bytes::from(
        (0..64 * 1024)
            .map(|index| u8::try_from(index % 251).unwrap_or(0))
            .collect::<Vec<_>>(),
    );
    let sent = chunk.repeat(CHUNKS);
    let mut given = Given::default();
    let feed = async {
        for _ in 0..CHUNKS {
            host::say(&mut send, Ask::Stdin(chunk.clone()), false).await?;
        }
        host::say(&mut send, Ask::StdinEnd(true), true).await
    };
    let (fed, collected) = tokio::join!(feed, answers.collect(&mut given));
    fed?;
    collected?;
    ensure(given.stdout == sent, given.stdout.len())?;
    Ok(format!("{} bytes", sent.len()))
}

/// A command that reads no input, or only some, neither fails nor hangs.
async fn half_closed(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let mut call = host
        .call(
            Verb::Exec,
            Some(Ask::Exec(Exec {
                stdin: true,
                ..shell("head -c 3; exec <&-; sleep 0.2; echo late")
            })),
            false,
        )
        .await?;
    for _ in 0..40 {
        host::say(
            &mut call.send,
            Ask::Stdin(Bytes::from_static(&[b'x'; 10_000])),
            false,
        )
        .await?;
    }
    let mut given = Given::default();
    call.answers.collect(&mut given).await?;
    ensure(
        given.stdout == b"xxxlate\n" && given.ended.outcome() == Outcome::Exited,
        &given,
    )?;
    ensure(
        host.run(argv(&["cat"])).await?.stdout.is_empty(),
        "no input is an empty one",
    )?;
    Ok(String::new())
}

async fn timeout(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let stubborn = "setsid sh -c 'trap \"\" TERM; while :; do sleep 77; done' & echo begun; yes > /dev/null";
    let begun = Instant::now();
    let given = host
        .run(Exec {
            timeout_ms: 1000,
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
    let left = output(&host, "cat /proc/[0-9]*/comm | grep -c -e yes -e sleep; true").await?;
    ensure(left == "0", &left)?;
    Ok(format!("took {took:?}"))
}

async fn cancel(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let exec = shell("trap 'echo bye; exit' TERM; echo a; sleep 50 & wait");
    let id = exec.request_id.clone();
    let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
    let mut given = Given::default();
    while given.stdout.is_empty() {
        if let Some(Answer::Stdout(bytes)) = call.answers.next().await? {
            given.stdout.extend_from_slice(&bytes);
        }
    }
    send_signal(&host, &id, 0, 2000).await?;
    call.answers.collect(&mut given).await?;
    ensure(
        given.ended.outcome() == Outcome::Cancelled && given.stdout == b"a\nbye\n",
        &given,
    )?;
    Ok(String::new())
}

async fn signal(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
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

async fn left_running(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let begun = Instant::now();
    let writer =
        "(for i in 1 2 3 4 5 6 7 8; do sleep 0.5; echo tick; done; echo alive > /tmp/alive) & echo done";
    let given = host.run(shell(writer)).await?;
    let took = begun.elapsed();
    ensure(
        given.ended.left_running >= 1 && given.stdout.starts_with(b"done\n"),
        &given,
    )?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure(
        output(&host, "cat /tmp/alive").await? == "alive",
        "a closed pipe did not kill it",
    )?;
    let quiet = host.run(shell("sleep 33 > /dev/null 2>&1 & echo $!")).await?;
    ensure(quiet.ended.left_running == 1, &quiet)?;
    output(&host, &format!("kill {}", text(&quiet.stdout))).await?;
    Ok(format!("ended after {took:?}"))
}

async fn kill_all(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let given = host.run(shell("kill -9 -1; kill -9 1; kill -9 $$")).await?;
    ensure(
        given.ended.outcome() == Outcome::Signaled && given.ended.signal == 9,
        &given,
    )?;
    output(&host, "echo still here").await
}

async fn parallel(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let mut calls = Vec::new();
    for _ in 0..60 {
        calls.push(
            host.call(Verb::Exec, Some(Ask::Exec(shell("sleep 1; echo x"))), false)
                .await?,
        );
    }
    for call in &mut calls {
        let mut given = Given::default();
        call.answers.collect(&mut given).await?;
        ensure(given.stdout == b"x\n", &given)?;
    }
    let left = output(&host, "ls -d /sys/fs/cgroup/commands/*/ | wc -l").await?;
    Ok(format!("cgroups left, with this one: {left}"))
}

/// Cuts the connection while a command prints, and finds every byte of it again.
async fn cut(socket: PathBuf) -> Result<String, Failure> {
    let id = new_id();
    let string = "echo run >> /tmp/runs; seq 1 200000; sleep 0.3; echo end >&2";
    let exec = Exec {
        request_id: id.clone(),
        ..shell(&format!("rm -f /tmp/runs; {string}"))
    };
    let mut given = Given::default();
    let mut cuts = 0;
    loop {
        let host = Host::connect(&socket).await?;
        let ask = if cuts == 0 {
            Ask::Exec(exec.clone())
        } else {
            let (stdout_offset, stderr_offset) = (given.stdout.len() as u64, given.stderr.len() as u64);
            Ask::Attach(Attach {
                request_id: id.clone(),
                stdout_offset,
                stderr_offset,
            })
        };
        let mut call = host.call(Verb::Exec, Some(ask), false).await?;
        if cuts == 10 {
            call.answers.collect(&mut given).await?;
            break;
        }
        for _ in 0..3 {
            match call.answers.next().await? {
                Some(Answer::Stdout(bytes)) => given.stdout.extend_from_slice(&bytes),
                Some(Answer::Stderr(bytes)) => given.stderr.extend_from_slice(&bytes),
                _ => {}
            }
        }
        cuts += 1;
    }
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    ensure(
        given.stdout == expected.as_bytes() && given.stderr == b"end\n",
        (given.stdout.len(), &given.ended),
    )?;
    let host = Host::connect(&socket).await?;
    ensure(output(&host, "cat /tmp/runs").await? == "run", "ran once")?;
    let again = host.ask(Verb::Exec, Some(Ask::Exec(exec))).await?;
    ensure(
        matches!(again, Answer::Fault(_)),
        "a repeated start whose output is gone says so",
    )?;
    let small = shell("echo once");
    let (first, second) = (host.run(small.clone()).await?, host.run(small).await?);
    ensure(first.pid == second.pid && first.stdout == second.stdout, second)?;
    Ok(format!("{cuts} cuts, {} bytes", given.stdout.len()))
}

async fn reconnect(socket: PathBuf) -> Result<String, Failure> {
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let host = Host::connect(&socket).await?;
        ensure(
            matches!(host.ask(Verb::Ping, None).await?, Answer::Done(_)),
            "done",
        )?;
        times.push(begun.elapsed());
    }
    Ok(format!("hello and ping p50 {:?}", median(times)))
}

/// A hello in the middle of a conversation, as after a restore that the guest did not notice, begins a new one.
async fn hello_inside(socket: PathBuf) -> Result<String, Failure> {
    let (mut stream, _) = host::shake_hands(&socket).await?;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    let mut settings = [0; 9];
    stream.read_exact(&mut settings).await?;
    let begun = Instant::now();
    host::greet(&mut stream).await?;
    Ok(format!("answered after {:?}", begun.elapsed()))
}

async fn garbage(socket: PathBuf) -> Result<String, Failure> {
    for noise in [
        vec![0; 300_000],
        vec![0xff; 300_000],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff".repeat(50),
    ] {
        let (mut stream, _) = host::shake_hands(&socket).await?;
        // The agent may hang up before it has read all of it.
        drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(&noise)).await);
    }
    let host = Host::connect(&socket).await?;
    let mut call = host.call(Verb::Exec, None, true).await?;
    ensure(
        matches!(call.answers.next().await?, Some(Answer::Fault(_))),
        "an empty request is refused",
    )?;
    output(&host, "echo well").await
}

async fn rename(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    output(&host, "mv /usr/share/common-licenses /usr/share/moved && ls /usr/share/moved | wc -l && mv /usr/share/moved /usr/share/common-licenses").await
}

async fn oom(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let given = host.run(shell("tail /dev/zero")).await?;
    ensure(given.ended.oom_killed, &given.ended)?;
    output(&host, "echo survived").await
}

/// For an image that holds one static program, `/hello`, and nothing else.
async fn lean(socket: PathBuf) -> Result<String, Failure> {
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

async fn power_off(socket: PathBuf) -> Result<String, Failure> {
    let host = Host::connect(&socket).await?;
    let left = shell("trap 'echo end > /tmp/trapped; exit' TERM; sleep 1000 & wait");
    let _call = host.call(Verb::Exec, Some(Ask::Exec(left)), false).await?;
    let begun = Instant::now();
    let answer = host.ask(Verb::PowerOff, None).await?;
    let answered = begun.elapsed();
    ensure(matches!(answer, Answer::Done(_)), answer)?;
    drop(host);
    wait_until_gone(&socket).await;
    Ok(format!(
        "answered after {answered:?}, gone after {:?}",
        begun.elapsed()
    ))
}

async fn wait_until_gone(socket: &Path) {
    while tokio::net::UnixStream::connect(socket).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
