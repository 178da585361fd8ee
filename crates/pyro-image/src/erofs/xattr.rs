//! Extended attributes behind an inode.

use crate::tree::{Namespace, Xattrs};

const HEADER_LEN: usize = 12;

/// How many bytes the attributes of a file take.
pub(super) fn area_len(xattrs: &Xattrs) -> usize {
    if xattrs.is_empty() {
        0
    } else {
        HEADER_LEN + xattrs.encoded_len()
    }
}

/// The count that an inode states: units of four bytes, in which the header of twelve counts as one.
pub(super) fn count(xattrs: &Xattrs) -> u16 {
    if xattrs.is_empty() {
        0
    } else {
        u16::try_from(xattrs.encoded_len() / 4 + 1).expect("the tree bounds attributes")
    }
}

/// The bytes behind the inode. All attributes stand there and none are shared: few files have any.
pub(super) fn encode(xattrs: &Xattrs) -> Vec<u8> {
    let mut bytes = vec![0; if xattrs.is_empty() { 0 } else { HEADER_LEN }];
    for xattr in xattrs.iter() {
        let name_len = u8::try_from(xattr.name.len()).expect("the tree bounds names");
        let value_len = u16::try_from(xattr.value.len()).expect("the tree bounds values");
        bytes.extend([name_len, index(xattr.namespace)]);
        bytes.extend(value_len.to_le_bytes());
        bytes.extend(&xattr.name);
        bytes.extend(&xattr.value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn index(namespace: Namespace) -> u8 {
    match namespace {
        Namespace::User => 1,
        Namespace::AclAccess => 2,
        Namespace::AclDefault => 3,
        Namespace::Trusted => 4,
        Namespace::Security => 6,
    }
}
