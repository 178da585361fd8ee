//! What a command gets, and what it gives.

use bytes::Bytes;
use pyro_proto::file::WorkspaceTree;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Attach, Exec, FaultKind, Outcome, Verb};

use crate::agent::Agent;
use crate::calls::{argv, configuration, ensure, output, refusal, shell, text};
use crate::hold;
use crate::host::{self, Given};

#[test]
fn a_command_gives_its_output_and_its_end() {
    hold(Agent::start, async |agent| {
        let host = agent.connect_to_workspace().await?;
        let pong = host.ask(Verb::Ping, None).await?;
        ensure(matches!(pong, Answer::Done(_)), pong)?;
        let given = host.run(shell("echo out; echo err >&2; exit 7")).await?;
        ensure(
            given.ended.status == 7 && given.stdout == b"out\n" && given.stderr == b"err\n",
            &given,
        )?;
        let given = host.run(shell("kill -SEGV $$")).await?;
        ensure(
            given.ended.outcome() == Outcome::Signaled && given.ended.signal == 11,
            &given,
        )?;
        let given = host.run(argv(&["no-such-program"])).await?;
        ensure(
            given.ended.outcome() == Outcome::NotStarted && given.ended.status == 127,
            &given,
        )
    });
}

#[test]
fn the_workspace_is_in_the_private_directory() {
    hold(Agent::start, async |agent| {
        let host = agent.connect_to_workspace().await?;
        let tree = agent.dir().join("tree");
        output(&host, "mkdir sub && echo here > sub/file").await?;
        let at = |cwd: &'static str| Exec {
            cwd: Bytes::from_static(cwd.as_bytes()),
            ..argv(&["pwd"])
        };
        for (cwd, place) in [
            ("", tree.clone()),
            ("/workspace", tree.clone()),
            ("/workspace/sub", tree.join("sub")),
            ("/", "/".into()),
            ("/usr", "/usr".into()),
        ] {
            let given = host.run(at(cwd)).await?;
            ensure(text(&given.stdout) == place.to_string_lossy(), (cwd, &given))?;
        }
        ensure(
            refusal(&host, at("/workspace/missing")).await? == FaultKind::InvalidArgument,
            "a directory that is missing",
        )?;
        let made = Exec {
            create_cwd: true,
            ..at("/workspace/made/here")
        };
        host.run(made).await?;
        ensure(tree.join("made/here").is_dir(), "it is made")
    });
}

#[test]
fn nothing_of_the_host_is_passed_on() {
    hold(Agent::start, async |agent| {
        let host = agent.connect_to_workspace().await?;
        let exec = Exec {
            env: vec![Bytes::from_static(b"A=1")],
            ..argv(&["env"])
        };
        let id = exec.request_id.clone();
        let given = host.run(exec).await?;
        let mut lines: Vec<_> = text(&given.stdout).lines().collect();
        lines.sort_unstable();
        let dir = agent.dir();
        let name = output(&host, "id -un 2> /dev/null; true").await?;
        let wanted = format!(
            "A=1 HOME={dir}/home LANG=C.UTF-8 LOGNAME={name} \
             PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYRO_COMMAND={id} \
             PYRO_WORKSPACE={dir}/tree TERM=dumb TMPDIR={dir}/tmp USER={name}",
            dir = dir.display()
        );
        ensure(lines.join(" ") == wanted, (&lines, &wanted))?;
        // The shell opens none itself, and its own output is a pipe.
        let seen = output(&host, "cd /proc/self/fd; for i in *; do echo $i; done; umask").await?;
        let descriptors: Vec<_> = seen.lines().collect();
        ensure(
            matches!(
                descriptors[..],
                ["0", "1", "2", "0022"] | ["0", "1", "2", _, "0022"]
            ),
            &descriptors,
        )?;
        let seen = output(
            &host,
            "readlink /proc/self/fd/0 && ls -l /proc/$$/fd | grep -c socket; true",
        )
        .await?;
        ensure(seen == "/dev/null\n0", &seen)
    });
}

#[test]
fn everything_is_done_as_the_caller() {
    hold(Agent::start, async |agent| {
        let host = agent.connect().await?;
        let (uid, gid) = agent.ids();
        let as_user = |user: String| Exec {
            user,
            ..shell("id -u; id -g")
        };
        for user in [String::new(), uid.to_string(), format!("{uid}:{gid}")] {
            let given = host.run(as_user(user)).await?;
            ensure(text(&given.stdout) == format!("{uid}\n{gid}"), &given)?;
        }
        for user in ["4242", "no-such-user", "daemon", ":4242"] {
            let refused = refusal(&host, as_user(user.to_owned())).await?;
            ensure(refused == FaultKind::InvalidArgument, (user, refused))?;
            let mut configuration = configuration("alpha", "0123456789abcdef0123456789abcdef")?;
            configuration.workspace = Some(WorkspaceTree {
                seeded: false,
                user: user.to_owned(),
            });
            let answer = host
                .ask(Verb::Configure, Some(Ask::Configure(configuration)))
                .await?;
            let refused =
                matches!(&answer, Answer::Fault(fault) if fault.kind() == FaultKind::InvalidArgument);
            ensure(refused, &answer)?;
        }
        let rehearsed = Exec {
            rehearsal: true,
            ..argv(&["true"])
        };
        ensure(
            refusal(&host, rehearsed).await? == FaultKind::Unsupported,
            "no rehearsal",
        )
    });
}

#[test]
fn a_command_is_found_again_by_another_conversation() {
    hold(Agent::start, async |agent| {
        let host = agent.connect_to_workspace().await?;
        let exec = Exec {
            stdin: true,
            ..shell("echo $$; read line; echo got $line; cat")
        };
        let id = exec.request_id.clone();
        let mut call = host.call(Verb::Exec, Some(Ask::Exec(exec)), false).await?;
        while !matches!(call.answers.next().await?, Some(Answer::Stdout(_))) {}
        // The old one is still open: the new one takes its place.
        let newer = agent.connect().await?;
        let attach = Ask::Attach(Attach {
            request_id: id,
            ..Attach::default()
        });
        let mut again = newer.call(Verb::Exec, Some(attach), false).await?;
        host::say(
            &mut again.send,
            Ask::Stdin(Bytes::from_static(b"a line\nmore")),
            false,
        )
        .await?;
        host::say(&mut again.send, Ask::StdinEnd(true), false).await?;
        let mut given = Given::default();
        again.answers.collect(&mut given).await?;
        let wanted = format!("{}\ngot a line\nmore", given.pid);
        ensure(text(&given.stdout) == wanted, &given)?;
        ensure(host.ask(Verb::Ping, None).await.is_err(), "the old one is cut")
    });
}
