//! Where a workspace keeps what it has: a disk that a VM uses, or a directory where there is no VM.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::DISK;
use super::record::Record;
use crate::Pyro;
use crate::environment::ImageDefaults;
use crate::error::Result;
use crate::isolation::{self, IsolationFloor, Way};
use crate::space::Space;

/// The name of the agent's directory in a workspace's directory, where there is no VM.
pub(crate) const HOST: &str = "host";

/// The name of the directory there that has the seed, as [`SEED_TOP`](crate::disk::SEED_TOP) in it.
pub(crate) const SEED_TREE: &str = "seed";

/// Where a workspace, or a one-shot VM that was created, keeps what it has. It is chosen once, for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ground {
    /// A disk, which only a VM can use.
    #[default]
    Disk,
    /// A directory of the host, in which commands run as processes of it.
    Directory,
}

impl Ground {
    /// What is to be had on this host now.
    ///
    /// # Errors
    /// `isolation-unavailable` if what is demanded cannot be had.
    pub(super) fn choose(pyro: &Pyro, floor: IsolationFloor, allow_host_compat: bool) -> Result<Self> {
        if !allow_host_compat {
            // Whether a VM can be had is asked when one is started.
            return Ok(Self::Disk);
        }
        Ok(match isolation::choose(pyro.settings(), floor, true)? {
            Way::Vm(_) => Self::Disk,
            Way::Host => Self::Directory,
        })
    }

    /// The name of the environment as it is recorded. Of one that no VM is started from, nothing but the name counts, and
    /// it need not be installed.
    ///
    /// # Errors
    /// `invalid-argument` if no environment can have that name, `environment-not-found` if none could be had by it.
    pub(super) fn environment_name(self, pyro: &Pyro, given: &str) -> Result<String> {
        match self {
            Self::Disk => Ok(given.to_owned()),
            Self::Directory => pyro.environments().normal_name(given),
        }
    }

    /// The blocks that are used of it, in bytes; the rest of a workspace's directory does not count.
    pub(super) fn used_bytes(self, dir: &Path) -> u64 {
        let name = match self {
            Self::Disk => DISK,
            Self::Directory => HOST,
        };
        Space::of(&dir.join(name)).used_bytes
    }
}

/// How commands run where the caller does not say, but for the working directory, which is the workspace's.
///
/// # Errors
/// `environment-not-found` if the image that a VM is started from is gone.
pub(super) fn defaults(pyro: &Pyro, record: &Record) -> Result<ImageDefaults> {
    Ok(match record.ground {
        Ground::Disk => {
            let environments = pyro.environments();
            let environment = environments.installed_as(&record.environment, &record.environment_digest)?;
            environment.defaults
        }
        Ground::Directory => ImageDefaults::of_host(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_blocks_of_the_ground_itself_count() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(DISK), vec![1; 50_000]).unwrap();
        fs::create_dir_all(dir.path().join(HOST).join("tree")).unwrap();
        fs::write(dir.path().join(HOST).join("tree/file"), vec![1; 100_000]).unwrap();
        fs::create_dir(dir.path().join(SEED_TREE)).unwrap();
        fs::write(dir.path().join(SEED_TREE).join("file"), vec![1; 1_000_000]).unwrap();
        let used = |ground: Ground| ground.used_bytes(dir.path());
        assert!((50_000..100_000).contains(&used(Ground::Disk)));
        assert!((100_000..500_000).contains(&used(Ground::Directory)));
        let nothing = dir.path().join("nothing");
        assert_eq!(Ground::Disk.used_bytes(&nothing), 0);
        assert_eq!(Ground::Directory.used_bytes(&nothing), 0);
    }
}
