//! Random trees, the same for the same seed. The tests of workspaces use this too.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use pyro_diff::{FileState, Mode};

use super::disk::{Tree, at, file};

/// A generator of numbers (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const NAMES: &[&[u8]] = &[
    b"main.rs",
    b"a",
    b"b",
    b"lib",
    b"src",
    b"x b",
    b"a b",
    b" lead",
    b"trail ",
    b"tab\there",
    b"new\nline",
    b"q\"uote",
    b"back\\slash",
    b"cr\r",
    b"\xff\xfe",
    "\u{fc}ml\u{e4}ut".as_bytes(),
    "\u{65e5}\u{672c}".as_bytes(),
    b"--- a",
    b"-",
    b"x differ",
    b"\x01\x7f",
    b"a and b",
    b"dev",
    b"null",
    b"\"",
    b"it's",
    b"x.orig",
    b"[*]?",
];

const LINES: &[&[u8]] = &[
    b"",
    b"",
    b"}",
    b"{",
    b"    return 1;",
    b"fn main() {",
    b"-- x",
    b"++ b/y",
    b"-",
    b"+",
    b"@@ -1 +1 @@",
    b"diff --git a/x b/x",
    b"\\ No newline at end of file",
    b"form\x0cfeed",
    b"vertical\x0btab",
    b"lone\rreturn",
    "line\u{2028}separator".as_bytes(),
    "next\u{85}line".as_bytes(),
    b"trailing  ",
    b"\ttab",
    b"\xff\xfe",
    b" ",
    b"--- a/x",
    b"+++ b/x",
    b"GIT binary patch",
    b"Binary files a/x and b/x differ",
    b"-- ",
    b"2.47.3",
    b"\x1b[0m",
];

fn line(random: &mut Random) -> Vec<u8> {
    if random.one_in(3) {
        format!("line {}", random.below(1000)).into_bytes()
    } else {
        random.pick(LINES).to_vec()
    }
}

fn ending(random: &mut Random, style: usize) -> &'static [u8] {
    match style {
        0 => b"\r\n",
        1 if random.one_in(2) => b"\r\n",
        _ => b"\n",
    }
}

fn content(random: &mut Random) -> Vec<u8> {
    let count = match random.below(20) {
        0 => return Vec::new(),
        1 | 2 => {
            let length = random.below(3000);
            return (0..length)
                .map(|_| random.next().to_le_bytes()[0] & 0x3f)
                .chain([0])
                .collect();
        }
        3 => 2000 + random.below(3000),
        _ => 1 + random.below(40),
    };
    let style = random.below(8);
    let mut content = Vec::new();
    for _ in 0..count {
        content.extend(line(random));
        content.extend_from_slice(ending(random, style));
    }
    if random.one_in(4) {
        content.pop();
    }
    content
}

fn new_file(random: &mut Random) -> FileState {
    match random.below(10) {
        0 => {
            // Never a loop, which `git apply` cannot replace by a directory.
            let target = [*random.pick(&[&b"no "[..], b"../"]), *random.pick(NAMES)].concat();
            file(Mode::Symlink, &target)
        }
        1 | 2 => file(Mode::Executable, &content(random)),
        _ => file(Mode::File, &content(random)),
    }
}

fn path(random: &mut Random) -> Vec<u8> {
    let depth = 1 + random.below(3);
    let names: Vec<&[u8]> = (0..depth).map(|_| *random.pick(NAMES)).collect();
    names.join(&b'/')
}

/// A path at which a file can be.
fn free_path(random: &mut Random, tree: &Tree) -> Vec<u8> {
    loop {
        let path = path(random);
        let above = (0..path.len())
            .filter(|&index| path[index] == b'/')
            .any(|index| tree.contains_key(&path[..index]));
        if !above && at(tree, &path).is_none() {
            return path;
        }
    }
}

fn edit(random: &mut Random, content: &[u8]) -> Vec<u8> {
    if content.contains(&0) {
        let mut edited = content.to_vec();
        let index = random.below(edited.len());
        edited[index] ^= 1;
        edited.push(0);
        return edited;
    }
    let mut lines: Vec<Vec<u8>> = content
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    for _ in 0..=random.below(4) {
        let index = random.below(lines.len() + 1);
        let added = [line(random), vec![b'\n']].concat();
        match random.below(3) {
            0 => lines.insert(index, added),
            1 if index < lines.len() => drop(lines.remove(index)),
            _ if index < lines.len() => lines[index] = added,
            _ => lines.push(added),
        }
    }
    let mut edited = lines.concat();
    match random.below(6) {
        0 if edited.ends_with(b"\n") => drop(edited.pop()),
        1 => edited.push(b'\n'),
        _ => {}
    }
    edited
}

fn change(random: &mut Random, tree: &mut Tree) {
    let paths: Vec<Vec<u8>> = tree.keys().cloned().collect();
    let Some(path) = paths.get(random.below(paths.len())).cloned() else {
        return;
    };
    let mut state = tree[&path].clone();
    let flip = |mode| match mode {
        Mode::File => Mode::Executable,
        Mode::Executable => Mode::File,
        other => other,
    };
    match random.below(12) {
        0 => drop(tree.remove(&path)),
        1 => drop(tree.insert(free_path(random, tree), new_file(random))),
        2 => {
            state.mode = flip(state.mode);
            tree.insert(path, state);
        }
        3..=5 => {
            tree.remove(&path);
            if random.one_in(2) && state.mode != Mode::Symlink {
                state.content = edit(random, &state.content);
            }
            if random.one_in(4) {
                state.mode = flip(state.mode);
            }
            tree.insert(free_path(random, tree), state);
        }
        6 => drop(tree.insert(path, new_file(random))),
        7 => {
            tree.remove(&path);
            let below = [&path[..], b"/", *random.pick(NAMES)].concat();
            tree.insert(below, if random.one_in(2) { state } else { new_file(random) });
        }
        8 if path.contains(&b'/') => {
            let top = path.split(|&byte| byte == b'/').next().unwrap().to_vec();
            let prefix = [&top[..], b"/"].concat();
            tree.retain(|path, _| !path.starts_with(&prefix));
            tree.insert(top, if random.one_in(2) { state } else { new_file(random) });
        }
        _ if state.mode != Mode::Symlink => {
            state.content = edit(random, &state.content);
            tree.insert(path, state);
        }
        _ => drop(tree.insert(path, new_file(random))),
    }
}

/// Two trees that differ in a few ways.
pub(crate) fn tree_pair(seed: u64) -> (Tree, Tree) {
    let random = &mut Random(seed);
    let mut old = Tree::new();
    for _ in 0..random.below(12) {
        let path = free_path(random, &old);
        old.insert(path, new_file(random));
    }
    let mut new = old.clone();
    for _ in 0..=random.below(8) {
        change(random, &mut new);
    }
    (old, new)
}
