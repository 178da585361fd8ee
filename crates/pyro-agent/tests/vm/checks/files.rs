//! The workspace's tree: what the host does to it, what commands do to it, and that either sees the other's.

use std::time::Instant;

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind, FileWritten, ListFiles, ReadFile, WriteFile};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Exec, FaultKind, Verb};

use super::{configuration, configure, ensure, output, shell, text};
use crate::host::{self, Failure};
use crate::machine::Machine;
use crate::tree::{all, bytes, content, list, read, refusal, to, try_write, unreadable, write};
use crate::workspace::{MACHINE_ID, USER, power_off_and_start, with_workspace};

/// Without a workspace there is no file to ask for; with one it is there at once, empty, and the image's user's.
pub(crate) async fn empty(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    configure(&host, configuration("alpha", MACHINE_ID)?).await?;
    ensure(
        unreadable(&host, "x").await? == FaultKind::Unconfigured,
        "no workspace",
    )?;
    let begun = Instant::now();
    configure(&host, with_workspace(false)?).await?;
    let took = begun.elapsed();
    // Said once more, as by a host that did not hear the answer, it changes nothing.
    configure(&host, with_workspace(false)?).await?;
    ensure(all(&host).await?.is_empty(), "the tree is empty")?;
    let seen = output(
        &host,
        "stat -c %u:%g:%a /workspace; grep -c ' /workspace ' /proc/mounts",
    )
    .await?;
    ensure(seen == "1234:4321:755\n1", &seen)?;
    // Nothing of how it is made is in a command's reach.
    let hidden = output(
        &host,
        "ls -d /ws /seed /disk /workspace/.. /workspace/../stage 2> /dev/null; true",
    )
    .await?;
    ensure(hidden == "/workspace/..", &hidden)?;
    Ok(format!("configured with a workspace in {took:?}"))
}

/// What is written is read, and listed.
pub(crate) async fn round_trip(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let begun = Instant::now();
    let written = write(&host, to("src/main.rs"), b"fn main() {}\n").await?;
    let took = begun.elapsed();
    let wanted = FileWritten {
        size: 13,
        mode: 0o644,
        created: true,
    };
    ensure(written == wanted, written)?;
    ensure(content(&host, "src/main.rs").await? == "fn main() {}\n", "read")?;
    let more = WriteFile {
        append: true,
        executable: Some(true),
        ..to("src/main.rs")
    };
    let written = write(&host, more, b"// end\n").await?;
    ensure(
        (written.size, written.mode, written.created) == (20, 0o755, false),
        written,
    )?;
    let second = ReadFile {
        path: bytes("src/main.rs"),
        max_bytes: 100,
        start_line: 2,
        line_count: 1,
        ..ReadFile::default()
    };
    let (entry, content, end) = read(&host, second).await?;
    ensure(content == b"// end\n" && end.is_end && end.offset == 13, end)?;
    ensure(entry.modified_s > 1_700_000_000, &entry)?;
    ensure(all(&host).await? == "src src/main.rs", "listed")?;
    Ok(format!("a small file was written in {took:?}"))
}

/// A command sees the host's files at `/workspace`, and the host sees the command's.
pub(crate) async fn both_sides(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let seen = output(
        &host,
        "cd /workspace && tail -n 1 src/main.rs && stat -c %u:%g:%a src src/main.rs",
    )
    .await?;
    ensure(seen == "// end\n1234:4321:755\n1234:4321:755", &seen)?;
    output(
        &host,
        "cd /workspace && mkdir out && echo made > out/file && mv out moved",
    )
    .await?;
    ensure(
        content(&host, "moved/file").await? == "made\n",
        "a command's file",
    )?;
    // Where a command is started that says nothing of it.
    let there = Exec {
        cwd: bytes("/workspace"),
        create_cwd: true,
        user: USER.to_owned(),
        ..shell("pwd && touch own && rm own && rm -r moved")
    };
    let given = host.run(there).await?;
    // What root has made is in a directory that is the user's.
    ensure(
        text(&given.stdout) == "/workspace" && given.ended.status != 0,
        &given,
    )?;
    output(&host, "rm -r /workspace/moved").await?;
    ensure(all(&host).await? == "src src/main.rs", "deleted")?;
    Ok(String::new())
}

