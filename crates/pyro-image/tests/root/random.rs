//! Random layers against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use pyro_image::root::RootLimits;
use tar::{EntryType, Header};

use crate::image::{Image, check};
use crate::layer::{Blobs, Layer, gzip};

/// A generator of numbers that are the same in every run (Marsaglia's xorshift64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.below(4);
        let names: Vec<_> = (0..depth).map(|_| format!("n{}", self.below(4))).collect();
        names.join("/")
    }

    pub(crate) fn content(&mut self) -> Vec<u8> {
        let length = [0, 10, 3000, 4096, 9000][usize::try_from(self.below(5)).unwrap()] + self.below(100);
        (0..length).map(|_| self.below(256).to_le_bytes()[0]).collect()
    }
}

/// What a path should be: a file with content, or a directory.
type Model = BTreeMap<String, Option<Vec<u8>>>;

fn remove(model: &mut Model, path: &str) {
    let below = format!("{path}/");
    model.retain(|other, _| other != path && !other.starts_with(&below));
}

/// Makes the directories above a path; `false` when a file is in the way.
fn make_parents(model: &mut Model, path: &str) -> bool {
    let parents: Vec<_> = path
        .match_indices('/')
        .map(|(at, _)| path[..at].to_owned())
        .collect();
    if parents
        .iter()
        .any(|parent| matches!(model.get(parent), Some(Some(_))))
    {
        return false;
    }
    for parent in parents {
        model.entry(parent).or_insert(None);
    }
    true
}

/// A layer with whiteouts in front, after which its order is what counts.
fn random_layer(random: &mut Random, model: &mut Model) -> Layer {
    let mut layer = Layer::default();
    for _ in 0..random.below(4) {
        let path = random.path();
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", &path));
        if make_parents(&mut model.clone(), &path) {
            remove(model, &path);
            layer = layer.file(&format!("{parent}/.wh.{name}"), "");
        }
    }
    for _ in 0..random.below(20) {
        let path = random.path();
        if !make_parents(model, &path) {
            continue;
        }
        if random.below(3) == 0 {
            if model.get(&path).is_none_or(Option::is_some) {
                model.insert(path.clone(), None);
            }
            layer = layer.dir(&path, 0o755);
        } else {
            let content = random.content();
            remove(model, &path);
            layer = layer.file(&path, &content);
            model.insert(path, Some(content));
        }
    }
    layer
}

#[test]
fn random_layers_merge_as_the_model_does() {
    for seed in 1..=60 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        let mut model = Model::new();
        let blobs: Vec<_> = (0..4)
            .map(|_| gzip(&random_layer(&mut random, &mut model).tar()))
            .collect();
        let image = Blobs::new(&blobs).try_image().unwrap();
        let found: Model = image
            .files
            .iter()
            .skip(1)
            .map(|(path, file)| {
                let path = String::from_utf8(path[1..].to_vec()).unwrap();
                let is_directory = file.mode & 0o170_000 == 0o040_000;
                (path, (!is_directory).then(|| file.content.clone()))
            })
            .collect();
        assert!(
            found == model,
            "seed {seed}: {:?} is not {:?}",
            found.keys(),
            model.keys()
        );
    }
}

/// Changes some bytes of headers and extended headers, whose checksums are then right again.
fn damage(random: &mut Random, tar: &mut [u8]) {
    let blocks = (tar.len() as u64 - 1024) / 512;
    for _ in 0..=random.below(3) {
        let start = usize::try_from(random.below(blocks)).unwrap() * 512;
        let block = &mut tar[start..start + 512];
        let at = [random.below(512), 100 + random.below(60), 257 + random.below(8)];
        let at = usize::try_from(at[usize::try_from(random.below(3)).unwrap()]).unwrap();
        let values = [0, b'0', b'7', b'5', b'S', b'x', b'L', b'/', b'.', 0xff, b' '];
        block[at] = values[usize::try_from(random.below(values.len() as u64)).unwrap()];
        if block[257..262] == *b"ustar" {
            let mut header: Header = Header::from_byte_slice(block).clone();
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
    }
}

#[test]
fn damaged_layers_are_refused_or_make_a_sound_image() {
    let whole = Layer::default()
        .dir("d", 0o755)
        .pax(&[
            ("SCHILY.xattr.user.a", b"b"),
            ("mtime", b"12.5"),
            ("size", b"700"),
        ])
        .file("d/file", [1; 700])
        .hard_link("d/link", "d/file")
        .symlink("s", "d")
        .file("s/through", "2")
        .file("d/.wh.through", "")
        .device("c", EntryType::Char, 1, 3)
        .file(&"long".repeat(40), "3")
        .tar();
    let limits = RootLimits {
        uncompressed_bytes: 1 << 20,
        entries: 100,
        metadata_bytes: 10_000,
    };
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut sound = 0;
    for _ in 0..500 {
        let mut tar = whole.clone();
        damage(&mut random, &mut tar);
        let blobs = Blobs::new(&[Layer::default().file("d/low", "0").tar(), tar]);
        let out = blobs.home.path().join("out");
        if blobs.build_within(&out, limits).is_ok() {
            sound += 1;
            if sound % 10 == 0 {
                check(&out);
            }
            Image::read(&std::fs::read(&out).unwrap());
        }
    }
    assert!((50..450).contains(&sound), "{sound} of 500 are sound");
}
