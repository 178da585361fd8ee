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
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;

    use bytes::Bytes;
    use rustix::fs::{CWD, Mode};
    use tempfile::TempDir;

    use super::*;

    struct Place {
        files: TempDir,
        tree: Tree,
    }

    impl Place {
        fn new() -> Self {
            let files = TempDir::new().unwrap();
            let tree = Tree::of_dirs(files.path());
            Self { files, tree }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.files.path().join("tree").join(path)
        }

        fn write(&self, request: &WriteFile, content: &str) -> Result<FileWritten, Fault> {
            let path = TreePath::parse(request.path.clone()).unwrap();
            let writing = Writing {
                tree: &self.tree,
                path: &path,
                request,
                content: content.as_bytes(),
            };
            let written = writing.write();
            // Whatever comes of it, nothing stays behind.
            assert_eq!(fs::read_dir(self.files.path().join("stage")).unwrap().count(), 0);
            written
        }

        fn content(&self, path: &str) -> String {
            fs::read_to_string(self.path(path)).unwrap()
        }
    }

    fn to(path: &'static str) -> WriteFile {
        WriteFile {
            path: Bytes::from_static(path.as_bytes()),
            ..WriteFile::default()
        }
    }

    fn with_parents(path: &'static str) -> WriteFile {
        WriteFile {
            create_parents: true,
            ..to(path)
        }
    }

    fn appending(path: &'static str) -> WriteFile {
        WriteFile {
            append: true,
            ..to(path)
        }
    }

    #[test]
    fn a_file_is_made_and_replaced() {
        let place = Place::new();
        let written = place.write(&to("file"), "one").unwrap();
        let wanted = FileWritten {
            size: 3,
            mode: 0o644,
            created: true,
        };
        assert_eq!(written, wanted);
        fs::set_permissions(place.path("file"), PermissionsExt::from_mode(0o4751)).unwrap();
        fs::hard_link(place.path("file"), place.path("other")).unwrap();
        let written = place.write(&to("file"), "").unwrap();
        assert_eq!((written.size, written.mode, written.created), (0, 0o4751, false));
        assert_eq!(fs::metadata(place.path("file")).unwrap().mode() & 0o7777, 0o4751);
        // It is another file, not the old one written over.
        assert_eq!(place.content("other"), "one");
    }

    #[test]
    fn executable_bits_are_set_taken_and_kept() {
        let place = Place::new();
        let executable = |executable| WriteFile {
            executable,
            ..to("file")
        };
        assert_eq!(place.write(&executable(Some(true)), "").unwrap().mode, 0o755);
        assert_eq!(place.write(&executable(None), "").unwrap().mode, 0o755);
        assert_eq!(place.write(&executable(Some(false)), "").unwrap().mode, 0o644);
        fs::set_permissions(place.path("file"), PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(place.write(&executable(Some(true)), "").unwrap().mode, 0o700);
        let append = WriteFile {
            append: true,
            ..executable(Some(false))
        };
        assert_eq!(place.write(&append, "").unwrap().mode, 0o600);
    }

    #[test]
    fn an_append_adds_to_the_file_that_is_there() {
        let place = Place::new();
        let first = place.write(&appending("file"), "one").unwrap();
        assert_eq!((first.size, first.created), (3, true));
        fs::hard_link(place.path("file"), place.path("other")).unwrap();
        let second = place.write(&appending("file"), "two").unwrap();
        assert_eq!((second.size, second.mode, second.created), (6, 0o644, false));
        assert_eq!(place.content("other"), "onetwo");
    }

    #[test]
    fn directories_are_made_if_asked_for() {
        let place = Place::new();
        let fault = place.write(&to("a/b/file"), "").unwrap_err();
        assert_eq!(fault.kind(), FaultKind::PathNotFound);
        assert_eq!(fault.message, "no `/workspace/a/b`");
        assert!(place.write(&with_parents("a/b/file"), "deep").unwrap().created);
        assert_eq!(place.content("a/b/file"), "deep");
        assert!(place.write(&with_parents("a/c/d/e"), "deeper").unwrap().created);
        assert!(!place.write(&with_parents("a/c/d/e"), "again").unwrap().created);
        assert_eq!(place.content("a/c/d/e"), "again");
        assert_eq!(fs::metadata(place.path("a/c")).unwrap().mode() & 0o7777, 0o755);
        let append = WriteFile {
            append: true,
            ..with_parents("n/o/p")
        };
        place.write(&append, "new").unwrap();
        assert_eq!(place.content("n/o/p"), "new");
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let place = Place::new();
        fs::create_dir(place.path("dir")).unwrap();
        fs::write(place.path("dir/file"), "old").unwrap();
        symlink("dir", place.path("link")).unwrap();
        symlink("file", place.path("dir/alias")).unwrap();
        symlink("nowhere", place.path("dangling")).unwrap();
        for request in [
            to("link/file"),
            to("dir/alias"),
            to("dangling"),
            with_parents("link/new/x"),
            with_parents("dangling/x"),
            appending("dir/alias"),
            appending("link/file"),
            to("link"),
        ] {
            let fault = place.write(&request, "new").unwrap_err();
            assert_eq!(fault.kind(), FaultKind::PathRefused, "{request:?}");
        }
        assert_eq!(place.content("dir/file"), "old");
        assert!(!place.path("nowhere").exists());
        assert!(!place.path("dir/new").exists());
    }

    #[test]
    fn only_files_are_written() {
        let place = Place::new();
        fs::create_dir(place.path("dir")).unwrap();
        fs::write(place.path("file"), "").unwrap();
        rustix::fs::mkfifoat(CWD, place.path("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        for request in [
            to("dir"),
            to(""),
            to("fifo"),
            appending("fifo"),
            appending("dir"),
            with_parents("file/x/y"),
            with_parents("fifo/x"),
        ] {
            let fault = place.write(&request, "").unwrap_err();
            assert_eq!(fault.kind(), FaultKind::WrongFileType, "{request:?}");
        }
        let fault = place.write(&with_parents("file/x/y"), "").unwrap_err();
        assert_eq!(fault.message, "`/workspace/file` is not a directory");
        assert!(place.write(&to("file/x"), "").unwrap_err().kind() == FaultKind::PathNotFound);
    }
}
