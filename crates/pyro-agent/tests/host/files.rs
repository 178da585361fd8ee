//! The workspace's tree: what the host does to it, what commands do to it, and that either sees the other's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use pyro_proto::file::{FileKind, ListFiles, PutCommit};
use pyro_proto::message::FaultKind;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;

use crate::agent::{Agent, Caller};
use crate::calls::{ensure, output};
use crate::differences::{begin_to_fetch, compare, export, fetch};
use crate::entries::{absent, entry, file, put_all, send, try_put};
use crate::hold;
use crate::host::{self, Failure, Host};
use crate::tree::{all, bytes, content, list, refusal, to, try_write, unreadable, write};

/// How many files a put replaces that is cut off.
const MANY: u32 = 300;

/// How often an agent is killed while it puts.
const KILLS: u32 = 5;

fn seeded(caller: Caller) -> Result<Agent, Failure> {
    Agent::start_seeded(caller, |tree| {
        fs::create_dir_all(tree.join("a/b"))?;
        for path in ["a/b/file", "changed", "gone", "locked", "moded"] {
            fs::write(tree.join(path), path)?;
        }
        fs::hard_link(tree.join("changed"), tree.join("twin"))?;
        symlink("/workspace/a/b/file", tree.join("link"))?;
        fs::set_permissions(tree.join("locked"), Permissions::from_mode(0o000))?;
        fs::set_permissions(tree.join("a/b"), Permissions::from_mode(0o555))?;
        Ok(())
    })
}

#[test]
fn what_is_written_is_read_by_either_side() {
    hold(Agent::start, async |agent| {
        let host = agent.connect().await?;
        ensure(
            unreadable(&host, "x").await? == FaultKind::Unconfigured,
            "no workspace",
        )?;
        let host = agent.connect_to_workspace().await?;
        let written = write(&host, to("new/deep/file"), b"of the host").await?;
        ensure(written.created && written.mode == 0o644, written)?;
        let seen = output(&host, "cat new/deep/file && stat -c %u:%g new new/deep/file").await?;
        let (uid, gid) = agent.ids();
        ensure(seen == format!("of the host{uid}:{gid}\n{uid}:{gid}"), &seen)?;
        output(
            &host,
            "printf 'of a command' > 'odd name\n\t'; chmod 0 'odd name\n\t'; ln -s / out",
        )
        .await?;
        ensure(
            content(&host, "odd name\n\t").await? == "of a command",
            "whatever its mode",
        )?;
        let mode = fs::metadata(agent.dir().join("tree/odd name\n\t"))?.mode();
        ensure(mode & 0o7777 == 0, mode)?;
        ensure(
            refusal(try_write(&host, to("out/file"), b"x").await?)? == FaultKind::PathRefused,
            "through a link",
        )?;
        ensure(
            unreadable(&host, "out/etc/passwd").await? == FaultKind::PathRefused,
            "out of the tree",
        )?;
        let request = ListFiles {
            path: bytes("new"),
            recursive: true,
            ..ListFiles::default()
        };
        let (entries, more) = list(&host, request).await?;
        let paths: Vec<_> = entries.iter().map(|entry| &entry.path[..]).collect();
        ensure(!more && paths == [&b"new/deep"[..], b"new/deep/file"], &paths)
    });
}

