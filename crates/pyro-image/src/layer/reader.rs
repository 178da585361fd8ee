//! Entries of a layer, one after the other.

use std::borrow::BorrowMut;
use std::path::Path;

use tar::EntryType;

use super::content::{Content, Run};
use super::header::{BLOCK, EntryHeader, bad_number};
use super::pax::PaxHeader;
use super::stream::{Hashing, LayerStream};
use super::{DeviceKind, Entry, EntryKind, LayerError, Metadata, Monitor, sparse};

/// How long an extended header may be, in bytes; the same bound as in Go's `archive/tar`, by which nearly all layers
/// are read and written elsewhere.
const EXTENDED_MAX: u64 = 1 << 20;

/// How the entries of an archive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Not reached yet.
    Ahead,
    /// By the blocks of zeros that end an archive.
    Marked,
    /// By the end of the stream.
    Unmarked,
}

/// Reads the entries of one layer in the order of its archive.
#[derive(Debug)]
pub(crate) struct LayerReader<'a> {
    stream: LayerStream<'a>,
    content: Content,
    end: End,
}

/// Extended headers collected for the entry that follows them.
#[derive(Debug, Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<PaxHeader>,
    /// Where the last of them starts.
    offset: Option<u64>,
}

impl<'a> LayerReader<'a> {
    /// Opens the blob `path`. No more than `allowance` bytes may come out of it; `limit` is what the error then names.
    /// [`Self::finish`] can only compare digests when hashing is on.
    pub(crate) fn open<'b: 'a>(
        path: &Path,
        monitor: impl BorrowMut<Monitor<'b>> + 'a,
        hashing: Hashing,
        allowance: u64,
        limit: u64,
    ) -> Result<Self, LayerError> {
        Ok(Self {
            stream: LayerStream::open(path, monitor, hashing, allowance, limit)?,
            content: Content::default(),
            end: End::Ahead,
        })
    }

