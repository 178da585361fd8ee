//! The state and cache directories: owner, mode, file system, space.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use serde_json::{Value, json};

use super::finding::{fail, pass, warn};
use crate::admission::DISK_MARGIN;
use crate::dirs;
use crate::error::Diagnosis;
use crate::object::DoctorCheck;
use crate::settings::Settings;
use crate::space::{existing, free_bytes};

/// Free space under which a VM soon has none to write to, in bytes.
const SCARCE: u64 = 2 * DISK_MARGIN;

/// Checks both directories and the space for VMs' disks.
pub(super) fn look(settings: &Settings) -> (Vec<DoctorCheck>, Value) {
    let checks = vec![
        usable("state-dir", "state directory", &settings.home),
        usable("cache-dir", "cache directory", &settings.cache_dir),
        space(&settings.home),
    ];
    let value = json!({
        "state": describe(&settings.home),
        "cache": describe(&settings.cache_dir),
    });
    (checks, value)
}

fn usable(id: &str, what: &str, path: &Path) -> DoctorCheck {
    if !path.is_symlink() && !path.exists() && !below_a_file(path) {
        return creatable(id, what, path);
    }
    match dirs::check_private(path) {
        Ok(()) => pass(id, format!("{what} {} is yours alone to write", path.display())),
        Err(error) => fail(id, error.to_string(), error.hint().unwrap_or_default()),
    }
}

/// Checks that a directory that is not there yet can be made, without making it.
fn creatable(id: &str, what: &str, path: &Path) -> DoctorCheck {
    let base = existing(path);
    match rustix::fs::accessat(CWD, base, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => pass(id, format!("{what} {} is made when it is needed", path.display())),
        Err(error) => fail(
            id,
            format!("{what} `{}` cannot be made: {error}", path.display()),
            format!(
                "run `sudo install -d -m 0700 -o \"$(id -u)\" {}`",
                dirs::quoted(path)
            ),
        ),
    }
}

fn below_a_file(path: &Path) -> bool {
    !existing(path).is_dir()
}

fn space(home: &Path) -> DoctorCheck {
    let id = "disk-space";
    let see = format!(
        "free some: `pyro env prune --all`, `df -h {}`",
        dirs::quoted(existing(home))
    );
    let Ok(free) = free_bytes(home) else {
        return warn(id, "the file system does not tell its free space", see);
    };
    let mebibytes = free >> 20;
    if free >= SCARCE {
        pass(
            id,
            format!("{mebibytes} MiB free for VMs' disks and environments"),
        )
    } else {
        warn(
            id,
            format!(
                "{mebibytes} MiB free, of which pyro leaves {} alone",
                DISK_MARGIN >> 20
            ),
            see,
        )
    }
}

fn describe(path: &Path) -> Value {
    let base = existing(path);
    let kind = rustix::fs::statfs(base).ok().map(|volume| volume.f_type);
    json!({
        "path": path,
        "exists": path.is_dir(),
        "free_bytes": free_bytes(path).ok(),
        "file_system": kind.map(|kind| {
            file_system(u64::try_from(kind).unwrap_or(0)).map_or_else(|| format!("{kind:#x}"), str::to_owned)
        }),
        "copy_on_write": shares_blocks(base),
    })
}

/// The name of a file system by its number in `statfs` (linux/magic.h).
fn file_system(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0xEF53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0xCA45_1A4E => "bcachefs",
        0x2FC1_2FC1 => "zfs",
        0xF2F5_2010 => "f2fs",
        0x0102_1994 => "tmpfs",
        0x794C_7630 => "overlayfs",
        0x6969 => "nfs",
        0x6573_5546 => "fuse",
        0x0102_1997 => "9p",
        _ => return None,
    })
}

/// Whether a file can share its blocks with a copy (`FICLONE`), tried on files without a name.
fn shares_blocks(dir: &Path) -> Option<bool> {
    let unnamed = || -> std::io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR)?.into())
    };
    let mut original = unnamed().ok()?;
    original.write_all(&[1; 4096]).ok()?;
    Some(rustix::fs::ioctl_ficlone(unnamed().ok()?, &original).is_ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::object::Status;

    fn status(path: &Path) -> Status {
        let check = usable("state-dir", "state directory", path);
        assert!(
            check.status == Status::Pass || check.fix.is_some_and(|fix| !fix.is_empty()),
            "every problem has a fix"
        );
        check.status
    }

    #[test]
    fn a_directory_is_looked_at_and_never_made() {
        let base = tempfile::tempdir().unwrap();
        let absent = base.path().join("a/b");
        assert_eq!(status(&absent), Status::Pass);
        assert!(!base.path().join("a").exists());
        assert_eq!(status(base.path()), Status::Pass);
        std::fs::set_permissions(base.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(status(base.path()), Status::Fail);
    }

    #[test]
    fn a_file_or_a_dead_link_in_the_way_fails() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(status(&file), Status::Fail);
        assert_eq!(status(&file.join("below")), Status::Fail);
        let link = base.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert_eq!(status(&link), Status::Fail);
    }

    #[test]
    fn features_are_tried_without_leaving_anything() {
        let base = tempfile::tempdir().unwrap();
        let value = describe(base.path());
        assert!(value["free_bytes"].as_u64().is_some());
        assert!(value["file_system"].is_string());
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
