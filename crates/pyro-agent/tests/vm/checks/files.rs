//! The workspace's tree: what the host does to it, what commands do to it, and that either sees the other's.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use bytes::Bytes;
use pyro_image::seed::{SeedOptions, SeedOwner, SeedPlan, build_seed_image};
use pyro_proto::file::{
    FileEntry, FileKind, FileWritten, ListFiles, ReadEnd, ReadFile, WorkspaceTree, WriteFile,
};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Configure, FaultKind, Verb};
use tempfile::TempDir;

use super::{configuration, configure, ensure, output, shell, text};
use crate::host::{self, Failure, Host};
use crate::input;
use crate::machine::Machine;

pub(super) const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef";

/// To whom the trees belong; no image needs to know them.
const USER: &str = "1234:4321";

/// A configuration with a workspace.
pub(super) fn with_workspace(seeded: bool) -> Result<Configure, Failure> {
    Ok(Configure {
        workspace: Some(WorkspaceTree {
            seeded,
            user: USER.to_owned(),
        }),
        ..configuration("alpha", MACHINE_ID)?
    })
}

fn bytes(path: &str) -> Bytes {
    Bytes::copy_from_slice(path.as_bytes())
}

async fn list(host: &Host, request: ListFiles) -> Result<(Vec<FileEntry>, bool), Failure> {
    let mut call = host
        .call(Verb::ListFiles, Some(Ask::ListFiles(request)), true)
        .await?;
    let mut entries = Vec::new();
    loop {
        match call.answers.next().await?.ok_or("the list has no end")? {
            Answer::FileEntries(some) => entries.extend(some.entries),
            Answer::ListEnd(end) => return Ok((entries, end.more)),
            other => return Err(format!("no list: {other:?}").into()),
        }
    }
}

async fn all(host: &Host) -> Result<String, Failure> {
    let request = ListFiles {
        recursive: true,
        ..ListFiles::default()
    };
    let (entries, _) = list(host, request).await?;
    let paths: Vec<&str> = entries.iter().map(|entry| text(&entry.path)).collect();
    Ok(paths.join(" "))
}

async fn read(host: &Host, request: ReadFile) -> Result<(FileEntry, Vec<u8>, ReadEnd), Failure> {
    let mut call = host
        .call(Verb::ReadFile, Some(Ask::ReadFile(request)), true)
        .await?;
    let Some(Answer::FileEntry(entry)) = call.answers.next().await? else {
        return Err("no entry".into());
    };
    let mut content = Vec::new();
    loop {
        match call.answers.next().await?.ok_or("the part has no end")? {
            Answer::Data(data) => content.extend_from_slice(&data),
            Answer::ReadEnd(end) => return Ok((entry, content, end)),
            other => return Err(format!("no part: {other:?}").into()),
        }
    }
}

async fn content(host: &Host, path: &str) -> Result<String, Failure> {
    let request = ReadFile {
        path: bytes(path),
        max_bytes: 1 << 20,
        ..ReadFile::default()
    };
    let (_, content, _) = read(host, request).await?;
    Ok(String::from_utf8(content)?)
}

async fn try_write(host: &Host, request: WriteFile, content: &[u8]) -> Result<Answer, Failure> {
    let mut call = host
        .call(Verb::WriteFile, Some(Ask::WriteFile(request)), false)
        .await?;
    for chunk in content.chunks(pyro_proto::CHUNK_BYTES) {
        let data = Ask::Data(Bytes::copy_from_slice(chunk));
        host::say(&mut call.send, data, false).await?;
    }
    host::say(&mut call.send, Ask::DataEnd(true), true).await?;
    call.answers.next().await?.ok_or_else(|| "no answer".into())
}

async fn write(host: &Host, request: WriteFile, content: &[u8]) -> Result<FileWritten, Failure> {
    match try_write(host, request, content).await? {
        Answer::FileWritten(written) => Ok(written),
        other => Err(format!("not written: {other:?}").into()),
    }
}

fn to(path: &str) -> WriteFile {
    WriteFile {
        path: bytes(path),
        create_parents: true,
        ..WriteFile::default()
    }
}

fn refusal(answer: Answer) -> Result<FaultKind, Failure> {
    match answer {
        Answer::Fault(fault) => Ok(fault.kind()),
        other => Err(format!("not refused: {other:?}").into()),
    }
}

