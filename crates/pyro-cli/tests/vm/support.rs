//! Running the built binary in a home of its own, and looking at what it leaves there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness that fails must fail the test"
)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{self, Watched};
use crate::tier::{self, Tier};

/// How long a VM may outlive whoever owned it. It is killed at once; giving its memory back takes a busy host longer.
pub(crate) fn gone_within() -> Duration {
    Duration::from_secs(figure("PYRO_TEST_GONE_S", 5))
}

/// What may stay in a home: the register of reservations and its lock, where workspaces and runs without a VM were, and for
/// an hour what a run came to that a model asked for.
const MAY_STAY: [&str; 5] = ["admission.json", "admission.lock", "host", "runs", "workspaces"];

/// How long a command may run where the test does not say: long enough for any host.
const TIMEOUT: [&str; 2] = ["--timeout-seconds", "600"];

/// What a variable says; without it the test fails.
pub(crate) fn required(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(value) => value.into(),
        None => panic!("{variable} is not set: `cargo xtask test` runs these tests"),
    }
}

/// The figure in a variable, or the one that holds without it.
pub(crate) fn figure(variable: &str, otherwise: u64) -> u64 {
    let Ok(given) = std::env::var(variable) else {
        return otherwise;
    };
    let parsed = given.parse();
    parsed.unwrap_or_else(|error| panic!("{variable} is no number: {error}"))
}

/// Directories of its own for a few invocations. When it goes, nothing may be left in them.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
    cache: PathBuf,
    environment: String,
    /// Whether the VMMs of this host are there.
    has_vmms: bool,
}

/// What an invocation left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Home {
    /// With the cache that all tests share.
    pub(crate) fn new() -> Self {
        Self::make(Some(required("PYRO_TEST_CACHE")))
    }

    /// With an empty cache.
    pub(crate) fn with_own_cache() -> Self {
        Self::make(None)
    }

    fn make(cache: Option<PathBuf>) -> Self {
        let dir = TempDir::with_prefix("pyro-vm-test-").unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        let cache = cache.unwrap_or_else(|| dir.path().join("cache"));
        Self {
            dir,
            cache,
            environment: "debian:12".to_owned(),
            has_vmms: true,
        }
    }

    /// Has no VM run, as on a host that is as this one is, but has no VMM.
    pub(crate) fn hide_vmms(&mut self) {
        self.has_vmms = false;
    }

    /// Makes another environment the default.
    pub(crate) fn set_environment(&mut self, name: &str) {
        name.clone_into(&mut self.environment);
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `PYRO_HOME`.
    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// `PYRO_CACHE_DIR`.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Any invocation, with nothing of the caller's environment.
    pub(crate) fn pyro<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let command = self.pyro_with_vmms(words);
        if self.has_vmms {
            command
        } else {
            without_vmms(&command)
        }
    }

    /// The same, wherever VMMs are hidden from the others.
    pub(crate) fn pyro_with_vmms<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(required("PYRO_TEST_BIN"));
        command
            .args(words)
            .env_clear()
            .env("PATH", tier::PATH)
            .env("HOME", self.path())
            .env("TMPDIR", self.path().join("tmp"))
            .env("PYRO_HOME", self.state())
            .env("PYRO_CACHE_DIR", &self.cache)
            .env("PYRO_ENVIRONMENT", &self.environment)
            .env("PYRO_ISOLATION", Tier::wanted().isolation)
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// `pyro run OPTIONS -- WORDS`, not yet started.
    pub(crate) fn run_command<S: AsRef<OsStr>>(&self, options: &[&str], words: &[S]) -> Command {
        let mut all: Vec<OsString> = vec!["run".into()];
        if !options.contains(&TIMEOUT[0]) {
            all.extend(TIMEOUT.map(OsString::from));
        }
        all.extend(options.iter().map(OsString::from));
        all.push("--".into());
        all.extend(words.iter().map(|word| word.as_ref().to_owned()));
        self.pyro(all)
    }

    /// `pyro run OPTIONS -- WORDS` to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, options: &[&str], words: &[S]) -> Ended {
        Ended::from(self.run_command(options, words).output().unwrap())
    }

    /// `pyro run --json OPTIONS -- WORDS` to its end: the exit status and the object.
    pub(crate) fn json<S: AsRef<OsStr>>(&self, options: &[&str], words: &[S]) -> (i32, Value) {
        let ended = self.run(&[&["--json"], options].concat(), words);
        let result = ended.json();
        // A test that demands a tier of its own looks at it itself.
        if !options.contains(&"--isolation") {
            Tier::wanted().assert_is_of(&result);
        }
        (ended.status, result)
    }

    /// `pyro run OPTIONS -- WORDS`, running.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, options: &[&str], words: &[S]) -> Running {
        let mut command = self.run_command(options, words);
        Running::of(command.stdin(Stdio::piped()))
    }

    /// Fails if anything is left of what ran here.
    pub(crate) fn assert_nothing_left(&self) {
        let holders = process::holding(self.path());
        assert!(
            process::all_gone(&holders, gone_within()),
            "processes are left: {holders:?}"
        );
        let left = names(&self.state());
        assert!(
            left.iter().all(|name| MAY_STAY.contains(&name.as_str())),
            "the home has {left:?}"
        );
        let left = names(&self.state().join("workspaces"));
        assert!(
            left.iter().all(|name| name == "names.lock"),
            "workspaces are left: {left:?}"
        );
        let left = names(&self.state().join("host"));
        assert!(left.is_empty(), "runs without a VM are left: {left:?}");
        assert_eq!(
            names(&self.path().join("tmp")),
            [""; 0],
            "temporary files are left"
        );
        let path = self.path().to_string_lossy();
        for table in ["/proc/self/mountinfo", "/proc/net/unix"] {
            let text = fs::read_to_string(table).unwrap();
            assert!(!text.contains(&*path), "{table} names {path}: {text}");
        }
    }

    /// Fails unless the register is there and holds nothing.
    pub(crate) fn assert_nothing_reserved(&self) {
        let register = fs::read(self.state().join("admission.json")).unwrap();
        let register: Value = serde_json::from_slice(&register).unwrap();
        assert_eq!(register["entries"], Value::Array(Vec::new()));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_nothing_left();
        }
    }
}

