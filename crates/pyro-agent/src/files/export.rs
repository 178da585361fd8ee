//! `export`: a file, a link, or a directory with all that is in it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::vec;

use bytes::Bytes;
use pyro_proto::file::{Export, FileEntry, FileKind};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Done, FaultKind};
use rustix::fs::{OFlags, Stat};

use super::byte_path;
use super::descent::Descent;
use super::entry::{entry, kind};
use super::fetch::send_content;
use super::node::{self, Name};
use super::outlet::{self, Outlet, Stop, failure};
use super::path::{MAX_PATH_BYTES, TreePath};
use super::resolve::{self, Found, LastLink};
use super::tree::Tree;
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// Answers the call.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(super) async fn answer(
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    let tree = agent.tree()?;
    let Some(Ask::Export(Export { path })) = asks.next().await? else {
        return Err(fault(FaultKind::InvalidArgument, "the request holds no path").into());
    };
    outlet::stream(reply, move |outlet| export(&tree, path, outlet)).await?;
    reply.finish(Answer::Done(Done {})).await
}

/// Sends everything at a path.
///
/// # Errors
/// [`Stop`] if there is nothing, it cannot be read, or nobody waits for it.
pub(super) fn export(tree: &Tree, path: Bytes, outlet: &mut Outlet) -> Result<(), Stop> {
    let path = TreePath::parse(path)?;
    let found = {
        let _undisturbed = tree.lock.blocking_read();
        resolve::find(tree, &path, LastLink::Keep)?
    };
    send_top(path.bytes(), &found, outlet)?;
    if found.is_directory() {
        send_below(path.bytes(), &found, outlet)?;
    }
    Ok(())
}

fn send_top(path: &Bytes, found: &Found, outlet: &mut Outlet) -> Result<(), Stop> {
    let failed = |error: io::Error| failure("read", path, error);
    let described = |target| Answer::FileEntry(entry(path.clone(), &found.stat, target));
    match kind(&found.stat) {
        FileKind::File => {
            let file = found.open(OFlags::RDONLY | OFlags::NONBLOCK).map_err(failed)?;
            outlet.send(described(Bytes::new()))?;
            send_content(File::from(file), path, outlet)
        }
        FileKind::Symlink => {
            let target = node::target(found.handle.as_fd(), b"");
            outlet.send(described(target.map_err(|error| failed(error.into()))?))
        }
        _ => outlet.send(described(Bytes::new())),
    }
}

fn send_below(top: &[u8], found: &Found, outlet: &mut Outlet) -> Result<(), Stop> {
    let failed = |error: io::Error| failure("read", top, error);
    let mut names = Names::default();
    let mut down = Descent::to_look(&found.handle).map_err(failed)?;
    let first = node::names(down.base()).map_err(failed)?;
    // The path below the top, and of each directory on it the names that are left, with the length of its path.
    let mut below = Vec::new();
    let mut levels: Vec<(usize, vec::IntoIter<Name>)> = vec![(0, first.into_iter())];
    while let Some((length, left)) = levels.last_mut() {
        below.truncate(*length);
        let Some(name) = left.next() else {
            levels.pop();
            continue;
        };
        let directory = below.len();
        byte_path::push(&mut below, &name);
        let path = byte_path::join(top, &below);
        if path.len() > MAX_PATH_BYTES {
            continue;
        }
        // What goes away meanwhile, or cannot be read, is passed over.
        let Ok(parent) = down.open(&below[..directory]) else {
            continue;
        };
        if send_one(parent, &name, path.into(), &mut names, outlet)? {
            let inside = down.open(&below).map_err(io::Error::from).and_then(node::names);
            levels.push((below.len(), inside.unwrap_or_default().into_iter()));
        }
    }
    Ok(())
}

/// Sends what has this name; gives whether it is a directory.
fn send_one(
    parent: BorrowedFd<'_>,
    name: &[u8],
    path: Bytes,
    names: &mut Names,
    outlet: &mut Outlet,
) -> Result<bool, Stop> {
    let Ok(Some(stat)) = node::look(parent, name) else {
        return Ok(false);
    };
    match kind(&stat) {
        FileKind::File => {
            if let Some(link) = names.earlier(&path, &stat) {
                outlet.send(Answer::FileEntry(link))?;
                return Ok(false);
            }
            let Ok(Some((file, stat))) = node::open_file(parent, name) else {
                return Ok(false);
            };
            names.note(&path, &stat);
            outlet.send(Answer::FileEntry(entry(path.clone(), &stat, Bytes::new())))?;
            send_content(file, &path, outlet)?;
            Ok(false)
        }
        FileKind::Symlink => {
            let Ok(target) = node::target(parent, name) else {
                return Ok(false);
            };
            outlet.send(Answer::FileEntry(entry(path, &stat, target)))?;
            Ok(false)
        }
        kind => {
            outlet.send(Answer::FileEntry(entry(path, &stat, Bytes::new())))?;
            Ok(kind == FileKind::Directory)
        }
    }
}