/// A link is followed as far as it stays inside, and never for writing.
pub(crate) async fn links(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    output(
        &host,
        "cd /workspace && ln -s /etc etc && ln -s ../etc/passwd passwd && ln -s /workspace/src inside \
         && ln -s src/main.rs file && ln -s loop loop",
    )
    .await?;
    for path in ["inside/main.rs", "file"] {
        ensure(content(&host, path).await?.starts_with("fn main"), path)?;
    }
    for path in ["etc/passwd", "passwd", "etc", "loop"] {
        ensure(unreadable(&host, path).await? == FaultKind::PathRefused, path)?;
    }
    for path in [
        "etc/hosts",
        "inside/main.rs",
        "inside/new",
        "file",
        "passwd",
        "etc",
        "loop/x",
    ] {
        let refused = refusal(try_write(&host, to(path), b"x").await?)?;
        ensure(refused == FaultKind::PathRefused, (path, refused))?;
    }
    output(
        &host,
        "cd /workspace && rm etc passwd inside file loop && test ! -e /etc/new",
    )
    .await?;
    Ok(String::new())
}

/// Special files break no list, hold nobody up, and are neither read nor written.
pub(crate) async fn special(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    output(
        &host,
        "cd /workspace && mkfifo fifo && mknod null c 1 3 && mkdir -m 0 shut && echo > null",
    )
    .await?;
    let (entries, _) = list(&host, ListFiles::default()).await?;
    let kinds: Vec<FileKind> = entries.iter().map(FileEntry::kind).collect();
    let wanted = [
        FileKind::Fifo,
        FileKind::Device,
        FileKind::Directory,
        FileKind::Directory,
    ];
    ensure(kinds == wanted, &entries)?;
    for path in ["fifo", "null", "shut", ""] {
        ensure(unreadable(&host, path).await? == FaultKind::WrongFileType, path)?;
        for append in [false, true] {
            let request = WriteFile { append, ..to(path) };
            let refused = refusal(try_write(&host, request, b"x").await?)?;
            ensure(refused == FaultKind::WrongFileType, (path, refused))?;
        }
    }
    output(&host, "cd /workspace && rm fifo null && rmdir shut").await?;
    Ok(String::new())
}

/// A rehearsal has nothing of the workspace, and leaves it alone.
pub(crate) async fn rehearsed(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let rehearsal = Exec {
        rehearsal: true,
        ..shell("mkdir /workspace && touch /workspace/file; ls -d /ws /seed /disk /workspace/*")
    };
    let given = host.run(rehearsal).await?;
    ensure(text(&given.stdout) == "/workspace/file", &given)?;
    ensure(
        all(&host).await? == "src src/main.rs",
        "the workspace is as it was",
    )?;
    ensure(
        output(&host, "ls /workspace").await? == "src",
        "also for commands",
    )?;
    Ok(String::new())
}

/// Pages of a large tree give all of it, once.
pub(crate) async fn pages(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    output(&host, "cd /workspace && for d in a b c.d c; do mkdir -p many/$d; seq -f many/$d/%g 1 500 | xargs touch; done").await?;
    let begun = Instant::now();
    let whole = all(&host).await?;
    let took = begun.elapsed();
    let mut paths = Vec::new();
    let mut after = Bytes::new();
    loop {
        let request = ListFiles {
            recursive: true,
            limit: 300,
            after,
            ..ListFiles::default()
        };
        let (entries, more) = list(&host, request).await?;
        ensure(entries.len() == 300 || !more, entries.len())?;
        after = entries.last().map(|entry| entry.path.clone()).unwrap_or_default();
        paths.extend(entries.iter().map(|entry| text(&entry.path).to_owned()));
        if !more {
            break;
        }
    }
    ensure(paths.len() == 2007 && paths.join(" ") == whole, paths.len())?;
    output(&host, "rm -r /workspace/many").await?;
    Ok(format!("{} entries listed in {took:?}", paths.len()))
}

