//! Contents for a comparison, fetched from the guest when they are needed, some of them ahead.

use std::collections::HashMap;
use std::io;

use pyro_diff::{Change, Contents, Mode, Side};
use pyro_proto::file::{Fetch, FileKind};
use tokio::runtime::Handle;

use crate::guest::GuestError;
use crate::guest::files::{ChangesCall, Fetched};

/// How many contents are fetched at once.
const AHEAD: usize = 64;

/// How many bytes are fetched ahead.
const AHEAD_BYTES: u64 = 4 << 20;

/// Where the content of one side of a change is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// In the baseline.
    Baseline,
    /// In the live tree.
    Live,
    /// It was fetched before.
    Kept(Vec<u8>),
}

/// A change, and where its contents are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) change: Change,
    pub(super) old: Source,
    pub(super) new: Source,
}

/// The contents of changed files, on both sides. For a thread that may wait.
#[derive(Debug)]
pub(super) struct GuestContents<'a> {
    call: ChangesCall,
    changes: &'a [Change],
    sources: &'a [(Source, Source)],
    runtime: Handle,
    max_bytes: u64,
    fetched: HashMap<(Side, usize), Vec<u8>>,
    /// What went wrong with the guest, for whoever tells of the comparison's failure.
    pub(super) failure: Option<GuestError>,
}

impl<'a> GuestContents<'a> {
    /// Contents of at most so many bytes each, for changes and where those of their old and new sides are.
    pub(super) fn new(
        call: ChangesCall,
        (changes, sources): (&'a [Change], &'a [(Source, Source)]),
        runtime: Handle,
        max_bytes: u64,
    ) -> Self {
        Self {
            call,
            changes,
            sources,
            runtime,
            max_bytes,
            fetched: HashMap::new(),
            failure: None,
        }
    }

    fn source(&self, side: Side, index: usize) -> &'a Source {
        match side {
            Side::Old => &self.sources[index].0,
            Side::New => &self.sources[index].1,
        }
    }

    /// Everything from one content on that is likely to be asked for next.
    fn wanted(&self, side: Side, index: usize) -> Vec<(Side, usize)> {
        let mut wanted = vec![(side, index)];
        let mut bytes = 0;
        for (at, change) in self.changes.iter().enumerate().skip(index) {
            for (side, node) in [(Side::Old, change.old), (Side::New, change.new)] {
                let Some(node) = node.filter(|node| node.mode != Mode::Directory) else {
                    continue;
                };
                if wanted[0] == (side, at) || matches!(self.source(side, at), Source::Kept(_)) {
                    continue;
                }
                bytes += node.size;
                if bytes > AHEAD_BYTES || wanted.len() >= AHEAD {
                    return wanted;
                }
                wanted.push((side, at));
            }
        }
        wanted
    }

    fn fetch(&mut self, side: Side, index: usize) -> Result<(), GuestError> {
        let wanted = self.wanted(side, index);
        let fetches: Vec<Fetch> = wanted
            .iter()
            .map(|&(side, index)| Fetch {
                path: self.changes[index].path.clone().into(),
                old: *self.source(side, index) == Source::Baseline,
                max_bytes: self.max_bytes,
            })
            .collect();
        let fetched = self.runtime.block_on(self.call.fetch(&fetches))?;
        self.fetched = wanted.into_iter().zip(fetched.into_iter().map(content)).collect();
        Ok(())
    }
}

/// The content of a file, the target of a link. What is something else by now, or too long, has none.
pub(super) fn content(fetched: Fetched) -> Vec<u8> {
    match fetched.entry.kind() {
        FileKind::Symlink => fetched.entry.target.to_vec(),
        FileKind::File => fetched.content.unwrap_or_default(),
        _ => Vec::new(),
    }
}

impl Contents for GuestContents<'_> {
    fn read(&mut self, side: Side, index: usize) -> io::Result<Vec<u8>> {
        if let Source::Kept(content) = self.source(side, index) {
            return Ok(content.clone());
        }
        if let Some(content) = self.fetched.remove(&(side, index)) {
            return Ok(content);
        }
        if let Err(error) = self.fetch(side, index) {
            let problem = error.to_string();
            self.failure = Some(error);
            return Err(io::Error::other(problem));
        }
        Ok(self.fetched.remove(&(side, index)).unwrap_or_default())
    }
}
