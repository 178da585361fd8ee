//! Many entries put at once. All but the last two checks go on from those of the changes.

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyro_proto::file::{FileKind, Put, PutCommit};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{FaultKind, Verb};

use super::seed::write_seed;
use super::{configuration, configure, ensure, output};
use crate::differences::{begin_to_fetch, compare, fetch};
use crate::entries::{absent, entry, file, put_all, send, try_put};
use crate::host::{self, Failure, Host};
use crate::machine::Machine;
use crate::workspace::{MACHINE_ID, with_workspace};

/// How many entries the largest call has.
const MANY: usize = 600;

/// How often the machine is killed while it puts.
const KILLS: u32 = 2;

/// All that is in a directory, as it was before or not.
async fn digest(host: &Host, directory: &str) -> Result<String, Failure> {
    let find = format!(
        "cd /workspace/{directory} && (find . -printf '%p %y %m %U %T@ %l\\n' | sort; \
         find . -type f | sort | xargs cat) | sha256sum"
    );
    output(host, &find).await
}

/// Every kind of entry takes the place of whatever is there, a part of the seed or not.
pub(crate) async fn put(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let entries = [
        file("file", "put"),
        entry(FileKind::Directory, "link", ""),
        file("link/inside", "inside"),
        file("c/d", "a file"),
        entry(FileKind::Symlink, "many/0", "/anywhere"),
        absent("many/1"),
        absent("many/2/2"),
        absent("pipe"),
        absent("renamed"),
        absent("never"),
        file("new/deep/file", "deep"),
        entry(FileKind::HardLink, "new/other", "new/deep/file"),
        file("many/3/3", "same\n"),
    ];
    let begun = Instant::now();
    let result = put_all(&host, "", &entries).await?;
    let took = begun.elapsed();
    ensure((result.entries, result.deleted) == (8, 4), result)?;
    let seen = output(
        &host,
        "cd /workspace && cat file && stat -c %a:%u:%Y:%h file link c/d many/0 new/deep/file && readlink many/0 \
         && cat link/inside c/d new/other && ls -d many/1 many/2/2 pipe renamed 2> /dev/null; ls many/2 | wc -l",
    )
    .await?;
    let wanted = "put755:1234:1000000000:1\n755:1234:1000000000:2\n755:1234:1000000000:1\n\
                  777:1234:1000000000:1\n755:1234:1000000000:2\n/anywhere\ninsidea filedeep99";
    ensure(seen == wanted, &seen)?;
    let found = compare(&host, "c").await?;
    ensure(found == "~c/d -c/d/e -c/d/e/f -c/d/e/g", &found)?;
    let found = compare(&host, "many/3").await?;
    ensure(found == "*many/3/3", &found)?;
    // Through a link nothing is written, and nothing of the call is.
    output(&host, "ln -s /tmp /workspace/out").await?;
    for path in ["out/file", "many/0/file"] {
        let answer = try_put(&host, "", &[file("first", "x"), file(path, "x")]).await?;
        let refused = matches!(&answer, Answer::Fault(fault) if fault.kind() == FaultKind::PathRefused);
        ensure(refused, &answer)?;
    }
    let seen = output(
        &host,
        "ls /tmp/file /workspace/first 2> /dev/null; rm /workspace/out",
    )
    .await?;
    ensure(seen.is_empty(), &seen)?;
    Ok(format!("put in {took:?}"))
}

/// A path that a command changed meanwhile is not written over.
pub(crate) async fn conflict(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let mut call = begin_to_fetch(&host).await?;
    let (entry, _) = fetch(&mut call, "file", false).await?;
    let (mut put, content) = file("file", "mine");
    put.expected = entry.stamp;
    put.keep_mode = true;
    let entries = [file("first", "x"), (put, content)];
    output(&host, "cd /workspace && cp file copy && mv copy file").await?;
    let answer = try_put(&host, "", &entries).await?;
    let refused = matches!(&answer, Answer::Fault(fault) if fault.kind() == FaultKind::Conflict
        && fault.message.contains("/workspace/file"));
    ensure(refused, &answer)?;
    let seen = output(&host, "cd /workspace && cat file && ls first 2> /dev/null; true").await?;
    ensure(seen == "put", &seen)?;
    Ok(String::new())
}

/// A call that is broken off leaves nothing, and what is put is put by whoever comes next.
pub(crate) async fn given_up(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let before = digest(&host, "link").await?;
    let large = "x".repeat(1 << 20);
    let entries = [file("inside", "other"), file("large", &large)];
    drop(send(&host, "link", &entries).await?);
    ensure(digest(&host, "link").await? == before, "nothing is put")?;
    put_all(&host, "link", &entries).await?;
    ensure(digest(&host, "link").await? != before, "it is put")?;
    output(&host, "rm -r /workspace/link").await?;
    Ok(String::new())
}