async fn unreadable(host: &Host, path: &str) -> Result<FaultKind, Failure> {
    let request = ReadFile {
        path: bytes(path),
        max_bytes: 1,
        ..ReadFile::default()
    };
    refusal(host.ask(Verb::ReadFile, Some(Ask::ReadFile(request))).await?)
}

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
    let there = pyro_proto::message::Exec {
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

/// A seed that comes after the boot, as after a restore, is the tree with all that it has.
pub(crate) async fn seeded(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    configure(&host, configuration("alpha", MACHINE_ID)?).await?;
    // Whoever had read the disk before would now have other bytes than are there.
    put_seed(machine)?;
    let begun = Instant::now();
    configure(&host, with_workspace(true)?).await?;
    let took = begun.elapsed();
    ensure(
        all(&host).await? == "dir dir/deep dir/deep/file empty link run top",
        all(&host).await?,
    )?;
    ensure(content(&host, "link").await? == "deep\n", "a link of the seed")?;
    let seen = output(
        &host,
        "cd /workspace && cat dir/deep/file && stat -c %n:%u:%a . run dir && ./run",
    )
    .await?;
    ensure(seen == "deep\n.:1234:755\nrun:1234:755\ndir:1234:755\nran", &seen)?;
    Ok(format!("configured with a seed in {took:?}"))
}

/// All that the seed has can be changed, from either side.
pub(crate) async fn seed_changes(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let more = WriteFile {
        append: true,
        ..to("top")
    };
    let written = write(&host, more, b"more\n").await?;
    ensure((written.size, written.created) == (9, false), written)?;
    let written = write(&host, to("run"), b"#!/bin/sh\necho anew\n").await?;
    ensure((written.mode, written.created) == (0o755, false), written)?;
    write(&host, to("dir/deep/new"), b"new").await?;
    let seen = output(
        &host,
        "cd /workspace && cat top && ./run && mv dir moved && rm -r empty && mkdir empty && ls moved/deep",
    )
    .await?;
    ensure(seen == "top\nmore\nanew\nfile\nnew", &seen)?;
    write(&host, to("dir/other"), b"").await?;
    let wanted = "dir dir/other empty link moved moved/deep moved/deep/file moved/deep/new run top";
    ensure(all(&host).await? == wanted, all(&host).await?)?;
    ensure(
        unreadable(&host, "link").await? == FaultKind::PathNotFound,
        "a link that leads nowhere now",
    )?;
    Ok(String::new())
}

/// The next machine has the same seed and the same changes.
pub(crate) async fn seeded_again(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    power_off_and_start(machine, host).await?;
    let host = machine.connect().await?;
    configure(&host, with_workspace(true)?).await?;
    let wanted = "dir dir/other empty link moved moved/deep moved/deep/file moved/deep/new run top";
    ensure(all(&host).await? == wanted, all(&host).await?)?;
    ensure(
        content(&host, "moved/deep/file").await? == "deep\n",
        "behind a rename",
    )?;
    ensure(content(&host, "top").await? == "top\nmore\n", "changed")?;
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

async fn power_off_and_start(machine: &mut Machine, host: Host) -> Result<(), Failure> {
    let answer = host.ask(Verb::PowerOff, None).await?;
    ensure(matches!(answer, Answer::Done(_)), answer)?;
    drop(host);
    ensure(machine.ended().await?.success(), "QEMU ends well")?;
    let mut e2fsck = Command::new(input::program("e2fsck", "e2fsprogs")?);
    input::output(e2fsck.arg("-fn").arg(machine.disk()))?;
    let mut dumpe2fs = Command::new(input::program("dumpe2fs", "e2fsprogs")?);
    let features = input::output(dumpe2fs.arg("-h").arg(machine.disk()))?;
    ensure(
        !text(&features).contains("needs_recovery"),
        "a journal that is done with",
    )?;
    machine.start_again().await
}

fn put_seed(machine: &Machine) -> Result<(), Failure> {
    write_seed(machine, |top| {
        let place = |name: &str| top.join(name);
        fs::create_dir_all(place("dir/deep"))?;
        fs::create_dir(place("empty"))?;
        fs::write(place("dir/deep/file"), "deep\n")?;
        fs::write(place("top"), "top\n")?;
        fs::write(place("run"), "#!/bin/sh\necho ran\n")?;
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(place("run"), executable)?;
        std::os::unix::fs::symlink("/workspace/dir/deep/file", place("link"))?;
        Ok(())
    })
}

/// Makes a seed and writes it to the disk that the machine has for one.
pub(super) fn write_seed(
    machine: &Machine,
    fill: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let files = TempDir::with_prefix("pyro-agent-seed-")?;
    let top = files.path().join("seed");
    fs::create_dir(&top)?;
    fill(&top)?;
    let never = AtomicBool::new(false);
    let mut plan = SeedPlan::new(&top, &SeedOptions::default(), &mut |_| {}, &never)?;
    plan.nest("tree")?;
    let image = files.path().join("image");
    let owner = SeedOwner { uid: 1234, gid: 4321 };
    build_seed_image(plan, &image, owner, &mut |_| {}, &never)?;
    let mut disk = OpenOptions::new().write(true).open(machine.seed())?;
    std::io::copy(&mut File::open(&image)?, &mut disk)?;
    Ok(())
}
