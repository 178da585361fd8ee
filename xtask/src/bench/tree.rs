//! What trees of files take: brought in, brought out, and compared.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::bench::measure::{Bench, sample};
use crate::say;

/// A tree of few large files, and one of many small ones: how many, and how long each is, in bytes.
const MOVED: [(&str, u32, usize); 2] = [
    ("256 MiB in 64 files", 64, 4 << 20),
    ("10,000 files of 4 KiB", 10_000, 4 << 10),
];

/// Trees in which a few files change: their names, and how many files they have.
const COMPARED: [(&str, u32); 2] = [("1,000", 1000), ("100,000", 100_000)];

/// How long each of those files is, in bytes.
const COMPARED_BYTES: usize = 100;

/// How many of them change.
const CHANGED: u32 = 10;

/// How often a diff is taken for each run.
const DIFFS: u32 = 10;

/// How many files a directory has.
const PER_DIRECTORY: u32 = 50;

const NAME: &str = "pyro-bench-tree";

/// A directory that goes with its value.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is replaced by the next bench.
        drop(fs::remove_dir_all(&self.0));
    }
}

impl Bench<'_> {
    /// Whole processes of `pyro workspace …` on trees.
    pub(crate) fn trees(&mut self) -> Result<()> {
        if self.tree_runs() == 0 {
            return Ok(());
        }
        let scratch = Scratch(self.own().join("bench-trees"));
        if scratch.0.exists() {
            fs::remove_dir_all(&scratch.0)?;
        }
        for (name, files, bytes) in MOVED {
            let [seed, push, again, export] = say::step(name, || self.move_tree(&scratch.0, files, bytes))?;
            let kinds = [
                ("seed", seed),
                ("push", push),
                ("the same push again", again),
                ("export", export),
            ];
            for (what, samples) in kinds {
                let total = crate::runtime::mebibytes(u64::from(files) * bytes as u64);
                let rates: Vec<f64> = samples.iter().map(|ms| total / ms * 1000.0).collect();
                self.add(&format!("tree of {name}: {what}"), "MiB/s", &rates);
            }
        }
        for (name, files) in COMPARED {
            let step = format!("diff of {name} files");
            let samples = say::step(&step, || self.compare_tree(&scratch.0, files))?;
            self.add(
                &format!("diff: {CHANGED} files changed among {name}"),
                "ms",
                &samples,
            );
        }
        Ok(())
    }

    /// How long it takes to begin with a tree, to push it, to push it again, and to export it.
    fn move_tree(&self, scratch: &Path, files: u32, bytes: usize) -> Result<[Vec<f64>; 4]> {
        let source = scratch.join("source");
        make_tree(&source, files, bytes)?;
        let output = scratch.join("output");
        let [source_word, output_word] = [text(&source)?, text(&output)?];
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..self.tree_runs() {
            times[0].push(self.create_workspace(NAME, &["--seed-path", source_word])?);
            let push = ["sync", "push", NAME, source_word, "--dest", "pushed"];
            times[1].push(self.workspace(&push)?);
            times[2].push(self.workspace(&push)?);
            // The one that it began with comes out: the other is in the guest's memory.
            self.workspace(&["exec", NAME, "--", "/bin/rm", "-rf", "pushed"])?;
            times[3].push(self.workspace(&["export", NAME, "--output", output_word])?);
            self.workspace(&["delete", NAME])?;
            fs::remove_dir_all(&output)?;
        }
        fs::remove_dir_all(&source)?;
        Ok(times)
    }

    /// How long a diff takes when a few files have changed.
    fn compare_tree(&self, scratch: &Path, files: u32) -> Result<Vec<f64>> {
        let source = scratch.join("source");
        make_tree(&source, files, COMPARED_BYTES)?;
        self.create_workspace(NAME, &["--seed-path", text(&source)?])?;
        fs::remove_dir_all(&source)?;
        let step = files / CHANGED;
        let changed: Vec<String> = (0..CHANGED).map(|index| path_of(index * step)).collect();
        let script = format!("for f in {}; do echo changed >$f; done", changed.join(" "));
        self.workspace(&["exec", NAME, "--", &script])?;
        let samples = sample(self.tree_runs() * DIFFS, || self.workspace(&["diff", NAME]))?;
        self.workspace(&["delete", NAME])?;
        Ok(samples)
    }
}

/// Where the file of this number is.
fn path_of(index: u32) -> String {
    format!("d{}/f{index}", index / PER_DIRECTORY)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the target directory has an odd name")
}

/// Makes so many files of this length; no two are the same.
fn make_tree(root: &Path, files: u32, bytes: usize) -> Result<()> {
    let mut content = noise(bytes);
    for index in 0..files {
        let path = root.join(path_of(index));
        if index % PER_DIRECTORY == 0 {
            fs::create_dir_all(path.parent().unwrap_or(root))?;
        }
        content[..4].copy_from_slice(&index.to_le_bytes());
        fs::write(path, &content)?;
    }
    Ok(())
}

/// Bytes without a pattern (xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_so_many_files_and_each_is_another() {
        let dir = tempfile::tempdir().unwrap();
        make_tree(dir.path(), 120, 100).unwrap();
        let contents: std::collections::BTreeSet<Vec<u8>> = (0..120)
            .map(|index| fs::read(dir.path().join(path_of(index))).unwrap())
            .collect();
        assert_eq!(contents.len(), 120);
        assert!(contents.iter().all(|content| content.len() == 100));
    }
}
