//! What is going on when somebody is killed.

use super::Random;
use super::content::{Content, Sources};

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Exec,
    Push,
    Patch,
    Create,
    Stop,
    Reset,
    Delete,
}

/// In this order, the first of them have something to lose.
const KINDS: [Kind; 10] = [
    Kind::Push,
    Kind::Exec,
    Kind::Patch,
    Kind::Push,
    Kind::Create,
    Kind::Stop,
    Kind::Patch,
    Kind::Exec,
    Kind::Reset,
    Kind::Delete,
];

/// What may be found after an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum After {
    /// The workspace with this content.
    Holds(Content),
    /// No workspace.
    Gone,
    /// Another workspace, beside the one that there is.
    Made,
}

/// An operation with its outcome.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) words: Vec<String>,
    pub(super) after: After,
}

impl Kind {
    /// First each in its turn, then any.
    pub(super) fn of_round(round: u64, random: &mut Random) -> Self {
        let count = KINDS.len() as u64;
        let index = if round <= count {
            round - 1
        } else {
            random.below(count)
        };
        KINDS[usize::try_from(index).expect("there are few kinds")]
    }
}

impl Operation {
    /// An operation on a workspace with that content.
    pub(super) fn new(kind: Kind, round: u64, holds: &Content, sources: &Sources) -> Self {
        let source = sources.other_than(holds);
        let mut after = holds.clone();
        let words = match kind {
            Kind::Exec => {
                after.file = round.to_string();
                // A shell empties a file before it writes it, and may be ended in between.
                let write = format!("echo {round} >/root/g && mv /root/g /root/f; sync");
                to_words(&["exec", "alpha", "--timeout-seconds", "600", "--", &write])
            }
            Kind::Push => {
                after.tree.clone_from(&source.shown);
                let path = source.dir.join("tree");
                let path = path.to_string_lossy();
                to_words(&["sync", "push", "alpha", &path, "--dest", "tree", "--delete"])
            }
            Kind::Patch => {
                after.patched = format!("{round} {round}");
                let patch = patch(&holds.patched, round);
                to_words(&["patch", "apply", "alpha", "--patch", &patch])
            }
            Kind::Create => {
                let path = source.dir.to_string_lossy();
                to_words(&["create", "--name", "beta", "--seed-path", &path])
            }
            Kind::Stop => to_words(&["stop", "alpha"]),
            Kind::Reset => {
                after = Content::default();
                to_words(&["reset", "alpha"])
            }
            Kind::Delete => to_words(&["delete", "alpha"]),
        };
        let after = match kind {
            Kind::Create => After::Made,
            Kind::Delete => After::Gone,
            _ => After::Holds(after),
        };
        Self { words, after }
    }
}

/// Writes the round into two files, which hold the round of another patch, or are not there.
fn patch(patched: &str, round: u64) -> String {
    let of_file = |name: &str| match patched.split(' ').next() {
        Some(before) if !before.is_empty() => {
            format!("--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-{before}\n+{round}\n")
        }
        _ => format!("--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{round}\n"),
    };
    of_file("one") + &of_file("two")
}

fn to_words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
