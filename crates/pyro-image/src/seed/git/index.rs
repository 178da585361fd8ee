//! The names in a Git index (`gitformat-index(5)`), and nothing else of it.
//!
//! All versions are read. Of a split index the names of both parts count, also those that the second part takes back:
//! a name too many keeps a file, one too few loses it.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use rustix::fs::CWD;

use super::ignore_file::{Links, open_regular};

/// How long one name may be, in bytes (`PATH_MAX`).
const NAME_MAX: usize = 4096;
/// The fields of an entry before the name of its object, in bytes, and where its mode is among them.
const STATUS_LEN: usize = 40;
const MODE_FIELD: std::ops::Range<usize> = 24..28;
/// The lengths of SHA-1 and SHA-256, in bytes. The index does not say which it has.
const HASH_LENGTHS: [usize; 2] = [20, 32];

/// Names of files that Git tracks, from the root of the work tree.
#[derive(Debug, Default)]
pub(super) struct Tracked {
    text: Vec<u8>,
    /// Where names start and end in the text; sorted by name.
    names: Vec<(u32, u32)>,
    has_sparse_directories: bool,
    /// How many bytes the names may take.
    limit: usize,
}

impl Tracked {
    /// Reads the index of a repository, whose names may take so many bytes.
    pub(super) fn read(repository: &Path, limit: usize) -> io::Result<Self> {
        let mut tracked = Self {
            limit,
            ..Self::default()
        };
        if let Some(shared) = tracked.read_file(&repository.join("index"))? {
            tracked.read_file(&repository.join(format!("sharedindex.{shared}")))?;
        }
        tracked.sort();
        Ok(tracked)
    }

    /// Reads the content of an index, whose names may take so many bytes. Of a split index that is but one part.
    pub(super) fn parse(index: &[u8], limit: usize) -> io::Result<Self> {
        let mut tracked = Self {
            limit,
            ..Self::default()
        };
        tracked.read_with(|| Ok((index, index.len() as u64)))?;
        tracked.sort();
        Ok(tracked)
    }

    fn sort(&mut self) {
        let Self { text, names, .. } = self;
        // While they grow, vectors take up to twice what they hold.
        text.shrink_to_fit();
        names.shrink_to_fit();
        names.sort_unstable_by_key(|(start, end)| &text[*start as usize..*end as usize]);
    }

    /// How many bytes the names take.
    pub(super) fn held(&self) -> usize {
        self.text.len() + self.names.len() * size_of::<(u32, u32)>()
    }

    /// Whether a path is listed, or is below a directory that stands for all that is in it.
    pub(super) fn contains(&self, path: &[u8]) -> bool {
        let is_listed = |path: &[u8]| self.from(path).next() == Some(path);
        if is_listed(path) {
            return true;
        }
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        self.has_sparse_directories && slashes.map(|(at, _)| &path[..=at]).any(is_listed)
    }

    /// Whether something below a directory is listed, or the directory stands for all that is in it.
    pub(super) fn has_below(&self, directory: &[u8]) -> bool {
        let start = [directory, b"/"].concat();
        self.from(&start)
            .next()
            .is_some_and(|name| name.starts_with(&start))
            || self.has_sparse_directories && self.contains(directory)
    }

    /// The names from `path` on.
    fn from(&self, path: &[u8]) -> impl Iterator<Item = &[u8]> {
        let first = self.names.partition_point(|range| self.name(*range) < path);
        self.names[first..].iter().map(|range| self.name(*range))
    }

    fn name(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.text[start as usize..end as usize]
    }

    /// Reads one file and returns the hash of the one that it is to be joined with.
    fn read_file(&mut self, path: &Path) -> io::Result<Option<String>> {
        self.read_with(|| {
            let file = open_regular(CWD, path, Links::Follow)?;
            let length = file.metadata()?.len();
            Ok((BufReader::with_capacity(64 * 1024, file), length))
        })
    }

    /// Reads an index that can be opened more than once, with its length.
    fn read_with<R: BufRead>(
        &mut self,
        open: impl Fn() -> io::Result<(R, u64)>,
    ) -> io::Result<Option<String>> {
        let (text, names) = (self.text.len(), self.names.len());
        let mut failure = None;
        for hash_len in HASH_LENGTHS {
            let (input, left) = open()?;
            let mut reader = IndexReader {
                input,
                left,
                hash_len,
            };
            match reader.read(self) {
                Ok(shared) => return Ok(shared),
                Err(error) => {
                    self.text.truncate(text);
                    self.names.truncate(names);
                    failure.get_or_insert(error);
                }
            }
        }
        Err(failure.expect("there are two lengths"))
    }

    fn push(&mut self, name: &[u8]) -> io::Result<()> {
        // An entry of a split index that replaces one of the other part has no name.
        if name.is_empty() {
            return Ok(());
        }
        if self.held() + name.len() > self.limit {
            return Err(malformed());
        }
        let end = |length: usize| u32::try_from(length).map_err(|_| malformed());
        let start = end(self.text.len())?;
        self.text.extend_from_slice(name);
        self.names.push((start, end(self.text.len())?));
        self.has_sparse_directories |= name.ends_with(b"/");
        Ok(())
    }
}

/// Reads one index file.
struct IndexReader<R> {
    input: R,
    /// How many bytes are ahead.
    left: u64,
    hash_len: usize,
}

impl<R: BufRead> IndexReader<R> {
    fn read(&mut self, tracked: &mut Tracked) -> io::Result<Option<String>> {
        let head: [u8; 12] = self.bytes()?;
        let [version, count] = [4, 8].map(|at| be32(&head[at..]));
        if head[..4] != *b"DIRC" || !(2..=4).contains(&version) {
            return Err(malformed());
        }
        let mut name = Vec::new();
        for _ in 0..count {
            self.read_entry(version, &mut name)?;
            tracked.push(&name)?;
        }
        self.read_extensions()
    }

