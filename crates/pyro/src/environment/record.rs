//! What is written down of an installed environment.

use pyro_image::{Digest, ImageConfig};
use serde::{Deserialize, Serialize};

use crate::object::EnvironmentOrigin;

/// The format of the records that this build writes; it reads all up to it.
pub(super) const FORMAT: u32 = 1;

/// Which install a name stands for, and where it came from: `environments/{key}.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NameRecord {
    pub(super) format: u32,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) origin: EnvironmentOrigin,
    /// The whole OCI reference, if a registry delivered it.
    pub(super) reference: Option<String>,
    /// What it was built or imported from, for people.
    pub(super) source: Option<String>,
    pub(super) installed_at: String,
    /// The digest of the image's manifest, which names the install.
    pub(super) digest: Digest,
}

/// What an install is: `installs/{digest}/install.json`, beside the root file system image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct InstallRecord {
    pub(super) format: u32,
    pub(super) digest: Digest,
    pub(super) config: ImageConfig,
    pub(super) root: RootRecord,
    /// The image's user in numbers; absent if it has no such user, and in records of builds that did not look.
    #[serde(default)]
    pub(super) owner: Option<OwnerRecord>,
}

/// A user of an image and the user's group in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnerRecord {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// A root file system image, and by what it is known to be unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RootRecord {
    /// `sha256:` and 64 digits.
    pub(super) digest: String,
    pub(super) size_bytes: u64,
    pub(super) inode: u64,
    pub(super) changed_ns: i128,
}