/// The largest content is written at once, and a longer one is refused.
pub(crate) async fn large(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let content: Vec<u8> = (0_u32..2 << 20).flat_map(u32::to_le_bytes).collect();
    let begun = Instant::now();
    write(&host, to("large"), &content).await?;
    let whole = begun.elapsed();
    let begun = Instant::now();
    write(&host, to("mebibyte"), &content[..1 << 20]).await?;
    let mebibyte = begun.elapsed();
    let part = ReadFile {
        path: bytes("large"),
        offset: 5 << 20,
        max_bytes: 1 << 20,
        ..ReadFile::default()
    };
    let (entry, read, end) = read(&host, part).await?;
    ensure(
        read == content[5 << 20..6 << 20] && !end.is_end && entry.size == 8 << 20,
        end,
    )?;
    let longer = [content, vec![0]].concat();
    let refused = refusal(try_write(&host, to("large"), &longer).await?)?;
    ensure(refused == FaultKind::InvalidArgument, refused)?;
    output(&host, "cd /workspace && rm large mebibyte").await?;
    Ok(format!("8 MiB written in {whole:?}, 1 MiB in {mebibyte:?}"))
}

/// A machine that is powered off leaves a clean disk, and the next one has the same tree.
pub(crate) async fn again(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    output(&host, "chown 77:88 /workspace && chmod 750 /workspace").await?;
    power_off_and_start(machine, host).await?;
    let host = machine.connect().await?;
    configure(&host, with_workspace(false)?).await?;
    ensure(all(&host).await? == "src src/main.rs", "the same tree")?;
    // What a command did to the tree's root is not undone.
    let seen = output(&host, "stat -c %u:%g:%a /workspace && ls /workspace").await?;
    ensure(seen == "77:88:750\nsrc", &seen)?;
    Ok(String::new())
}

/// What is written is there though the machine is killed, and what was being written is not.
pub(crate) async fn killed(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    write(&host, to("kept/file"), b"kept").await?;
    let mut call = host
        .call(Verb::WriteFile, Some(Ask::WriteFile(to("lost"))), false)
        .await?;
    host::say(&mut call.send, Ask::Data(Bytes::from_static(b"half")), false).await?;
    machine.kill().await?;
    drop(host);
    machine.start_again().await?;
    let host = machine.connect().await?;
    configure(&host, with_workspace(false)?).await?;
    ensure(content(&host, "kept/file").await? == "kept", "durable")?;
    ensure(
        all(&host).await? == "kept kept/file src src/main.rs",
        "nothing else",
    )?;
    Ok(String::new())
}

/// A write that has no room leaves what was there, and nothing beside it.
pub(crate) async fn full(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    configure(&host, with_workspace(false)?).await?;
    write(&host, to("file"), b"before").await?;
    let content = vec![7; 8 << 20];
    let mut count = 0;
    let refused = loop {
        let more = WriteFile {
            append: true,
            ..to("filler")
        };
        match try_write(&host, more, &content).await? {
            Answer::FileWritten(_) if count < 64 => count += 1,
            other => break refusal(other)?,
        }
    };
    ensure(refused == FaultKind::NoSpace && count > 1, (refused, count))?;
    let refused = refusal(try_write(&host, to("file"), &content).await?)?;
    ensure(refused == FaultKind::NoSpace, refused)?;
    let refused = refusal(try_write(&host, to("new/deep/file"), &content).await?)?;
    ensure(refused == FaultKind::NoSpace, refused)?;
    let (entries, _) = list(&host, ListFiles::default()).await?;
    let sizes: Vec<(&str, u64)> = entries
        .iter()
        .map(|entry| (text(&entry.path), entry.size))
        .collect();
    ensure(sizes == [("file", 6), ("filler", count * (8 << 20))], &sizes)?;
    Ok(format!("{count} times 8 MiB"))
}