    /// Reads the next entry, passing over what is left of the one before.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, LayerError> {
        self.skip_content()?;
        let mut extensions = Extensions::default();
        while let Some(header) = self.next_header()? {
            match header.entry_type() {
                EntryType::GNULongName => {
                    let data = self.extended(&header)?;
                    extensions.set(&header, |all| &mut all.name, until_nul(data))?;
                }
                EntryType::GNULongLink => {
                    let data = self.extended(&header)?;
                    extensions.set(&header, |all| &mut all.link, until_nul(data))?;
                }
                EntryType::XHeader => {
                    let data = self.extended(&header)?;
                    let offset = header.offset;
                    let pax = PaxHeader::parse(&data).ok_or(LayerError::Extended { offset })?;
                    extensions.set(&header, |all| &mut all.pax, pax)?;
                }
                // Global records carry comments such as a commit id. Container tools do not apply them.
                EntryType::XGlobalHeader => drop(self.extended(&header)?),
                _ => return self.entry(&header, extensions).map(Some),
            }
        }
        match extensions.offset {
            Some(offset) => Err(LayerError::ExtendedOrphan { offset }),
            None => Ok(None),
        }
    }

    /// Reads some content of the current entry into `buffer`; zero at its end.
    pub(crate) fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        let run = self.content.next_run();
        let bounded =
            |length| usize::try_from(length).map_or(buffer.len(), |length| length.min(buffer.len()));
        let count = match run {
            Run::End => 0,
            Run::Hole(length) => {
                let count = bounded(length);
                buffer[..count].fill(0);
                count
            }
            Run::Stored(length) => {
                let count = bounded(length);
                match self.stream.read(&mut buffer[..count])? {
                    0 if count > 0 => return Err(self.stream.truncated()),
                    read => read,
                }
            }
        };
        self.content.take(run, count as u64);
        Ok(count)
    }

    /// Reads the stream to its end, compares its digest with `diff_id`, if there is one, and returns its uncompressed
    /// length in bytes.
    ///
    /// # Errors
    ///
    /// An archive without end marker is only taken when its digest proves that nothing is missing.
    pub(crate) fn finish(self, diff_id: Option<&str>) -> Result<u64, LayerError> {
        if self.end != End::Marked && diff_id.is_none() {
            return Err(self.stream.truncated());
        }
        let (length, digest) = self.stream.finish()?;
        let actual = digest.map(|digest| format!("sha256:{digest}"));
        match (diff_id, actual) {
            (Some(expected), Some(actual)) if expected != actual => {
                let expected = expected.to_owned();
                Err(LayerError::DiffId { expected, actual })
            }
            _ => Ok(length),
        }
    }

    fn skip_content(&mut self) -> Result<(), LayerError> {
        let content = std::mem::take(&mut self.content);
        self.stream.skip(content.stored_left())?;
        let mut padding = [0; BLOCK];
        let padding = &mut padding[..content.padding()];
        // `umoci insert` ends its archives with the last byte of the last file, and Go's reader takes them.
        if self.stream.read_full(padding)? < padding.len() {
            self.end = End::Unmarked;
        }
        Ok(())
    }

    /// Reads a header; `None` at the end of the archive.
    fn next_header(&mut self) -> Result<Option<EntryHeader>, LayerError> {
        if self.end != End::Ahead {
            return Ok(None);
        }
        let offset = self.stream.offset();
        let Some(block) = self.block()? else {
            self.end = End::Unmarked;
            return Ok(None);
        };
        if block != [0; BLOCK] {
            return EntryHeader::parse(&block, offset).map(Some);
        }
        // Readers disagree about entries after a lone block of zeros, so such an archive is refused.
        let offset = self.stream.offset();
        if self.block()?.is_some_and(|block| block != [0; BLOCK]) {
            return Err(LayerError::Header { offset });
        }
        self.end = End::Marked;
        Ok(None)
    }

    /// Reads one block; `None` when the stream ended before it.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        let mut block = [0; BLOCK];
        match self.stream.read_full(&mut block)? {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(self.stream.truncated()),
        }
    }

    /// Reads the data of an extended header.
    fn extended(&mut self, header: &EntryHeader) -> Result<Vec<u8>, LayerError> {
        let length = header.size(b"extended header")?;
        let Some(size) = usize::try_from(length).ok().filter(|_| length <= EXTENDED_MAX) else {
            return Err(LayerError::ExtendedTooLong {
                offset: header.offset,
                length,
                limit: EXTENDED_MAX,
            });
        };
        let mut data = vec![0; size];
        self.stream.read_exact(&mut data)?;
        self.stream.skip(length.wrapping_neg() % BLOCK as u64)?;
        Ok(data)
    }

    /// Joins a header with what was said before it.
    fn entry(&mut self, header: &EntryHeader, extensions: Extensions) -> Result<Entry, LayerError> {
        let Extensions { name, link, pax, .. } = extensions;
        let mut pax = pax.unwrap_or_default();
        let sparse_name = pax.sparse.name.take();
        let name = name
            .or(sparse_name)
            .or_else(|| pax.path.take())
            .unwrap_or_else(|| header.name());
        let link = link
            .or_else(|| pax.link_path.take())
            .unwrap_or_else(|| header.link_name());
        let metadata = merged_metadata(header, &pax, &name)?;
        let kind = self.kind(header, &pax, &name, link)?;
        Ok(Entry {
            name,
            metadata,
            xattrs: pax.xattrs,
            kind,
        })
    }

    fn kind(
        &mut self,
        header: &EntryHeader,
        pax: &PaxHeader,
        name: &[u8],
        target: Vec<u8>,
    ) -> Result<EntryKind, LayerError> {
        let device = |kind| {
            let number = header.device(name)?;
            Ok(EntryKind::Device { kind, number })
        };
        match header.entry_type() {
            // Version 7 archives mark a directory by the slash alone.
            EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => Ok(EntryKind::Directory),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.content = self.content_of(header, pax, name)?;
                let size = self.content.size();
                Ok(EntryKind::File { size })
            }
            // The kinds below have no content, whatever size they state; Go's reader has the same rule.
            EntryType::Link => Ok(EntryKind::HardLink { target }),
            EntryType::Symlink => Ok(EntryKind::Symlink { target }),
            EntryType::Directory => Ok(EntryKind::Directory),
            EntryType::Fifo => Ok(EntryKind::Fifo),
            EntryType::Char => device(DeviceKind::Char),
            EntryType::Block => device(DeviceKind::Block),
            other => Err(LayerError::Kind {
                name: String::from_utf8_lossy(name).into_owned(),
                flag: other.as_byte(),
            }),
        }
    }

    fn content_of(
        &mut self,
        header: &EntryHeader,
        pax: &PaxHeader,
        name: &[u8],
    ) -> Result<Content, LayerError> {
        let stored = match pax.size {
            Some(size) => size,
            None => header.size(name)?,
        };
        if header.entry_type() == EntryType::GNUSparse {
            return sparse::old_map(&mut self.stream, header.raw(), stored, name);
        }
        if !pax.sparse.present {
            return Ok(Content::whole(stored));
        }
        match (pax.sparse.major, pax.sparse.minor, pax.sparse.real_size) {
            (Some(1), Some(0), Some(size)) => sparse::new_map(&mut self.stream, size, stored, name),
            // Versions 0.0 and 0.1 were given up in 2006; as plain content they would be a wrong file.
            _ => Err(LayerError::Sparse {
                name: String::from_utf8_lossy(name).into_owned(),
            }),
        }
    }
}

impl Extensions {
    /// Stores what an extended header says, once.
    fn set<T>(
        &mut self,
        header: &EntryHeader,
        slot: impl FnOnce(&mut Self) -> &mut Option<T>,
        value: T,
    ) -> Result<(), LayerError> {
        let offset = header.offset;
        self.offset = Some(offset);
        match slot(self).replace(value) {
            Some(_) => Err(LayerError::ExtendedOrphan { offset }),
            None => Ok(()),
        }
    }
}

fn merged_metadata(header: &EntryHeader, pax: &PaxHeader, name: &[u8]) -> Result<Metadata, LayerError> {
    let mut metadata = header.metadata(name)?;
    if let Some(uid) = pax.uid {
        metadata.uid = u32::try_from(uid).map_err(|_| bad_number(name, "owner"))?;
    }
    if let Some(gid) = pax.gid {
        metadata.gid = u32::try_from(gid).map_err(|_| bad_number(name, "group"))?;
    }
    if let Some(mtime) = pax.mtime {
        metadata.mtime = mtime;
    }
    Ok(metadata)
}

/// GNU tar ends a long name with a zero byte.
fn until_nul(mut data: Vec<u8>) -> Vec<u8> {
    if let Some(end) = data.iter().position(|byte| *byte == 0) {
        data.truncate(end);
    }
    data
}