    /// Reads an entry and puts its name in place of the one before.
    fn read_entry(&mut self, version: u32, name: &mut Vec<u8>) -> io::Result<()> {
        const EXTENDED: u16 = 0x4000;
        const LENGTH_MASK: u16 = 0x0fff;
        let status: [u8; STATUS_LEN] = self.bytes()?;
        self.skip(self.hash_len as u64)?;
        let flags = u16::from_be_bytes(self.bytes()?);
        // The file types that Git has, by which an entry is told from other bytes.
        if !matches!(be32(&status[MODE_FIELD]) >> 12, 0o04 | 0o10 | 0o12 | 0o16) {
            return Err(malformed());
        }
        let mut length = STATUS_LEN + self.hash_len + 2;
        if flags & EXTENDED != 0 {
            if version < 3 {
                return Err(malformed());
            }
            self.skip(2)?;
            length += 2;
        }
        let kept = if version == 4 {
            let cut = self.varint()?;
            name.len().checked_sub(cut).ok_or_else(malformed)?
        } else {
            0
        };
        name.truncate(kept);
        let limit = (NAME_MAX + 1 - kept.min(NAME_MAX)) as u64;
        let limit = limit.min(self.left);
        self.left -= self.input.by_ref().take(limit).read_until(0, name)? as u64;
        if name.pop() != Some(0) {
            return Err(malformed());
        }
        if usize::from(flags & LENGTH_MASK) != name.len().min(LENGTH_MASK.into()) {
            return Err(malformed());
        }
        if version < 4 {
            // One to eight zero bytes, of which one is read, fill the entry up to a multiple of eight.
            length += name.len();
            self.skip(7 - length as u64 % 8)?;
        }
        Ok(())
    }

    /// Passes over the extensions. Returns the hash of the shared file if the index is split.
    fn read_extensions(&mut self) -> io::Result<Option<String>> {
        while self.left > self.hash_len as u64 {
            let head: [u8; 8] = self.bytes()?;
            let length = be32(&head[4..]).into();
            if head[..4] != *b"link" {
                self.skip(length)?;
                continue;
            }
            let mut hash = vec![0; self.hash_len];
            self.read_exact(&mut hash)?;
            let is_none = hash.iter().all(|byte| *byte == 0);
            return Ok((!is_none).then(|| crate::layer::hexadecimal(&hash)));
        }
        // A hash of the whole stands at the end.
        if self.left < self.hash_len as u64 {
            return Err(malformed());
        }
        Ok(None)
    }

    /// The number of bytes of the name before that version 4 cuts off, in the form of offsets in packs.
    fn varint(&mut self) -> io::Result<usize> {
        let [mut byte] = self.bytes()?;
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            if value > NAME_MAX {
                return Err(malformed());
            }
            [byte] = self.bytes()?;
            value = ((value + 1) << 7) + usize::from(byte & 0x7f);
        }
        Ok(value)
    }

    fn bytes<const LENGTH: usize>(&mut self) -> io::Result<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.input.read_exact(bytes)
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        self.left = self.left.checked_sub(count).ok_or(io::ErrorKind::UnexpectedEof)?;
        let skipped = io::copy(&mut self.input.by_ref().take(count), &mut io::sink())?;
        if skipped < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes[..4]
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is malformed or too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index of version 2 with SHA-256 or SHA-1 names.
    fn index(names: &[&str], hash_len: usize) -> Vec<u8> {
        let mut bytes = b"DIRC\0\0\0\x02\0\0\0".to_vec();
        bytes.push(u8::try_from(names.len()).unwrap());
        for name in names {
            let mut entry = vec![1; STATUS_LEN + hash_len];
            entry[MODE_FIELD].copy_from_slice(&0o100_644_u32.to_be_bytes());
            entry.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
            entry.extend(name.as_bytes());
            entry.resize((entry.len() + 8) / 8 * 8, 0);
            bytes.extend(entry);
        }
        bytes.extend(b"TREE\0\0\0\x03xyz");
        bytes.extend(vec![9; hash_len]);
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Tracked> {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("index"), bytes).unwrap();
        let read = Tracked::read(home.path(), 1 << 20);
        let parsed = Tracked::parse(bytes, 1 << 20);
        assert_eq!(read.is_ok(), parsed.is_ok());
        read
    }

    #[test]
    fn names_are_found_with_either_hash() {
        for hash_len in HASH_LENGTHS {
            let tracked = read(&index(&["a", "d-x", "d/e/f", "longer-name"], hash_len)).unwrap();
            assert!(tracked.contains(b"a") && tracked.contains(b"d/e/f") && tracked.contains(b"longer-name"));
            assert!(!tracked.contains(b"d") && !tracked.contains(b"d/e") && !tracked.contains(b"z"));
            assert!(tracked.has_below(b"d") && tracked.has_below(b"d/e"));
            assert!(!tracked.has_below(b"a") && !tracked.has_below(b"d-"));
        }
    }

    #[test]
    fn a_sparse_directory_stands_for_what_is_in_it() {
        let tracked = read(&index(&["a", "out/"], 20)).unwrap();
        assert!(
            tracked.contains(b"out/any/file") && tracked.has_below(b"out") && tracked.has_below(b"out/any")
        );
        assert!(!tracked.contains(b"outer"));
    }

    #[test]
    fn damaged_indexes_are_refused() {
        let whole = index(&["a", "b/c"], 20);
        for end in [0, 5, 12, 40, 90, 150] {
            read(&whole[..end]).unwrap_err();
        }
        for at in [0, 7, 36, 73] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            read(&damaged).unwrap_err();
        }
    }
}