/// Hides every VMM from the program that it then becomes. Where nothing may be mounted, it ends with status 99.
const HIDE: &str = "for dir in /usr/local/bin /usr/bin /bin /usr/local/sbin /usr/sbin /sbin; do
    for program in qemu-system-x86_64 firecracker; do
        [ ! -e $dir/$program ] || mount --bind /dev/null $dir/$program || exit 99
    done
done
exec \"$@\"";

/// An invocation on a host that is as this one is, but has no VMM, and insists on no tier.
pub(crate) fn without_vmms(pyro: &Command) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", HIDE, "sh"]);
    command.arg(pyro.get_program()).args(pyro.get_args()).env_clear();
    for (name, value) in pyro.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("PYRO_ISOLATION", "auto").stdin(Stdio::null());
    if let Some(dir) = pyro.get_current_dir() {
        command.current_dir(dir);
    }
    command
}

/// The names in a directory, which may be missing.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let status = output.status.code();
        Self {
            status: status.unwrap_or_else(|| panic!("pyro itself was ended: {:?}", output.status)),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard output as an object; there may be nothing on standard error.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stderr, "");
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// An invocation under way.
#[derive(Debug)]
pub(crate) struct Running {
    child: Owned,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<String>,
}

/// A child that does not outlive a test that fails.
#[derive(Debug)]
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Running {
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self {
            child: Owned(child),
            stdout,
            stderr,
        }
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.0.stdin.take().unwrap()
    }

    pub(crate) fn stdout(&mut self) -> &mut impl BufRead {
        &mut self.stdout
    }

    /// Reads on to a line of its own.
    pub(crate) fn wait_for(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim_end() != wanted {
            line.clear();
            let count = self.stdout.read_line(&mut line).unwrap();
            assert!(count > 0, "the output ended before `{wanted}`");
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_some()
    }

    /// Its descendants: the VMM, mainly.
    pub(crate) fn descendants(&self) -> Vec<Watched> {
        process::descendants(self.child.0.id())
    }

    /// The most memory that it ever used, in bytes, up to now; `None` once it has ended.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        process::peak_memory(self.child.0.id())
    }

    /// How much it has read by system calls, from files or from others, in bytes; `None` once it has ended.
    pub(crate) fn read_bytes(&self) -> Option<u64> {
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.0.id())).ok()?;
        let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        line?.parse().ok()
    }

    /// Stops reading standard output.
    pub(crate) fn leave(mut self) -> Ended {
        drop(self.stdout);
        let status = self.child.0.wait().unwrap();
        let stderr = self.stderr.join().unwrap();
        Ended::from(Output {
            status,
            stdout: Vec::new(),
            stderr: stderr.into_bytes(),
        })
    }

    /// Waits for its end, while nobody reads standard output.
    pub(crate) fn wait_without_reading(mut self) -> Option<i32> {
        self.child.0.wait().unwrap().code()
    }

    /// Waits for its end, with the rest of its output.
    pub(crate) fn finish(mut self) -> Ended {
        drop(self.child.0.stdin.take());
        let mut stdout = Vec::new();
        self.stdout.read_to_end(&mut stdout).unwrap();
        let status = self.child.0.wait().unwrap();
        let stderr = self.stderr.join().unwrap();
        Ended::from(Output {
            status,
            stdout,
            stderr: stderr.into_bytes(),
        })
    }

    /// Kills it and whatever it has no time to end.
    pub(crate) fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }
}