/// The files that were sent and have further names.
#[derive(Debug, Default)]
struct Names {
    // By device and inode: the path, and how many names are still to come.
    files: HashMap<(u64, u64), (Bytes, u64)>,
}

impl Names {
    fn note(&mut self, path: &Bytes, stat: &Stat) {
        let others = stat.st_nlink.saturating_sub(1);
        if others > 0 {
            let key = (stat.st_dev, stat.st_ino);
            self.files.insert(key, (path.clone(), others));
        }
    }

    /// The entry of a further name for a file that was sent.
    fn earlier(&mut self, path: &Bytes, stat: &Stat) -> Option<FileEntry> {
        let key = (stat.st_dev, stat.st_ino);
        let (target, others) = self.files.get_mut(&key).filter(|_| stat.st_nlink > 1)?;
        let link = FileEntry {
            kind: FileKind::HardLink.into(),
            target: target.clone(),
            ..entry(path.clone(), stat, Bytes::new())
        };
        *others -= 1;
        if *others == 0 {
            self.files.remove(&key);
        }
        Some(link)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{CWD, Mode};

    use super::super::outlet::all_of;
    use super::super::testing::Ground;
    use super::*;

    /// What is exported, a line each.
    fn exported(ground: &Ground, path: &str) -> Result<Vec<String>, Stop> {
        let path = Bytes::copy_from_slice(path.as_bytes());
        let answers = all_of(|outlet| export(&ground.tree, path, outlet))?;
        let mut lines: Vec<String> = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for answer in answers {
            match answer {
                Answer::FileEntry(entry) => lines.push(format!(
                    "{:?} {} {}",
                    entry.kind(),
                    text(&entry.path),
                    text(&entry.target)
                )),
                Answer::Data(data) => lines.last_mut().unwrap().push_str(&text(&data)),
                Answer::DataEnd(_) => lines.last_mut().unwrap().push('.'),
                other => panic!("{other:?}"),
            }
        }
        Ok(lines)
    }

    #[test]
    fn everything_is_sent_parents_first() {
        let ground = Ground::new();
        ground.make("dir/a", "content");
        ground.make("dir/sub/link", "-> /etc/shadow");
        ground.make("dir/sub/secret", "for nobody");
        ground.make("dir/empty/", "");
        ground.make("way", "-> /workspace/dir");
        fs::set_permissions(ground.live("dir/sub/secret"), fs::Permissions::from_mode(0o0)).unwrap();
        fs::hard_link(ground.live("dir/a"), ground.live("dir/z")).unwrap();
        fs::hard_link(ground.live("dir/a"), ground.live("outside")).unwrap();
        rustix::fs::mkfifoat(CWD, ground.live("dir/pipe"), Mode::RUSR).unwrap();
        let all = exported(&ground, "dir").unwrap();
        let wanted = [
            "Directory dir ",
            "File dir/a content.",
            "Directory dir/empty ",
            "Fifo dir/pipe ",
            "Directory dir/sub ",
            "Symlink dir/sub/link /etc/shadow",
            "File dir/sub/secret for nobody.",
            "HardLink dir/z dir/a",
        ];
        assert_eq!(all, wanted);
        assert_eq!(exported(&ground, "way").unwrap(), ["Symlink way /workspace/dir"]);
        assert_eq!(exported(&ground, "way/a").unwrap(), ["File way/a content."]);
        assert_eq!(exported(&ground, "way/sub").unwrap().len(), 3);
        assert_eq!(exported(&ground, "dir/pipe").unwrap(), ["Fifo dir/pipe "]);
        assert_eq!(exported(&ground, "").unwrap().len(), 11);
    }

    #[test]
    fn what_is_not_there_or_elsewhere_is_refused() {
        let ground = Ground::new();
        ground.make("out", "-> ../..");
        for (path, kind) in [
            ("none", FaultKind::PathNotFound),
            ("out/etc", FaultKind::PathRefused),
            ("../etc", FaultKind::InvalidArgument),
        ] {
            let Err(Stop::Refused(fault)) = exported(&ground, path) else {
                panic!("{path} is exported")
            };
            assert_eq!(fault.kind(), kind, "{fault:?}");
        }
    }

    #[test]
    fn a_tree_of_any_depth_is_sent_as_far_as_paths_go() {
        let ground = Ground::new();
        let mut down = Descent::new(&ground.tree.root).unwrap();
        let mut path = Vec::new();
        for _ in 0..600 {
            rustix::fs::mkdirat(down.open(&path).unwrap(), "directory", Mode::RWXU).unwrap();
            byte_path::push(&mut path, b"directory");
        }
        assert_eq!(exported(&ground, "").unwrap().len(), 401);
    }
}
