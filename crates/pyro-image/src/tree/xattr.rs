//! Extended attributes that a Linux file can have.

use thiserror::Error;

use crate::layer::RawXattr;

/// How long a full name may be, in bytes (`XATTR_NAME_MAX`).
const NAME_MAX: usize = 255;
/// How long a value may be, in bytes: one less than `XATTR_SIZE_MAX`, since EROFS counts it in 16 bits.
const VALUE_MAX: usize = 65_535;
/// How much the attributes of one file may take in the image, in bytes; EROFS counts them in units of four in 16 bits.
const TOTAL_MAX: usize = 65_534 * 4;

/// Why an extended attribute cannot be stored.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum XattrError {
    /// The name is longer than Linux allows or holds a zero byte.
    #[error("extended attribute `{name}` has no valid name")]
    Name {
        /// The name, as far as it can be shown.
        name: String,
    },
    /// The value is longer than EROFS can hold.
    #[error("extended attribute `{name}` has {length} bytes, more than {VALUE_MAX}")]
    Value {
        /// The name, as far as it can be shown.
        name: String,
        /// The length of the value in bytes.
        length: usize,
    },
    /// The attributes of the file together are larger than EROFS can hold.
    #[error("its extended attributes take {length} bytes, more than {TOTAL_MAX}")]
    Total {
        /// Their length in bytes.
        length: usize,
    },
}

/// The classes of extended attributes that EROFS stores; each stands for the start of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Namespace {
    User,
    AclAccess,
    AclDefault,
    Trusted,
    Security,
}

/// An attribute with its name split.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Xattr {
    pub(crate) namespace: Namespace,
    /// The name without its start; empty for access lists.
    pub(crate) name: Box<[u8]>,
    pub(crate) value: Box<[u8]>,
}

/// The attributes of one file, each name once, in one order for equal sets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Xattrs(Vec<Xattr>);

impl Xattrs {
    /// Takes over what an archive states.
    ///
    /// Names outside Linux's classes (`com.apple.…`) are left out: no Linux file can carry them. So is the state of a
    /// foreign overlay mount, which would make pyro's own overlay hide or redirect files.
    pub(super) fn from_raw(raw: Vec<RawXattr>) -> Result<Self, XattrError> {
        let mut all: Vec<Xattr> = Vec::with_capacity(raw.len());
        for RawXattr { name, value } in raw {
            let Some((namespace, rest)) = split(&name) else {
                continue;
            };
            let shown = || String::from_utf8_lossy(&name).into_owned();
            if name.len() > NAME_MAX || name.contains(&0) {
                return Err(XattrError::Name { name: shown() });
            }
            if value.len() > VALUE_MAX {
                return Err(XattrError::Value {
                    name: shown(),
                    length: value.len(),
                });
            }
            all.push(Xattr {
                namespace,
                name: rest.into(),
                value: value.into(),
            });
        }
        let set = Self(last_of_each(all));
        match set.encoded_len() {
            length if length > TOTAL_MAX => Err(XattrError::Total { length }),
            _ => Ok(set),
        }
    }

    /// The attributes in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Xattr> {
        self.0.iter()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes the entries take in an EROFS image: each has a head of four bytes and ends on a multiple of four.
    pub(crate) fn encoded_len(&self) -> usize {
        let entry = |xattr: &Xattr| (4 + xattr.name.len() + xattr.value.len()).next_multiple_of(4);
        self.0.iter().map(entry).sum()
    }
}

/// Sorts by name and keeps the last of equal names.
fn last_of_each(mut all: Vec<Xattr>) -> Vec<Xattr> {
    all.reverse();
    all.sort_by(|a, b| (a.namespace, &a.name).cmp(&(b.namespace, &b.name)));
    all.dedup_by(|later, earlier| (later.namespace, &later.name) == (earlier.namespace, &earlier.name));
    all
}

fn split(name: &[u8]) -> Option<(Namespace, &[u8])> {
    match name {
        b"system.posix_acl_access" => return Some((Namespace::AclAccess, b"")),
        b"system.posix_acl_default" => return Some((Namespace::AclDefault, b"")),
        _ => {}
    }
    let classes = [
        (Namespace::User, &b"user."[..]),
        (Namespace::Trusted, b"trusted."),
        (Namespace::Security, b"security."),
    ];
    classes
        .into_iter()
        .find_map(|(namespace, start)| Some((namespace, name.strip_prefix(start)?)))
        .filter(|(_, rest)| !rest.is_empty() && !rest.starts_with(b"overlay."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(name: &[u8], value: &[u8]) -> RawXattr {
        RawXattr {
            name: name.to_vec(),
            value: value.to_vec(),
        }
    }

    #[test]
    fn order_and_repetition_do_not_show() {
        let one = Xattrs::from_raw(vec![
            raw(b"user.b", b"1"),
            raw(b"user.a", b"2"),
            raw(b"user.b", b"3"),
        ]);
        let two = Xattrs::from_raw(vec![raw(b"user.a", b"2"), raw(b"user.b", b"3")]);
        assert_eq!(one.unwrap(), two.unwrap());
    }

    #[test]
    fn attributes_no_linux_file_can_have_are_left_out() {
        let set = Xattrs::from_raw(vec![
            raw(b"com.apple.provenance", b"x"),
            raw(b"trusted.overlay.opaque", b"y"),
            raw(b"user.", b"z"),
        ]);
        assert!(set.unwrap().is_empty());
    }

    #[test]
    fn attributes_beyond_the_limits_are_refused() {
        let refused = |name: &[u8], length| Xattrs::from_raw(vec![raw(name, &vec![0; length])]).unwrap_err();
        assert!(matches!(
            refused(b"user.a", 65_536),
            XattrError::Value { length: 65_536, .. }
        ));
        assert!(matches!(
            refused(&[b"user.", &[b'a'; 251][..]].concat(), 1),
            XattrError::Name { .. }
        ));
        assert!(matches!(refused(b"user.a\0b", 1), XattrError::Name { .. }));
        let many = (b'a'..=b'e').map(|letter| raw(&[b"user.", &[letter][..]].concat(), &[0; 65_000]));
        assert!(matches!(
            Xattrs::from_raw(many.collect()),
            Err(XattrError::Total { .. })
        ));
    }
}
