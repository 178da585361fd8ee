//! The private directory of the host in which commands and files live.
//!
//! ```text
//!  tree      the workspace
//!  stage     what is to be put into it
//!  home      HOME of commands
//!  tmp       TMPDIR of commands
//!  none      the baseline of a workspace without a seed: an empty directory
//!  journal   what is being put in place
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::FlockOperation;

use crate::call::fault;
use crate::exec::environment::Environment;
use crate::exec::user::{User, UserSpec};
use crate::files::{self, Left, Places, Tree, copy};
use crate::setup::workspace::WORKSPACE;

/// Where the baseline is copied to until it is whole.
const NEXT_TREE: &str = "tree.new";

/// The directory, which belongs to one agent at a time.
#[derive(Debug)]
pub(crate) struct Directory {
    top: PathBuf,
    seed: Option<PathBuf>,
    caller: User,
    /// Held by whoever makes the tree. Whether that was for a command alone, before any workspace was asked for.
    is_bare: Mutex<bool>,
    /// Locked until this process ends.
    _stage: File,
}

impl Directory {
    /// Makes what is missing but the tree, and waits until an earlier agent has left.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub(super) fn open(top: PathBuf, seed: Option<PathBuf>) -> io::Result<Self> {
        let is_absolute = top.is_absolute() && seed.as_ref().is_none_or(|seed| seed.is_absolute());
        if !is_absolute {
            return Err(io::Error::other(
                "a directory of the host's is not named by its absolute path",
            ));
        }
        for (name, mode) in [("stage", 0o700), ("home", 0o700), ("tmp", 0o700), ("none", 0o755)] {
            make(&top.join(name), mode)?;
        }
        let stage = File::open(top.join("stage"))?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&stage, FlockOperation::LockExclusive))?;
        Ok(Self {
            caller: caller(top.join("home"))?,
            top,
            seed,
            is_bare: Mutex::default(),
            _stage: stage,
        })
    }

    /// The caller, if it is the one that is asked for.
    ///
    /// # Errors
    /// [`FaultKind::InvalidArgument`] for anybody else.
    pub(crate) fn user(&self, spec: &UserSpec) -> Result<User, Fault> {
        let is_own = |text: &Option<String>, number: u32, name: Option<&str>| {
            text.as_deref()
                .is_none_or(|text| text.parse() == Ok(number) || Some(text) == name)
        };
        let caller = &self.caller;
        if is_own(&spec.user, caller.uid, Some(&caller.name)) && is_own(&spec.group, caller.gid, None) {
            return Ok(caller.clone());
        }
        Err(fault(
            FaultKind::InvalidArgument,
            format!("without a guest, everything is done as `{}`", caller.name),
        ))
    }

    /// What commands call by a path: the workspace is elsewhere than in a guest.
    ///
    /// The tree is there for those too that are no part of a workspace.
    pub(crate) fn place(&self, path: Option<PathBuf>) -> PathBuf {
        let path = path.unwrap_or_else(|| WORKSPACE.into());
        let Ok(beneath) = path.strip_prefix(WORKSPACE) else {
            return path;
        };
        let mut is_bare = self.is_bare.lock().unwrap_or_else(PoisonError::into_inner);
        // If it cannot be made, whoever opens it fails.
        *is_bare |= DirBuilder::new().mode(0o755).create(self.tree()).is_ok();
        self.tree().components().chain(beneath.components()).collect()
    }

    /// Adds the variables of every command, where they are not given; that by which the processes of this directory are known
    /// is never another.
    pub(crate) fn complete(&self, environment: &mut Environment, user: &User) {
        environment.add("LOGNAME", &user.name);
        environment.add("TMPDIR", self.top.join("tmp"));
        environment.set("PYRO_WORKSPACE".into(), self.tree().into());
    }

    /// Whether there is a baseline.
    pub(super) fn has_seed(&self) -> bool {
        self.seed.is_some()
    }

    /// Opens the tree, which is a copy of the baseline at first, and makes it whole after whatever ended an earlier agent.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    pub(super) fn open_tree(&self, is_seeded: bool) -> io::Result<(Tree, Left)> {
        let mut is_bare = self.is_bare.lock().unwrap_or_else(PoisonError::into_inner);
        let old = match self.seed.as_ref().filter(|_| is_seeded) {
            Some(seed) => seed.join("tree"),
            None => self.top.join("none"),
        };
        if std::mem::take(&mut *is_bare) {
            // What a command has put there stays.
            drop(fs::remove_dir(self.tree()));
        }
        if !self.tree().try_exists()? {
            self.make_tree(&old)?;
        }
        let places = Places {
            root: &self.tree(),
            stage: &self.top.join("stage"),
            old: &old,
            upper: None,
            state: &self.top,
        };
        let tree = Tree::open(places, None)?.known_as(&self.tree());
        let left = files::recover(&tree)?;
        Ok((tree, left))
    }

    /// Has everything in it written to disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        rustix::fs::syncfs(File::open(&self.top)?).map_err(Into::into)
    }

    fn make_tree(&self, baseline: &Path) -> io::Result<()> {
        let next = self.top.join(NEXT_TREE);
        copy::remove(&next)?;
        copy::copy(baseline, &next)?;
        self.sync()?;
        fs::rename(next, self.tree())?;
        File::open(&self.top)?.sync_all()
    }

    fn tree(&self) -> PathBuf {
        self.top.join("tree")
    }
}

fn make(directory: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io::Error::new(
            error.kind(),
            format!("cannot make {}: {error}", directory.display()),
        )),
        _ => Ok(()),
    }
}

/// Who runs this process, with a home of its own.
fn caller(home: PathBuf) -> io::Result<User> {
    let uid = rustix::process::geteuid().as_raw();
    let spec = UserSpec {
        user: Some(uid.to_string()),
        group: None,
    };
    let found = User::find(&spec).map_err(|fault| io::Error::other(fault.message))?;
    // A name may be made of the digits of another's number.
    let name = if found.uid == uid {
        found.name
    } else {
        uid.to_string()
    };
    Ok(User {
        uid,
        gid: rustix::process::getegid().as_raw(),
        groups: Vec::new(),
        name,
        home,
    })
}
