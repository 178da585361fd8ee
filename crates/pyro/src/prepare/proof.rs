//! What was proved before: `prepared.json` in the cache directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dirs::{self, DirError};
use crate::template::TemplateStore;

const FILE: &str = "prepared.json";

/// The format that this build reads and writes; anything can be proved again.
const FORMAT: u32 = 1;

/// One proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof {
    /// The key of the template: it stands for the image's digest, the tier, this version of pyro and all else.
    key: String,
    /// When it was made, in RFC 3339 with milliseconds.
    pub(super) prepared_at: String,
}

/// The proofs of a cache directory.
#[derive(Debug)]
pub(super) struct Proofs {
    dir: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    proofs: Vec<Proof>,
}

impl Proof {
    /// A proof of this moment.
    pub(super) fn now(key: String) -> Self {
        Self {
            key,
            prepared_at: format!("{:.3}", jiff::Timestamp::now()),
        }
    }
}

impl Proofs {
    pub(super) fn new(cache_dir: &Path) -> Self {
        Self {
            dir: cache_dir.to_owned(),
        }
    }

    /// The proof for a key. A file that cannot be read or is of another format proves nothing.
    pub(super) fn find(&self, key: &str) -> Option<Proof> {
        self.read().into_iter().find(|proof| proof.key == key)
    }

    /// Adds a proof in place of an older one, and drops those whose template is gone.
    ///
    /// Of two processes that do so at once one may lose its proof, and makes it again when asked.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn add(&self, proof: Proof, templates: &TemplateStore) -> Result<(), DirError> {
        let mut proofs = self.read();
        proofs.retain(|other| other.key != proof.key && templates.has(&other.key));
        proofs.push(proof);
        let record = Record {
            format: FORMAT,
            proofs,
        };
        let bytes =
            serde_json::to_vec_pretty(&record).expect("records have string keys and no other way to fail");
        dirs::publish(&self.dir, FILE, &bytes)
    }

    fn read(&self) -> Vec<Proof> {
        let record = std::fs::read(self.dir.join(FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        record
            .filter(|record| record.format == FORMAT)
            .map_or_else(Vec::new, |record| record.proofs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(key: &str, prepared_at: &str) -> Proof {
        Proof {
            key: key.to_owned(),
            prepared_at: prepared_at.to_owned(),
        }
    }

    #[test]
    fn the_latest_proof_is_found_and_those_without_a_template_are_dropped() {
        let cache = tempfile::tempdir().unwrap();
        let (proofs, templates) = (Proofs::new(cache.path()), TemplateStore::new(cache.path()));
        assert_eq!(proofs.find("a"), None);
        std::fs::create_dir_all(cache.path().join("templates/a")).unwrap();
        proofs.add(proof("a", "1"), &templates).unwrap();
        proofs.add(proof("b", "2"), &templates).unwrap();
        proofs.add(proof("a", "3"), &templates).unwrap();
        assert_eq!(proofs.find("a"), Some(proof("a", "3")));
        assert_eq!(proofs.find("b"), None);
    }

    #[test]
    fn a_damaged_record_proves_nothing_and_is_replaced() {
        let cache = tempfile::tempdir().unwrap();
        let (proofs, templates) = (Proofs::new(cache.path()), TemplateStore::new(cache.path()));
        for damaged in [
            "{",
            r#"{"format": 2, "proofs": [{"key": "a", "prepared_at": "1"}]}"#,
        ] {
            std::fs::write(cache.path().join(FILE), damaged).unwrap();
            assert_eq!(proofs.find("a"), None);
            proofs.add(proof("a", "2"), &templates).unwrap();
            assert_eq!(proofs.find("a"), Some(proof("a", "2")));
        }
    }

    #[test]
    fn times_have_milliseconds() {
        let time = Proof::now(String::new()).prepared_at;
        assert_eq!(time.len(), "2026-01-01T00:00:00.000Z".len(), "{time}");
        assert!(time.ends_with('Z'));
    }
}