/// Many entries take a short time, where there is nothing yet and where everything is replaced.
pub(crate) async fn many(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let entries = |content: &str| -> Vec<_> {
        (0..MANY)
            .map(|number| file(&format!("{}/{number}", number % 100), content))
            .collect()
    };
    let begun = Instant::now();
    let mut call = send(&host, "pushed", &entries("one")).await?;
    let sent = begun.elapsed();
    let commit = Ask::PutCommit(PutCommit { dry_run: false });
    host::say(&mut call.send, commit, true).await?;
    let answer = call.answers.next().await?;
    ensure(matches!(&answer, Some(Answer::PutResult(_))), &answer)?;
    let new = begun.elapsed();
    let begun = Instant::now();
    put_all(&host, "pushed", &entries("two")).await?;
    let replaced = begun.elapsed();
    let seen = output(
        &host,
        "cd /workspace/pushed && cat */* | tr -d two | wc -c && find . -type f | wc -l",
    )
    .await?;
    ensure(seen == format!("0\n{MANY}"), &seen)?;
    let begun = Instant::now();
    put_all(&host, "", &[absent("pushed")]).await?;
    let deleted = begun.elapsed();
    Ok(format!(
        "{MANY} files put in {new:?}, of which {sent:?} to send them; replaced in {replaced:?}, deleted in {deleted:?}"
    ))
}

/// Killed at any moment of a put, the machine has the tree as before or as after.
pub(crate) async fn killed(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    configure(&host, configuration("alpha", MACHINE_ID)?).await?;
    write_seed(machine, |top| {
        for file in 0..500 {
            let directory = top.join(format!("some/{}", file % 20));
            fs::create_dir_all(&directory)?;
            fs::write(directory.join(file.to_string()), "same\n")?;
        }
        Ok(())
    })?;
    configure(&host, with_workspace(true)?).await?;
    drop(host);
    let mut outcomes = Vec::new();
    for kill in 0..KILLS {
        let host = machine.connect().await?;
        let content = format!("put {kill}");
        // Files of the seed are replaced, which copies each of them up to put it by.
        let mut entries: Vec<_> = (0..500)
            .filter(|number| number % 20 > 1)
            .map(|number| file(&format!("{}/{number}", number % 20), &content))
            .collect();
        entries.extend([
            absent("0"),
            file("1", &content),
            file(&format!("new-{kill}/file"), &content),
        ]);
        let before = digest(&host, "some").await?;
        let mut call = send(&host, "some", &entries).await?;
        let commit = Ask::PutCommit(PutCommit { dry_run: false });
        host::say(&mut call.send, commit, true).await?;
        let is_told = kill == 0;
        if is_told {
            let answer = call.answers.next().await?;
            ensure(matches!(&answer, Some(Answer::PutResult(_))), &answer)?;
        } else {
            // The first of the steps has been taken.
            output(&host, "until test -f /workspace/some/1; do sleep 0.01; done").await?;
            tokio::time::sleep(Duration::from_millis(u64::from(kill - 1) * 200)).await;
        }
        machine.kill().await?;
        drop((call, host));
        machine.start_again().await?;
        let host = machine.connect().await?;
        configure(&host, with_workspace(true)?).await?;
        let look = "cd /workspace/some && cat [2-9]/* 1?/* | tr -d '\n' | md5sum; find . -type f | wc -l";
        let look = format!("{look}; ls -d 0 new-{kill} 2> /dev/null; cat 1 2> /dev/null; true");
        let seen = output(&host, &look).await?;
        let is_put = seen.ends_with(&format!("\n452\nnew-{kill}\n{content}"));
        ensure(is_put || digest(&host, "some").await? == before, (&seen, kill))?;
        ensure(is_put || !is_told, "what is told is durable")?;
        outcomes.push(is_put);
        if is_put {
            let again = format!("cd /workspace/some && rm -r 1 new-{kill} && mkdir -p 0/x 1/x && sync");
            output(&host, &again).await?;
        }
    }
    Ok(format!("put: {outcomes:?}"))
}

/// What has no room is refused while it is sent, and leaves nothing.
pub(crate) async fn full(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    output(&host, "rm -f /workspace/filler").await?;
    let before = output(
        &host,
        "cd /workspace && find . | sort && df --output=iused . | tail -1",
    )
    .await?;
    let content = "x".repeat(8 << 20);
    let entries: Vec<_> = (0..64)
        .map(|number| file(&number.to_string(), &content))
        .collect();
    let dest = Bytes::from_static(b"dest");
    let mut call = host.call(Verb::Put, Some(Ask::Put(Put { dest })), false).await?;
    let feed = async {
        for (put, content) in &entries {
            host::say(&mut call.send, Ask::PutEntry(put.clone()), false).await?;
            for chunk in content.chunks(pyro_proto::CHUNK_BYTES) {
                host::say(&mut call.send, Ask::Data(content.slice_ref(chunk)), false).await?;
            }
            host::say(&mut call.send, Ask::DataEnd(true), false).await?;
        }
        Ok::<_, Failure>(())
    };
    let answer = tokio::select! {
        biased;
        answer = call.answers.next() => answer?,
        // The agent takes no more, and has said why.
        fed = feed => {
            ensure(fed.is_err(), "all of it has room")?;
            call.answers.next().await?
        }
    };
    let refused = matches!(&answer, Some(Answer::Fault(fault)) if fault.kind() == FaultKind::NoSpace);
    ensure(refused, &answer)?;
    // What was staged is removed behind the answer.
    let seen = output(
        &host,
        "cd /workspace && for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2; \
         seen=\"$(find . | sort && df --output=iused . | tail -1)\"; done; echo \"$seen\"",
    )
    .await?;
    ensure(seen == before, (seen, before))?;
    Ok(String::new())
}
