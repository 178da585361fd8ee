//! `write-file`: a whole file at once, or more at the end of one.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use pyro_proto::file::{FileKind, FileWritten, WriteFile};
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Fault, FaultKind, agent_message::Body as Answer};
use rustix::io::Errno;

use super::append::append;
use super::make::Made;
use super::path::TreePath;
use super::resolve::{self, Found};
use super::tree::Tree;
use super::{entry, job, refusal};
use crate::agent::Agent;
use crate::call::{Asks, CallError, Reply, fault};

/// The longest content, in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How often it is tried again when somebody else makes or removes what is in the way.
const ATTEMPTS: usize = 8;

/// Answers the call.
///
/// # Errors
/// [`CallError`] if it is refused, or the host is gone.
pub(super) async fn answer(
    asks: &mut Asks,
    reply: &mut Reply<'_>,
    agent: &Rc<Agent>,
) -> Result<(), CallError> {
    let Some(Ask::WriteFile(request)) = asks.next().await? else {
        return Err(fault(FaultKind::InvalidArgument, "the request names no file").into());
    };
    let tree = agent.tree()?;
    let content = content(asks).await?;
    let written = job::run(move |_| {
        let path = TreePath::parse(request.path.clone())?;
        let _lock = tree.lock.blocking_read();
        Writing {
            tree: &tree,
            path: &path,
            request: &request,
            content: &content,
        }
        .write()
    });
    reply.finish(Answer::FileWritten(written.await?)).await
}

/// All of the content. A stream without its end is one that was broken off.
async fn content(asks: &mut Asks) -> Result<Vec<u8>, CallError> {
    let mut content = Vec::new();
    loop {
        match asks.next().await? {
            Some(Ask::Data(data)) if content.len() + data.len() > MAX_BYTES => {
                return Err(fault(
                    FaultKind::InvalidArgument,
                    format!("the content has more than {MAX_BYTES} bytes"),
                )
                .into());
            }
            Some(Ask::Data(data)) => content.extend_from_slice(&data),
            Some(Ask::DataEnd(_)) => return Ok(content),
            _ => return Err(fault(FaultKind::InvalidArgument, "the content has no end").into()),
        }
    }
}

/// A file to write.
#[derive(Debug, Clone, Copy)]
struct Writing<'a> {
    tree: &'a Tree,
    path: &'a TreePath,
    request: &'a WriteFile,
    content: &'a [u8],
}

/// The place of a file: a directory that exists, and the names below it that do not, the file's own last.
#[derive(Debug)]
struct Place {
    directory: OwnedFd,
    missing: Vec<OsString>,
}

impl Writing<'_> {
    fn write(self) -> Result<FileWritten, Fault> {
        let Some((parent, name)) = self.path.split() else {
            return Err(refusal::wrong_kind(self.path, FileKind::Directory));
        };
        for _ in 0..ATTEMPTS {
            let place = self.place(&parent, name)?;
            let old = match &place.missing[..] {
                [name] => self.look(place.directory.as_fd(), name)?,
                _ => None,
            };
            if let Some(old) = &old
                && self.request.append
            {
                return append(old, self.content, self.request.executable)
                    .map_err(|error| refusal::failed("write to", self.path, error));
            }
            match self.put(&place, old.as_ref()) {
                Err(Errno::EXIST) => {}
                Err(error) => return Err(self.refused(error)),
                Ok(written) => return Ok(written),
            }
        }
        Err(refusal::failed("write", self.path, Errno::BUSY))
    }

    fn refused(self, error: Errno) -> Fault {
        match error {
            Errno::NOTEMPTY => refusal::wrong_kind(self.path, FileKind::Directory),
            error => refusal::failed("write", self.path, error),
        }
    }

    fn place(self, parent: &TreePath, name: &OsStr) -> Result<Place, Fault> {
        let missing = match resolve::open_directory(self.tree, parent) {
            Ok(directory) => {
                let missing = vec![name.to_owned()];
                return Ok(Place { directory, missing });
            }
            Err(fault) if fault.kind() == FaultKind::PathNotFound && self.request.create_parents => {
                parent.names().chain([name])
            }
            Err(fault) if fault.kind() == FaultKind::PathRefused => {
                return Err(refusal::through_link(self.path));
            }
            Err(fault) => return Err(fault),
        };
        let mut missing: Vec<OsString> = missing.map(OsStr::to_owned).collect();
        let mut directory = resolve::open_directory(self.tree, &TreePath::root())?;
        let mut depth = 0;
        while depth + 1 < missing.len() {
            match resolve::directory_at(directory.as_fd(), &missing[depth]) {
                Ok(inner) => directory = inner,
                Err(Errno::NOENT) => break,
                Err(Errno::LOOP) => return Err(refusal::through_link(self.path)),
                Err(Errno::NOTDIR) => {
                    return Err(refusal::wrong_kind(&self.path.first(depth + 1), FileKind::File));
                }
                Err(error) => return Err(refusal::failed("open", &self.path.first(depth + 1), error)),
            }
            depth += 1;
        }
        missing.drain(..depth);
        Ok(Place { directory, missing })
    }

    /// The regular file that is there now, if anything is.
    fn look(self, directory: BorrowedFd<'_>, name: &OsStr) -> Result<Option<Found>, Fault> {
        let found = match resolve::find_at(directory, name) {
            Ok(handle) => Found::new(handle),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => Err(error.into()),
        };
        let found = found.map_err(|error| refusal::failed("open", self.path, error))?;
        match entry::kind(&found.stat) {
            FileKind::File => Ok(Some(found)),
            FileKind::Symlink => Err(refusal::through_link(self.path)),
            kind => Err(refusal::wrong_kind(self.path, kind)),
        }
    }

    /// Makes the file, and missing directories, in the stage, and puts them in place by one rename.
    fn put(self, place: &Place, old: Option<&Found>) -> Result<FileWritten, Errno> {
        let [names @ .., file] = &place.missing[..] else {
            return Err(Errno::INVAL);
        };
        let mode = mode(
            old.map(|old| entry::permissions(&old.stat)),
            self.request.executable,
        );
        let made = Made::file(self.tree, self.content, mode)?;
        // The lowest directory is made first, around the file.
        let (made, name) = names.iter().rev().try_fold((made, file), |(made, name), outer| {
            Ok::<_, Errno>((made.in_directory(name)?, outer))
        })?;
        made.put(place.directory.as_fd(), name, old.is_some())?;
        Ok(FileWritten {
            size: self.content.len() as u64,
            mode,
            created: old.is_none(),
        })
    }
}

/// The permission bits of a file that had `old` ones, if it was there.
pub(super) fn mode(old: Option<u32>, executable: Option<bool>) -> u32 {
    let old = old.unwrap_or(0o644);
    match executable {
        None => old,
        // Whoever may read it may execute it.
        Some(true) => old | (old & 0o444) >> 2,
        Some(false) => old & !0o111,
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
