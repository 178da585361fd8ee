//! The work disk: what a run of the lab brings along, and room for what it writes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::{Context, environments, packages};

/// Sparse: a run fills a small part of it.
const SIZE: &str = "24G";
/// What of the environments' cache is taken along: the images and their names. The rest is about the host or made anew.
const ENVIRONMENTS: [&str; 2] = ["environments", "installs"];
const MAIN: &str = include_str!("main.sh");

/// What the disk holds besides the built pyro and the environments.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    /// The shell script to run.
    pub(super) job: &'a str,
    /// Names and executables of test programs.
    pub(super) tests: &'a [(String, PathBuf)],
    pub(super) firecracker: &'a Path,
}

/// Makes the disk as a file of that directory, with this name among others of its kind.
pub(super) fn build(context: &Context, dir: &Path, name: &str, contents: &Contents<'_>) -> Result<PathBuf> {
    let stage = dir.join("work");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    for name in ["bin", "tests"] {
        fs::create_dir_all(stage.join(name))?;
    }
    fs::write(stage.join("main.sh"), MAIN)?;
    fs::write(stage.join("job.sh"), contents.job)?;
    fs::copy(contents.firecracker, stage.join("bin/firecracker"))?;
    for (name, executable) in contents.tests {
        fs::copy(executable, stage.join("tests").join(name))?;
    }
    copy_tree(&context.layout.dist(), &stage.join("dist"))?;
    let cache = stage.join("environments");
    // Only its owner may enter: pyro refuses it otherwise.
    fs::create_dir(&cache)?;
    fs::set_permissions(&cache, PermissionsExt::from_mode(0o700))?;
    for name in ENVIRONMENTS {
        copy_tree(&environments::of_tests(context).join(name), &cache.join(name))?;
    }

    let disk = dir.join(format!("work-{name}.ext4"));
    if disk.exists() {
        fs::remove_file(&disk)?;
    }
    let mut mke2fs = Command::new(packages::find("mke2fs").context("no mke2fs")?);
    mke2fs
        .args(["-q", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0", "-d"])
        .arg(&stage)
        .arg(&disk)
        .arg(SIZE);
    context.run("make lab disk", &mut mke2fs)?;
    fs::remove_dir_all(&stage)?;
    Ok(disk)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
