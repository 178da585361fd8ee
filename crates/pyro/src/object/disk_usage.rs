//! The space that pyro's things take on disk.

use std::path::PathBuf;

use serde::Serialize;

use crate::space::Space;

/// All that takes space.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DiskUsage {
    /// The installed environments, each image once, however many names it has.
    pub environments: Vec<UsageItem>,
    /// The saved VMs, from which others start.
    pub templates: Vec<UsageItem>,
    /// The empty file systems, of which VMs get copies.
    pub disks: Vec<UsageItem>,
    /// What arrived of images and was kept for the next pull.
    pub downloads: Vec<UsageItem>,
    /// Workspaces; this version has none.
    pub workspaces: Vec<UsageItem>,
    /// One-shot VMs that were created and are not gone.
    pub vms: Vec<UsageItem>,
    /// Snapshots of workspaces; this version has none.
    pub snapshots: Vec<UsageItem>,
    /// Results of one-shot runs, which are kept for an hour; those of workspaces are in them.
    pub logs: Vec<UsageItem>,
    /// The sum of all of them.
    pub totals: Space,
    /// What the cache's file system has left for this user, in bytes.
    pub free_bytes: u64,
}

/// One thing that takes space.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct UsageItem {
    /// What it is called, for people.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// How much it takes.
    #[serde(flatten)]
    pub space: Space,
}

impl DiskUsage {
    /// All lists, each with its name.
    pub fn lists(&self) -> [(&'static str, &[UsageItem]); 8] {
        [
            ("environments", &self.environments),
            ("templates", &self.templates),
            ("disks", &self.disks),
            ("downloads", &self.downloads),
            ("workspaces", &self.workspaces),
            ("vms", &self.vms),
            ("snapshots", &self.snapshots),
            ("logs", &self.logs),
        ]
    }
}