#[test]
fn a_tree_begins_as_a_copy_of_its_seed() {
    hold(seeded, async |mut agent| {
        let host = agent.connect_to_workspace().await?;
        let paths = all(&host).await?;
        ensure(
            paths == "a a/b a/b/file changed gone link locked moded twin",
            &paths,
        )?;
        ensure(compare(&host, "").await?.is_empty(), "nothing is changed")?;
        ensure(
            content(&host, "link").await? == "a/b/file",
            "a link into the tree",
        )?;
        output(&host, "ln -s \"$PYRO_WORKSPACE/a/b\" own").await?;
        ensure(content(&host, "own/file").await? == "a/b/file", "by its own path")?;
        output(&host, "rm own").await?;
        output(
            &host,
            "[ changed -ef twin ] && printf CHANGED > changed && rm gone && chmod 755 moded && mkfifo pipe \
             && touch -d 2001-01-01 a/b/file && mkdir -p new/dir && printf x > new/dir/file && chmod 0 new/dir/file",
        )
        .await?;
        let wanted = "*changed -gone *moded +new +new/dir +new/dir/file +pipe *twin";
        let found = compare(&host, "").await?;
        ensure(found == wanted, &found)?;
        let found = compare(&host, "new/dir").await?;
        ensure(found == "+new/dir +new/dir/file", &found)?;
        let mut call = begin_to_fetch(&host).await?;
        for (path, old, content) in [
            ("changed", true, "changed"),
            ("changed", false, "CHANGED"),
            ("gone", true, "gone"),
            ("locked", false, "locked"),
            ("new/dir/file", false, "x"),
        ] {
            let (_, found) = fetch(&mut call, path, old).await?;
            ensure(found.as_deref() == Some(content.as_bytes()), (path, found))?;
        }
        let found = export(&host, "").await?;
        let wanted = "Directory ,Directory a,Directory a/b,File a/b/file=a/b/file,File changed=CHANGED,Symlink link,\
                      File locked=locked,File moded=moded,Directory new,Directory new/dir,File new/dir/file=x,\
                      HardLink twin";
        ensure(found.replace("Fifo pipe,", "") == wanted, &found)?;
        // The tree stays when its agent goes, and the seed is as it was.
        agent.kill()?;
        agent.start_again()?;
        let host = agent.connect_to_workspace().await?;
        ensure(content(&host, "changed").await? == "CHANGED", "it is kept")?;
        let seed = agent.baseline();
        ensure(fs::read_to_string(seed.join("twin"))? == "changed", "the seed")?;
        ensure(
            fs::metadata(seed.join("locked"))?.mode() & 0o7777 == 0,
            "its modes",
        )
    });
}

#[test]
fn a_copy_that_was_cut_off_is_made_anew() {
    hold(seeded, async |mut agent| {
        drop(agent.connect().await?);
        agent.kill()?;
        let half = agent.dir().join("tree.new/a/b");
        fs::create_dir_all(&half)?;
        fs::write(half.join("half"), "")?;
        fs::set_permissions(&half, Permissions::from_mode(0o500))?;
        agent.take_over()?;
        agent.start_again()?;
        let host = agent.connect_to_workspace().await?;
        ensure(compare(&host, "").await?.is_empty(), "it is whole")?;
        ensure(!agent.dir().join("tree.new").exists(), "nothing else is left")
    });
}

#[test]
fn many_entries_are_put_at_once() {
    hold(seeded, async |agent| {
        let host = agent.connect_to_workspace().await?;
        let odd = "odd \u{fc} name\n";
        let entries = [
            file("changed", "put"),
            entry(FileKind::Directory, "twin", ""),
            file("twin/inside", "inside"),
            entry(FileKind::Symlink, "moded", "/anywhere"),
            absent("gone"),
            file("new/deep/file", "deep"),
            entry(FileKind::HardLink, "new/other", "new/deep/file"),
            file(odd, "odd"),
            file("locked", "unlocked"),
        ];
        let result = put_all(&host, "", &entries).await?;
        ensure((result.entries, result.deleted) == (8, 1), result)?;
        let tree = agent.dir().join("tree");
        let (uid, gid) = agent.ids();
        for (path, content) in [
            ("changed", "put"),
            ("twin/inside", "inside"),
            ("new/other", "deep"),
            (odd, "odd"),
            ("locked", "unlocked"),
        ] {
            ensure(fs::read_to_string(tree.join(path))? == content, path)?;
            let meta = fs::metadata(tree.join(path))?;
            ensure(
                (meta.uid(), meta.gid(), meta.mtime()) == (uid, gid, 1_000_000_000),
                (path, &meta),
            )?;
            ensure(meta.mode() & 0o7777 == 0o755, (path, meta.mode()))?;
        }
        ensure(fs::metadata(tree.join("new/other"))?.nlink() == 2, "a hard link")?;
        ensure(
            fs::read_link(tree.join("moded"))? == Path::new("/anywhere"),
            "a link",
        )?;
        ensure(!tree.join("gone").exists(), "it is deleted")?;
        // A conflict leaves everything as it was.
        let (mut put, content) = file("changed", "mine");
        put.expected = bytes("a stamp of long ago");
        let answer = try_put(&host, "", &[file("first", "x"), (put, content)]).await?;
        ensure(refusal(answer)? == FaultKind::Conflict, "a conflict")?;
        ensure(!tree.join("first").exists(), "nothing was put")?;
        // Where the owner may not write, too; a directory that lets nobody write is put as well.
        let (mut shut, nothing) = entry(FileKind::Directory, "shut", "");
        if let Some(entry) = &mut shut.entry {
            entry.mode = 0o555;
        }
        let entries = [file("a/b/file", "put"), (shut, nothing), file("shut/inside", "x")];
        put_all(&host, "", &entries).await?;
        ensure(
            fs::read_to_string(tree.join("a/b/file"))? == "put",
            "in a shut directory",
        )?;
        for path in ["a/b", "shut"] {
            let mode = fs::metadata(tree.join(path))?.mode();
            ensure(mode & 0o7777 == 0o555, (path, mode))?;
        }
        write(&host, to("a/b/written"), b"written").await?;
        put_all(&host, "", &[absent("shut"), absent("a")]).await?;
        ensure(
            !tree.join("shut").exists() && !tree.join("a").exists(),
            "they are gone",
        )
    });
}

