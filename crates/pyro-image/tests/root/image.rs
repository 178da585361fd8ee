//! Reads an EROFS image without the code that writes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const BLOCK: usize = 4096;

/// Lets `fsck.erofs` judge an image, every byte of every file included.
pub(crate) fn check(image: &Path) {
    fsck(image, &["--extract"]);
}

/// Unpacks an image with `fsck.erofs`.
pub(crate) fn extract(image: &Path, target: &Path) {
    fsck(image, &[&format!("--extract={}", target.display())]);
}

fn fsck(image: &Path, arguments: &[&str]) {
    let output = Command::new("fsck.erofs").args(arguments).arg(image).output();
    let output = output.expect("`fsck.erofs` must be installed for these tests: `apt install erofs-utils`");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        output.status.success() && !text.contains("<E>"),
        "fsck.erofs: {text}"
    );
}

/// A whole file system by path; the root is `/`.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) files: BTreeMap<Vec<u8>, File>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) number: u64,
    /// Type and permissions.
    pub(crate) mode: u32,
    pub(crate) links: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) mtime: (i64, u32),
    pub(crate) device: u32,
    pub(crate) content: Vec<u8>,
    pub(crate) xattrs: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
}

impl Image {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        assert_eq!(u32_at(bytes, 1024), 0xe0f5_e1e2);
        let blocks = u32_at(bytes, 1024 + 36) as usize;
        assert_eq!(bytes.len(), blocks * BLOCK);
        let mut files = BTreeMap::new();
        let mut inodes = std::collections::BTreeSet::new();
        let root = u64::from(u16_at(bytes, 1024 + 14));
        let mut ahead = vec![(b"/".to_vec(), root, root)];
        while let Some((path, number, parent)) = ahead.pop() {
            inodes.insert(number);
            let file = read_file(bytes, number);
            if file.mode & 0o170_000 == 0o040_000 {
                for (name, child) in read_directory(&file.content, number, parent) {
                    let slash = if path == b"/" { &b""[..] } else { b"/" };
                    ahead.push(([&path, slash, &name].concat(), child, number));
                }
            }
            files.insert(path, file);
        }
        let count = u64::from_le_bytes(bytes[1040..1048].try_into().unwrap());
        assert_eq!(count, inodes.len() as u64, "the superblock counts inodes");
        Self { files }
    }

    /// The paths below the root, joined by blanks.
    pub(crate) fn paths(&self) -> String {
        let paths: Vec<_> = self
            .files
            .keys()
            .skip(1)
            .map(|path| String::from_utf8_lossy(path))
            .collect();
        paths.join(" ")
    }

    pub(crate) fn file(&self, path: &str) -> &File {
        let found = self.files.get(path.as_bytes());
        found.unwrap_or_else(|| panic!("no `{path}` in {}", self.paths()))
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        std::str::from_utf8(&self.file(path).content).unwrap()
    }
}

fn read_file(bytes: &[u8], number: u64) -> File {
    let at = usize::try_from(number).unwrap() * 32;
    let format = u16_at(bytes, at);
    assert_eq!(format & 1, 1, "inodes are extended");
    let size = usize::try_from(u64_at(bytes, at + 8)).unwrap();
    let mode = u32::from(u16_at(bytes, at + 4));
    let special = matches!(mode & 0o170_000, 0o010_000 | 0o020_000 | 0o060_000);
    let xattr_len = match u16_at(bytes, at + 2) {
        0 => 0,
        count => 12 + 4 * (usize::from(count) - 1),
    };
    let behind = at + 64 + xattr_len;
    let in_blocks = match format >> 1 {
        0 => size,
        2 => size / BLOCK * BLOCK,
        other => panic!("layout {other}"),
    };
    let field = u32_at(bytes, at + 16);
    let start = if special { 0 } else { field as usize * BLOCK };
    let tail = &bytes[behind..behind + size - in_blocks];
    assert!(behind % BLOCK + tail.len() <= BLOCK, "a tail stays in its block");
    File {
        number,
        mode,
        links: u32_at(bytes, at + 44),
        owner: (u32_at(bytes, at + 24), u32_at(bytes, at + 28)),
        mtime: (u64_at(bytes, at + 32).cast_signed(), u32_at(bytes, at + 40)),
        device: if special { field } else { 0 },
        content: [&bytes[start..start + in_blocks], tail].concat(),
        xattrs: read_xattrs(&bytes[at + 64..behind]),
    }
}

fn read_xattrs(area: &[u8]) -> BTreeMap<(u8, Vec<u8>), Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut at = 12;
    while at < area.len() {
        let name_end = at + 4 + usize::from(area[at]);
        let value_end = name_end + usize::from(u16_at(area, at + 2));
        let name = area[at + 4..name_end].to_vec();
        all.insert((area[at + 1], name), area[name_end..value_end].to_vec());
        at = value_end.next_multiple_of(4);
    }
    all
}

/// The names but `.` and `..`, which are checked, as is the order.
fn read_directory(content: &[u8], this: u64, parent: u64) -> Vec<(Vec<u8>, u64)> {
    let mut all = Vec::new();
    for block in content.chunks(BLOCK) {
        let count = usize::from(u16_at(block, 8)) / 12;
        let offset = |entry: usize| usize::from(u16_at(block, entry * 12 + 8));
        for entry in 0..count {
            let end = if entry + 1 < count {
                offset(entry + 1)
            } else {
                block.len()
            };
            let name = block[offset(entry)..end].split(|byte| *byte == 0).next().unwrap();
            all.push((name.to_vec(), u64_at(block, entry * 12)));
        }
    }
    assert!(
        all.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "names are sorted"
    );
    for (name, number) in [(&b"."[..], this), (b"..", parent)] {
        let found = all.iter().position(|entry| entry.0 == name).unwrap();
        assert_eq!(all.remove(found).1, number);
    }
    all
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
