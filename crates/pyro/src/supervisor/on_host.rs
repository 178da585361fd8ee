//! A workspace without a VM: its agent runs on this host, in the workspace's directory.

use std::path::{Path, PathBuf};

use pyro_proto::file::WorkspaceTree;

use super::directory::HostDirectory;
use super::machine::{Holds, RunningVm, facts_of, is_seeded, vm_id};
use crate::Pyro;
use crate::dirs::{CacheDir, quoted};
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::isolation::{self, Way};
use crate::process::strays;
use crate::runtime::Runtime;
use crate::start::{Clock, HostPlace, start_on_host};
use crate::vm::{Kept, Tenant};
use crate::workspace::{Kind, Record, SEED_TREE, WorkspaceError};

/// A workspace that was made where there was a VM and has none now, or the other way round.
#[derive(Debug, thiserror::Error)]
pub(super) enum Misplaced {
    /// It has a disk.
    #[error("`{shown}` was made in a VM, and this host can run none now")]
    NoVm {
        /// Its name, else its id.
        shown: String,
    },
    /// It has a directory.
    #[error("`{shown}` was made without a VM, and this host can run VMs now")]
    Vm {
        /// Its name, else its id.
        shown: String,
        /// Where its tree is.
        tree: PathBuf,
    },
}

impl Misplaced {
    pub(super) fn no_vm(record: &Record) -> Self {
        Self::NoVm { shown: shown(record) }
    }
}

impl Diagnosis for Misplaced {
    fn code(&self) -> ErrorCode {
        ErrorCode::IsolationUnavailable
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoVm { .. } => {
                "install QEMU with `sudo apt-get install qemu-system-x86`; see `pyro doctor`".to_owned()
            }
            Self::Vm { tree, .. } => format!(
                "make another of its files: `pyro workspace create --seed-path {}`",
                quoted(tree)
            ),
        })
    }
}

/// Ends what a supervisor that was killed left running, and undoes a reset that it left half done.
pub(super) async fn prepare(dir: &Path) -> Result<(), WorkspaceError> {
    with_directory(dir, |directory| {
        strays::end_all_of(&directory.path());
        directory.settle()
    })
    .await
}

/// Does something with the directory, while whatever else there is to do goes on.
pub(super) async fn with_directory(
    dir: &Path,
    work: impl FnOnce(&HostDirectory) -> Result<(), WorkspaceError> + Send + 'static,
) -> Result<(), WorkspaceError> {
    let directory = HostDirectory::of(dir);
    match tokio::task::spawn_blocking(move || work(&directory)).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Starts the agent for the workspace in a directory that was prepared.
pub(super) async fn start(pyro: &Pyro, record: &Record, dir: &Path) -> Result<RunningVm> {
    let settings = pyro.settings();
    let directory = HostDirectory::of(dir).path();
    let runtime = Runtime::open(settings)?;
    CacheDir::open(&settings.cache_dir)?;
    match isolation::choose(settings, record.isolation, record.allow_host_compat)? {
        Way::Host => {}
        Way::Vm(_) => {
            return Err(Misplaced::Vm {
                shown: shown(record),
                tree: directory.join("tree"),
            }
            .into());
        }
    }
    strays::adopt().map_err(|source| WorkspaceError::Io {
        action: "watch over the processes of",
        path: directory.clone(),
        source,
    })?;
    let seed = is_seeded(record).then(|| dir.join(SEED_TREE));
    let tenant = (record.kind == Kind::Workspace).then(|| Tenant {
        id: record.workspace_id,
        tree: WorkspaceTree {
            seeded: seed.is_some(),
            user: String::new(),
        },
    });
    let place = HostPlace {
        dir: &directory,
        seed: seed.as_deref(),
    };
    let mut clock = Clock::start();
    let started = start_on_host(
        pyro,
        &runtime,
        vm_id(record),
        place,
        None,
        tenant.as_ref(),
        &mut clock,
    );
    let mut started = match started.await {
        Ok(started) => started,
        Err(error) => {
            end_descendants().await;
            return Err(error);
        }
    };
    let facts = facts_of(&mut started, clock).await;
    Ok(RunningVm {
        kept: Kept::new(started.vm),
        facts,
        holds: Holds::Nothing,
    })
}

/// Ends what an agent left that has ended itself.
pub(super) async fn end_descendants() {
    // It does not panic.
    let _ended = tokio::task::spawn_blocking(strays::end_descendants).await;
}

fn shown(record: &Record) -> String {
    match &record.name {
        Some(name) => name.to_string(),
        None => record.workspace_id.to_string(),
    }
}
