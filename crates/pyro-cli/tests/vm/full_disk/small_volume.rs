//! A file system of its own for a test, whose size can be changed.
//!
//! To mount one takes a mount namespace, and for a user other than root a user namespace around that. A process with
//! threads cannot enter those, so the test runs once more in a process that begins there, with its temporary files on the
//! volume.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness that fails must fail the test"
)]

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Names the volume to the process that runs on it.
const VARIABLE: &str = "PYRO_TEST_VOLUME";

/// A VM is admitted with 1 GiB to spare.
const SIZE_MIB: u64 = 1300;

/// How much the volume is tried to be made larger by until it holds what is on it, in bytes, and how often.
const STEP: u64 = 4096;
const TRIES: u64 = 64;

/// A volume that the running test has for itself.
#[derive(Debug)]
pub(super) struct SmallVolume(PathBuf);

impl SmallVolume {
    /// The volume, in the process that runs on it. `None` in any other, once the test of this name has run there.
    pub(super) fn here(test: &str) -> Option<Self> {
        if let Some(dir) = std::env::var_os(VARIABLE) {
            return Some(Self(dir.into()));
        }
        run_on_volume(test);
        None
    }

    /// Leaves no space on it, whatever is there.
    pub(super) fn fill(&self) {
        let status = rustix::fs::statvfs(&self.0).unwrap();
        // A size of nothing would be no limit (tmpfs(5)).
        let used = (status.f_blocks - status.f_bfree).max(1) * status.f_frsize;
        // What runs may take some more meanwhile.
        let fits = (0..TRIES).any(|try_| self.resize(used + try_ * STEP));
        assert!(fits, "the volume cannot be made smaller");
    }

    /// Gives it its size again.
    pub(super) fn free(&self) {
        assert!(self.resize(SIZE_MIB << 20));
    }

    fn resize(&self, bytes: u64) -> bool {
        let options = format!("remount,size={bytes}");
        let output = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.0)
            .output()
            .unwrap();
        output.status.success()
    }
}

/// Runs one test of this program on a volume of its own, and fails unless it runs there and passes.
fn run_on_volume(test: &str) {
    let dir = TempDir::with_prefix("pyro-vm-volume-").unwrap();
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let mount =
        format!("mount -t tmpfs -o size={SIZE_MIB}m,mode=0700 none \"$TMPDIR\" || exit 99; exec \"$@\"");
    let output = command
        .args(["--mount", "sh", "-c", &mount, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("TMPDIR", dir.path())
        .env(VARIABLE, dir.path())
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    match output.status.code() {
        Some(0) => assert!(stdout.contains("1 passed"), "no test is called {test}: {stdout}"),
        Some(99) => {
            panic!("no file system can be mounted here, not in a namespace of its own either: {stderr}")
        }
        _ => panic!("{stdout}{stderr}"),
    }
}
