//! Large trees: all of them comes through, through little memory, also of the guest.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails must fail the test"
)]
#![expect(clippy::print_stdout, reason = "figures are for whoever looks at them")]

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bulk::{self, Size};
use super::tree;
use crate::process::peak_memory;
use crate::workspace::Workspaces;

const MIB: u64 = 1 << 20;

/// The most memory that any process of pyro may take, whatever passes through it.
const BOUND: u64 = 100 * MIB;

/// Far less than the tree may have.
const MEMORY: &str = "512";

/// A command that ended well.
struct Done {
    stdout: Vec<u8>,
    time: Duration,
    peak: u64,
}

/// Runs `pyro workspace WORDS` and looks at its memory meanwhile.
fn watch(home: &Workspaces, words: &[&str]) -> Done {
    let path = |name: &str| home.home().path().join(name);
    let began = Instant::now();
    let mut child = home
        .home()
        .pyro([&["workspace"], words].concat())
        .stdout(File::create(path("stdout")).unwrap())
        .stderr(File::create(path("stderr")).unwrap())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        // The mark only grows: what counts is the last look.
        peak = peak_memory(child.id()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let time = began.elapsed();
    if !status.success() {
        let told = ["stderr", "stdout"].map(|name| fs::read_to_string(path(name)).unwrap_or_default());
        panic!("{words:?}: {status}: {}", told.concat());
    }
    Done {
        stdout: fs::read(path("stdout")).unwrap(),
        time,
        peak,
    }
}

/// What a test measures: commands with their time and memory, to be printed and held against the bound at the end.
struct Figures<'a> {
    home: &'a Workspaces,
    size: Size,
    peaks: Vec<(String, u64)>,
}

impl<'a> Figures<'a> {
    fn new(home: &'a Workspaces, size: Size) -> Self {
        Self {
            home,
            size,
            peaks: Vec::new(),
        }
    }

    /// Runs a command that moves all of the tree.
    fn of_transfer(&mut self, what: &str, words: &[&str]) -> Value {
        let done = watch(self.home, &[&["--json"], words].concat());
        let object: Value = serde_json::from_slice(&done.stdout).unwrap();
        let moved = ["workspace_seed", "workspace_sync"]
            .iter()
            .find_map(|name| object.get(name))
            .unwrap_or(&object);
        let bytes = moved["bytes_written"].as_u64().unwrap_or(0);
        let rate = bytes as f64 / 1e6 / done.time.as_secs_f64();
        let told = format!("{} entries, {rate:.0} MB/s", moved["entry_count"]);
        self.add(what, &done, &told);
        object
    }

    /// Runs a command that says what differs.
    fn of_diff(&mut self, what: &str, words: &[&str]) -> Vec<u8> {
        let done = watch(self.home, words);
        self.add(what, &done, "");
        done.stdout
    }

    fn add(&mut self, what: &str, done: &Done, told: &str) {
        println!(
            "{what}: {:.2} s, {} MiB of memory, {told}",
            done.time.as_secs_f64(),
            done.peak / MIB
        );
        self.peaks.push((what.to_owned(), done.peak));
    }

    /// Fails if a command, or the process that supervises the workspace, took too much memory.
    fn finish(mut self, id: &str) {
        let (supervisor, _) = self.home.try_processes(id).unwrap();
        let peak = peak_memory(supervisor).unwrap();
        println!("supervisor: {} MiB of memory, {:?}", peak / MIB, self.size);
        self.peaks.push(("supervisor".to_owned(), peak));
        for (what, peak) in self.peaks {
            assert!((1..BOUND).contains(&peak), "{what}: {} MiB", peak / MIB);
        }
    }
}

#[test]
fn a_large_tree_comes_out_as_it_went_in() {
    let home = Workspaces::new();
    let path = |name: &str| home.home().path().join(name);
    let size = Size::wanted();
    bulk::make(&path("source"), size);
    let source = tree::read(&path("source"));
    let mut figures = Figures::new(&home, size);
    // The first start of its kind takes the time of a boot.
    let first = home.create(&["--mem-mib", MEMORY]);
    home.ok(&["delete", &first]);

    let words = [
        "create",
        "--seed-path",
        "source",
        "--include-ignored",
        "--mem-mib",
        MEMORY,
    ];
    let created = figures.of_transfer("seed", &words);
    let id = created["workspace_id"].as_str().unwrap();
    let seed = &created["workspace_seed"];
    assert!(seed["skipped"].as_array().unwrap().is_empty(), "{seed:#}");
    assert_eq!(seed["entry_count"], source.len() as u64);
    let counted = home.sh(
        id,
        "find . -mindepth 1 -printf x | wc -c; stat -c %a modes/file-4755",
    );
    assert_eq!(counted, format!("{}\n4755\n", source.len()));

    let diff = figures.of_diff(
        "diff of nothing",
        &["diff", id, "--include-ignored", "--exit-code"],
    );
    assert_eq!(String::from_utf8_lossy(&diff), "");
    let exported = figures.of_transfer("export", &["export", id, "--output", "exported"]);
    assert!(exported["skipped"].as_array().unwrap().is_empty(), "{exported:#}");
    assert_eq!(exported["entry_count"].as_u64().unwrap(), source.len() as u64);
    let expected = tree::without_special_bits(source);
    tree::assert_same(&expected, &tree::read(&path("exported")));
    figures.finish(id);
}

#[test]
fn a_large_tree_is_pushed_and_then_only_what_it_has() {
    let home = Workspaces::new();
    let path = |name: &str| home.home().path().join(name);
    let size = Size::wanted();
    bulk::make(&path("source"), size);
    let source = tree::read(&path("source"));
    let mut figures = Figures::new(&home, size);
    let id = home.create(&["--mem-mib", MEMORY]);

    let words = ["sync", "push", &id, "source", "--include-ignored", "--delete"];
    let pushed = figures.of_transfer("push", &words);
    assert_eq!(pushed["workspace_sync"]["entry_count"], source.len() as u64);
    let stat = figures.of_diff("diff --stat of everything", &["diff", &id, "--stat"]);
    let stat = String::from_utf8_lossy(&stat);
    let files = source.values().filter(|node| !node.is_directory()).count();
    let last = stat.lines().last().unwrap_or_default();
    assert!(last.starts_with(&format!(" {files} files changed, ")), "{last}");

    bulk::change(&path("source"));
    let source = tree::read(&path("source"));
    let pushed = figures.of_transfer("second push", &words);
    let removed = &pushed["workspace_sync"]["deleted_count"];
    assert_eq!(removed, bulk::REMOVED, "what is replaced is not removed");
    figures.of_transfer("export", &["export", &id, "--output", "exported"]);
    let expected = tree::without_special_bits(source);
    tree::assert_same(&expected, &tree::read(&path("exported")));
    figures.finish(&id);
}
