//! The members of a tar by name, without unpacking any.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use tar::EntryType;

use super::ImportError;
use crate::digest::shorten;
use crate::file_error::{FileAction, IoContext as _};

/// Most entries of an archive of images: two or three per layer.
const MOST_MEMBERS: usize = 20_000;

/// Where a member is, and what.
#[derive(Debug)]
enum Member {
    File { offset: u64, size: u64 },
    Link { target: String },
    Other,
}

/// An archive whose table of contents has been read.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    path: PathBuf,
    members: HashMap<String, Member>,
}

impl Archive {
    /// Reads the table of contents and refuses names that lead out of the archive.
    pub(super) fn index(mut file: File, path: &Path) -> Result<Self, ImportError> {
        let unreadable = |source| ImportError::Unreadable {
            path: path.to_path_buf(),
            source,
        };
        file.seek(SeekFrom::Start(0)).at(FileAction::Read, path)?;
        let mut members = HashMap::new();
        let mut tar = tar::Archive::new(&file);
        for entry in tar.entries_with_seek().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = checked_name(&entry.path_bytes(), path)?;
            let member = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => Member::File {
                    offset: entry.raw_file_position(),
                    size: entry.size(),
                },
                EntryType::Symlink => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    Member::Link {
                        target: String::from_utf8_lossy(&target).into_owned(),
                    }
                }
                _ => Member::Other,
            };
            // The first of a name counts, as it does for tools that read until they find it.
            if let Entry::Vacant(place) = members.entry(name) {
                place.insert(member);
            }
            if members.len() > MOST_MEMBERS {
                return Err(ImportError::TooManyEntries {
                    path: path.to_path_buf(),
                    limit: MOST_MEMBERS,
                });
            }
        }
        if members.is_empty() {
            return Err(ImportError::Empty {
                path: path.to_path_buf(),
            });
        }
        Ok(Self {
            file,
            path: path.to_path_buf(),
            members,
        })
    }

    /// Returns the path of the archive, for errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a member of at most `limit` bytes, which must be a plain file.
    pub(super) fn document(&self, name: &str, limit: u64) -> Result<Vec<u8>, ImportError> {
        let name = checked_name(name.as_bytes(), &self.path)?;
        let (offset, size) = self.plain(&name)?;
        if size > limit {
            return Err(ImportError::TooLarge {
                path: self.path.clone(),
                entry: name,
                size,
                limit,
            });
        }
        let mut content = Vec::new();
        self.reader(offset, size)?
            .read_to_end(&mut content)
            .at(FileAction::Read, &self.path)?;
        Ok(content)
    }

    /// Opens a layer. docker stores a layer that occurs twice as a link to the first within the archive, so one
    /// link is followed, to another member only.
    pub(super) fn layer(&self, name: &str) -> Result<impl Read + '_, ImportError> {
        let name = checked_name(name.as_bytes(), &self.path)?;
        let (offset, size) = match self.members.get(&name) {
            Some(Member::Link { target }) => self.plain(&self.follow(&name, target)?)?,
            _ => self.plain(&name)?,
        };
        self.reader(offset, size)
    }

    fn plain(&self, name: &str) -> Result<(u64, u64), ImportError> {
        let (path, entry) = (self.path.clone(), name.to_owned());
        match self.members.get(name) {
            Some(Member::File { offset, size }) => Ok((*offset, *size)),
            Some(Member::Link { .. } | Member::Other) => Err(ImportError::NotAFile { path, entry }),
            None => Err(ImportError::Missing { path, entry }),
        }
    }

    fn reader(&self, offset: u64, size: u64) -> Result<impl Read + '_, ImportError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))
            .at(FileAction::Read, &self.path)?;
        Ok(file.take(size))
    }

    /// Resolves the target of a link by its letters alone.
    fn follow(&self, name: &str, target: &str) -> Result<String, ImportError> {
        let escape = || ImportError::Escape {
            path: self.path.clone(),
            entry: shorten(name),
        };
        if target.starts_with('/') {
            return Err(escape());
        }
        let mut parts: Vec<&str> = name.split('/').collect();
        parts.pop();
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop().ok_or_else(escape)?),
                part => parts.push(part),
            }
        }
        Ok(parts.join("/"))
    }
}

/// Reads a whole tar and refuses names that lead out of it.
pub(super) fn check_names(tar: &mut dyn Read, path: &Path) -> Result<(), ImportError> {
    let unreadable = |source| ImportError::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let mut archive = tar::Archive::new(tar);
    let mut is_empty = true;
    for entry in archive.entries().map_err(unreadable)? {
        checked_name(&entry.map_err(unreadable)?.path_bytes(), path)?;
        is_empty = false;
    }
    if is_empty {
        Err(ImportError::Empty {
            path: path.to_path_buf(),
        })
    } else {
        Ok(())
    }
}

/// Returns the name without `.` and empty parts; absolute names and `..` are refused.
fn checked_name(name: &[u8], path: &Path) -> Result<String, ImportError> {
    let text = String::from_utf8_lossy(name);
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Err(ImportError::Escape {
            path: path.to_path_buf(),
            entry: shorten(&text),
        });
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    Ok(parts.join("/"))
}
