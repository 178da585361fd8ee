//! Records of a POSIX extended header.

use super::{RawXattr, Timestamp, number};

const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";
const SPARSE_PREFIX: &[u8] = b"GNU.sparse.";

/// What an extended header overrides in the entry after it.
#[derive(Debug, Default)]
pub(super) struct PaxHeader {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) xattrs: Vec<RawXattr>,
    pub(super) sparse: SparseRecords,
}

/// The records by which GNU tar describes a sparse file.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    /// Whether any such record is present.
    pub(super) present: bool,
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
}

impl PaxHeader {
    /// Reads the records `LENGTH KEY=VALUE\n`; `None` when one is malformed.
    ///
    /// The length counts, not the line feed: values are binary. A later record of the same key wins.
    pub(super) fn parse(mut data: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        while !data.is_empty() {
            let (key, value, rest) = record(data)?;
            header.take(key, value)?;
            data = rest;
        }
        Some(header)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            // An empty value takes back an earlier record.
            b"path" => self.path = (!value.is_empty()).then(|| value.to_vec()),
            b"linkpath" => self.link_path = (!value.is_empty()).then(|| value.to_vec()),
            b"size" => set_number(&mut self.size, value)?,
            b"uid" => set_number(&mut self.uid, value)?,
            b"gid" => set_number(&mut self.gid, value)?,
            b"mtime" => {
                self.mtime = match value {
                    [] => None,
                    text => Some(number::timestamp(text)?),
                }
            }
            _ => {
                if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
                    self.take_xattr(name, value);
                } else if let Some(name) = key.strip_prefix(SPARSE_PREFIX) {
                    self.take_sparse(name, value)?;
                }
            }
        }
        Some(())
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) {
        self.xattrs.push(RawXattr {
            name: name.to_vec(),
            value: value.to_vec(),
        });
    }

    fn take_sparse(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        self.sparse.present = true;
        match name {
            b"major" => set_number(&mut self.sparse.major, value)?,
            b"minor" => set_number(&mut self.sparse.minor, value)?,
            b"realsize" => set_number(&mut self.sparse.real_size, value)?,
            b"name" => self.sparse.name = Some(value.to_vec()),
            _ => {}
        }
        Some(())
    }
}

/// Puts the number of a record in its place. An empty value takes back an earlier record.
fn set_number(slot: &mut Option<u64>, value: &[u8]) -> Option<()> {
    *slot = match value {
        [] => None,
        digits => Some(number::decimal(digits)?),
    };
    Some(())
}

/// Splits the first record off: its key, its value, and what follows.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(number::decimal(&data[..space])?).ok()?;
    if length <= space + 1 || length > data.len() {
        return None;
    }
    let (record, rest) = data.split_at(length);
    let body = record[space + 1..].strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    (!key.is_empty()).then_some((key, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_may_contain_line_feeds() {
        let header = PaxHeader::parse(b"27 SCHILY.xattr.user.a=\x01\n\x02\n12 uid=1234\n").unwrap();
        assert_eq!(header.uid, Some(1234));
        assert_eq!(header.xattrs[0].name, b"user.a");
        assert_eq!(header.xattrs[0].value, b"\x01\n\x02");
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for data in [
            &b"99 path=a\n"[..],
            b"8 path=a\n",
            b"0 path=a\n",
            b"path=a\n",
            b"10 path=ab",
            b"5 =a\n",
            b"18446744073709551616 path=a\n",
        ] {
            assert!(PaxHeader::parse(data).is_none(), "{data:?}");
        }
    }
}