/// Files of which each says which put made it.
fn generation(number: u32) -> Vec<(pyro_proto::file::PutEntry, bytes::Bytes)> {
    let mut entries: Vec<_> = (0..MANY)
        .map(|file_number| {
            file(
                &format!("{}/{file_number}", file_number % 10),
                &number.to_string(),
            )
        })
        .collect();
    entries.push(absent(&format!("of-{}", number.wrapping_sub(1))));
    entries.push(file(&format!("of-{number}/file"), ""));
    entries
}

#[test]
fn a_put_that_is_cut_off_has_not_been() {
    hold(Agent::start, async |mut agent| {
        let host = agent.connect_to_workspace().await?;
        let mut call = send(&host, "", &generation(0)).await?;
        let commit = Ask::PutCommit(PutCommit { dry_run: false });
        host::say(&mut call.send, commit, true).await?;
        let answer = call.answers.next().await?;
        ensure(matches!(&answer, Some(Answer::PutResult(_))), &answer)?;
        drop((call, host));
        for kill in 1..=KILLS {
            let host = agent.connect_to_workspace().await?;
            let mut call = send(&host, "", &generation(kill)).await?;
            let commit = Ask::PutCommit(PutCommit { dry_run: false });
            host::say(&mut call.send, commit, true).await?;
            // Later each time, from where the first step may be taken.
            let (journal, last) = (agent.dir().join("journal"), format!("tree/of-{kill}"));
            while !journal.exists() && !agent.dir().join(&last).exists() {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(kill.into())).await;
            agent.kill_server().await?;
            drop((call, host));
            agent.start_again()?;
            let host = agent.connect_to_workspace().await?;
            let seen = generations(&host).await?;
            ensure(seen == [kill - 1] || seen == [kill], (kill, &seen))?;
            put_all(&host, "", &generation(kill)).await?;
            let seen = generations(&host).await?;
            ensure(seen == [kill], (kill, &seen))?;
            let left = fs::read_dir(agent.dir())?
                .flatten()
                .map(|entry| entry.file_name());
            let left: Vec<_> = left
                .filter(|name| name.to_string_lossy().contains("journal"))
                .collect();
            ensure(left.is_empty(), left)?;
        }
        Ok(())
    });
}

/// Which puts the files of the tree are of, and its directories.
async fn generations(host: &Host) -> Result<Vec<u32>, Failure> {
    let seen = output(
        host,
        "for i in ?/*; do cat $i; echo; done | sort -u; ls -d of-* | sed s/of-//; find . -type f | wc -l",
    )
    .await?;
    let mut lines: Vec<u32> = seen.lines().map(str::parse).collect::<Result<_, _>>()?;
    let files = lines.pop().unwrap_or_default();
    ensure(files == MANY + 1, &seen)?;
    lines.dedup();
    Ok(lines)
}

#[test]
fn a_put_that_is_not_committed_leaves_nothing() {
    hold(Agent::start, async |agent| {
        let host = agent.connect_to_workspace().await?;
        drop(send(&host, "", &generation(0)).await?);
        let stage = agent.dir().join("stage");
        crate::agent::until("the stage is empty", || {
            fs::read_dir(&stage).is_ok_and(|entries| entries.count() == 0)
        })
        .await?;
        let answer = try_put(&host, "", &[absent("nothing")]).await?;
        ensure(matches!(answer, Answer::PutResult(_)), answer)?;
        ensure(all(&host).await?.is_empty(), "nothing was put")
    });
}
