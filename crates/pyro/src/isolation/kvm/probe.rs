//! The probe as its users see it: a verdict, and what a real boot adds to it.

use std::io;
use std::path::PathBuf;

use kvm_ioctls::Kvm;

use super::cache::{self, Entry, Key};
use super::{KvmVerdict, guest};
use crate::isolation::binary::VmmBinary;

/// The version of the interface that KVM has had since Linux 2.6.22.
const API_VERSION: i32 = 12;

/// Finds out what KVM can do for one VMM, and remembers it for this boot of the host.
#[derive(Debug, Clone)]
pub(crate) struct KvmProbe {
    cache_dir: PathBuf,
    vmm: Option<VmmBinary>,
}

impl KvmProbe {
    /// A probe that keeps its verdicts in `cache_dir`, if it can. Touches nothing yet.
    pub(crate) fn new(cache_dir: impl Into<PathBuf>, vmm: Option<VmmBinary>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            vmm,
        }
    }

    /// What KVM can do here: from the cache, or by running the probe's guest, which takes up to 0.1 s.
    ///
    /// Blocks; on a host that is too busy to tell, for 0.6 s at most.
    pub(crate) fn verdict(&self) -> KvmVerdict {
        if let Err(closed) = open_device() {
            return closed;
        }
        let key = Key::now(self.vmm.as_ref()).ok();
        if let Some(known) = key.as_ref().and_then(|key| cache::load(&self.cache_dir, key)) {
            return known.verdict;
        }
        let verdict = guest::judge(|| Kvm::new().map_err(io::Error::from));
        tracing::debug!(%verdict, "probed KVM");
        if let Some(key) = key.filter(|_| verdict.is_lasting()) {
            cache::store(&self.cache_dir, key, verdict.clone(), false);
        }
        verdict
    }

    /// Takes note that a real VM became ready on KVM. Writes once per boot of the host.
    pub(crate) fn confirm(&self) {
        if let Some((key, known)) = self.unconfirmed() {
            cache::store(&self.cache_dir, key, known.verdict, true);
        }
    }

    /// Takes back a verdict of [`KvmVerdict::Works`] because the first real VM never became ready.
    ///
    /// Once a real VM has booted, one that does not has other reasons: then nothing changes. Says whether the
    /// verdict is withdrawn now.
    pub(crate) fn withdraw(&self, reason: &str) -> bool {
        let Some((key, _)) = self.unconfirmed() else {
            return false;
        };
        tracing::warn!(reason, "KVM is not used any more: its first VM did not boot");
        let reason = reason.to_owned();
        cache::store(&self.cache_dir, key, KvmVerdict::Withdrawn { reason }, false);
        true
    }

    fn unconfirmed(&self) -> Option<(Key, Entry)> {
        let key = Key::now(self.vmm.as_ref()).ok()?;
        let known = cache::load(&self.cache_dir, &key)?;
        (known.verdict.works() && !known.confirmed).then_some((key, known))
    }

    /// Replaces what is known, as if a probe had found it.
    #[cfg(test)]
    pub(crate) fn pretend(&self, verdict: KvmVerdict) {
        let key = Key::now(self.vmm.as_ref()).expect("the test has looked for the device");
        cache::store(&self.cache_dir, key, verdict, false);
    }
}

/// Opens the device for a moment, which costs microseconds and answers for this user and these groups.
fn open_device() -> Result<(), KvmVerdict> {
    let kvm = Kvm::new().map_err(|error| refused(&error.into()))?;
    match kvm.get_api_version() {
        API_VERSION => Ok(()),
        version => Err(KvmVerdict::CreatesNoVm {
            cause: format!("its interface has version {version} instead of {API_VERSION}"),
        }),
    }
}

fn refused(error: &io::Error) -> KvmVerdict {
    match error.kind() {
        io::ErrorKind::NotFound => KvmVerdict::Absent,
        io::ErrorKind::PermissionDenied => KvmVerdict::NotAccessible,
        _ => KvmVerdict::CreatesNoVm {
            cause: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::isolation::kvm::{DEVICE, Speed};

    fn fresh() -> (tempfile::TempDir, KvmProbe) {
        let dir = tempfile::tempdir().unwrap();
        let probe = KvmProbe::new(dir.path().join("cache"), None);
        (dir, probe)
    }

    fn works() -> KvmVerdict {
        KvmVerdict::Works(Speed {
            instructions: 200_000,
            cpu_us: 300,
        })
    }

    /// Whether there is a device that opens, without which nothing is ever remembered.
    fn has_device() -> bool {
        open_device().is_ok()
    }

    #[test]
    fn the_probe_comes_to_a_verdict_in_time_and_stays_with_it() {
        let (_dir, probe) = fresh();
        let started = Instant::now();
        let first = probe.verdict();
        let took = started.elapsed();
        println!("{first} in {took:?}");
        assert!(took < Duration::from_secs(1), "{took:?}");
        if first.is_lasting() {
            let started = Instant::now();
            assert_eq!(probe.verdict(), first);
            println!("cached in {:?}", started.elapsed());
        }
        let (_dir, another) = fresh();
        assert_eq!(another.verdict().works(), first.works());
    }

    #[test]
    fn a_device_that_does_not_open_is_told_apart() {
        let verdict = |kind: io::ErrorKind| refused(&kind.into());
        assert_eq!(verdict(io::ErrorKind::NotFound), KvmVerdict::Absent);
        assert_eq!(
            verdict(io::ErrorKind::PermissionDenied),
            KvmVerdict::NotAccessible
        );
        assert!(matches!(
            verdict(io::ErrorKind::Other),
            KvmVerdict::CreatesNoVm { .. }
        ));
        if !std::path::Path::new(DEVICE).exists() {
            assert_eq!(fresh().1.verdict(), KvmVerdict::Absent);
        }
    }

    #[test]
    fn the_first_boot_that_fails_withdraws_the_verdict_for_good() {
        if !has_device() {
            return;
        }
        let (_dir, probe) = fresh();
        probe.pretend(works());
        assert!(probe.withdraw("no answer in 20 s"));
        let reason = "no answer in 20 s".to_owned();
        assert_eq!(probe.verdict(), KvmVerdict::Withdrawn { reason });
        assert!(!probe.withdraw("again"));
        probe.confirm();
        assert!(!probe.verdict().works());
    }

    #[test]
    fn a_boot_that_fails_after_one_that_did_not_changes_nothing() {
        if !has_device() {
            return;
        }
        let (_dir, probe) = fresh();
        probe.pretend(works());
        probe.confirm();
        assert!(!probe.withdraw("kernel panic"));
        assert_eq!(probe.verdict(), works());
    }

    #[test]
    fn an_unwritable_cache_leaves_the_probe_working() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("in-the-way");
        std::fs::write(&file, "").unwrap();
        let probe = KvmProbe::new(&file, None);
        let first = probe.verdict();
        assert_eq!(first.works(), probe.verdict().works());
        probe.confirm();
        assert!(!probe.withdraw("nothing is known"));
    }
}
