//! `export`: a file, a link, or a directory with all that is in it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::vec;

use bytes::Bytes;
use pyro_proto::file::{Export, FileEntry, FileKind};
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Done, FaultKind};
use rustix::fs::{AtFlags, OFlags, Stat};

use super::descent::{Descent, is_absence};
use super::fetch::send_content;
use super::node::{self, Name};
use super::outlet::{self, Outlet, Stop, failure};
use super::path::TreePath;
use super::paths::{self, MAX_PATH_BYTES};
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
fn export(tree: &Tree, path: Bytes, outlet: &Outlet) -> Result<(), Stop> {
    let path = TreePath::parse(path)?;
    let found = {
        let _undisturbed = tree.lock.blocking_read();
        resolve::find(tree, &path, LastLink::Keep)?
    };
    let mut names = Names::default();
    send_top(path.bytes(), &found, &mut names, outlet)?;
    if found.is_directory() {
        send_below(path.bytes(), &found, &mut names, outlet)?;
    }
    Ok(())
}

fn send_top(path: &Bytes, found: &Found, names: &mut Names, outlet: &Outlet) -> Result<(), Stop> {
    let failed = |error: io::Error| failure("read", path, error);
    let mut entry = node::entry(path.clone(), &found.stat);
    names.note(&entry, &found.stat);
    match node::kind(&found.stat) {
        FileKind::File => {
            let file = found.open(OFlags::RDONLY | OFlags::NONBLOCK).map_err(failed)?;
            outlet.send(Answer::FileEntry(entry))?;
            send_content(std::fs::File::from(file), path, outlet)
        }
        FileKind::Symlink => {
            entry.target = node::target(found.handle.as_fd(), b"").map_err(|error| failed(error.into()))?;
            outlet.send(Answer::FileEntry(entry))
        }
        _ => outlet.send(Answer::FileEntry(entry)),
    }
}

fn send_below(top: &[u8], found: &Found, names: &mut Names, outlet: &Outlet) -> Result<(), Stop> {
    let failed = |error: io::Error| failure("read", top, error);
    let mut down = Descent::new(&found.handle).map_err(failed)?;
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
        paths::push(&mut below, &name);
        let path = paths::join(top, &below);
        if path.len() > MAX_PATH_BYTES {
            continue;
        }
        // What goes away meanwhile, or cannot be read, is passed over.
        let Ok(parent) = down.open(&below[..directory]) else {
            continue;
        };
        if send_one(parent, &name, path.into(), names, outlet)? {
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
    outlet: &Outlet,
) -> Result<bool, Stop> {
    let Ok(Some(stat)) = node::look(parent, name) else {
        return Ok(false);
    };
    let mut entry = node::entry(path, &stat);
    match node::kind(&stat) {
        FileKind::File => {
            if let Some(link) = names.earlier(&entry, &stat) {
                outlet.send(Answer::FileEntry(link))?;
                return Ok(false);
            }
            let Ok(Some((file, stat))) = node::open_file(parent, name) else {
                return Ok(false);
            };
            let entry = node::entry(entry.path, &stat);
            let path = entry.path.clone();
            names.note(&entry, &stat);
            outlet.send(Answer::FileEntry(entry))?;
            send_content(file, &path, outlet)?;
        }
        FileKind::Symlink => {
            let Ok(target) = node::target(parent, name) else {
                return Ok(false);
            };
            entry.target = target;
            outlet.send(Answer::FileEntry(entry))?;
        }
        kind => {
            outlet.send(Answer::FileEntry(entry))?;
            return Ok(kind == FileKind::Directory);
        }
    }
    Ok(false)
}

/// The files that were sent and have further names.
#[derive(Debug, Default)]
struct Names {
    // By device and inode: the path, and how many names are still to come.
    files: HashMap<(u64, u64), (Bytes, u64)>,
}

impl Names {
    fn note(&mut self, entry: &FileEntry, stat: &Stat) {
        let others = u64::from(stat.st_nlink).saturating_sub(1);
        if others > 0 && entry.kind() == FileKind::File {
            self.files
                .insert((stat.st_dev, stat.st_ino), (entry.path.clone(), others));
        }
    }

    /// The entry of a further name for a file that was sent.
    fn earlier(&mut self, entry: &FileEntry, stat: &Stat) -> Option<FileEntry> {
        let key = (stat.st_dev, stat.st_ino);
        let (target, others) = self.files.get_mut(&key)?;
        let link = FileEntry {
            kind: FileKind::HardLink.into(),
            target: target.clone(),
            ..entry.clone()
        };
        *others -= 1;
        if *others == 0 {
            self.files.remove(&key);
        }
        Some(link)
    }
}
