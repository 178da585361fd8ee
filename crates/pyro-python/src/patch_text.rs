//! Offsets into a patch, for those who have it as text.

use pyro::object::WorkspaceDiff;

/// Makes the offsets of a diff fit its text, in which bytes that are not UTF-8 were replaced by longer ones.
pub(crate) fn fit(diff: &mut WorkspaceDiff) {
    let bytes = &diff.patch_bytes;
    if std::str::from_utf8(bytes).is_ok() {
        return;
    }
    let length = |part: Option<&[u8]>| part.map_or(0, |part| String::from_utf8_lossy(part).len());
    // The entries are in the order of the patch.
    let (mut seen, mut shown) = (0, 0);
    for entry in &mut diff.entries {
        let begin = entry.patch_offset;
        let end = begin + entry.patch_bytes;
        shown += length(bytes.get(seen..begin));
        entry.patch_offset = shown;
        entry.patch_bytes = length(bytes.get(begin..end));
        shown += entry.patch_bytes;
        seen = end;
    }
}
