//! How fast the probe's guest counts, judged by its fastest slice.
//!
//! What holds a good host up, it does for a while: translating code that runs for the first time, filling page tables,
//! another program. Or it does so with every exit: a host that is emulated itself, and shares its processors, may take
//! milliseconds for one. A host that interprets guests is slow with every instruction. So a slice is long, the exit at
//! its end weighs little, and of a few slices the fastest decides.

use std::time::Duration;

use super::Speed;

/// Instructions between two exits to the host: 15 ms where each is interpreted.
pub(super) const SLICE: u64 = 15_000;

/// Slices that a guest gets before it can be too slow: what comes first is not all that counts.
const SLICES: usize = 3;

/// Processor time per instruction, in nanoseconds, from which on no kernel boots. Interpreted it is about 1000.
const BOUND_NS: u64 = 250;

/// The processor time that a guest may take.
const CPU_BOUND: Duration = Duration::from_millis(45);

/// The slices that were counted, each with its processor time.
#[derive(Debug, Default)]
pub(super) struct Pace {
    slices: Vec<Duration>,
}

impl Pace {
    /// Takes in a slice.
    pub(super) fn add(&mut self, took: Duration) {
        self.slices.push(took);
    }

    /// Whether more slices would change nothing: the guest is fast, or has had its time.
    pub(super) fn is_decided(&self) -> bool {
        let is_fast = !self.slices.is_empty() && !too_slow(self.speed());
        let used: Duration = self.slices.iter().sum();
        is_fast || (self.slices.len() >= SLICES && used >= CPU_BOUND)
    }

    /// That of the fastest slice. Without any, nothing was counted.
    pub(super) fn speed(&self) -> Speed {
        let took = self.slices.iter().min();
        Speed {
            instructions: took.map_or(0, |_| SLICE),
            cpu_us: took.map_or(0, |took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
        }
    }
}

/// Whether a kernel would never boot at that speed. Nothing counted is no speed.
pub(super) fn too_slow(speed: Speed) -> bool {
    let bound_ns = u128::from(BOUND_NS) * u128::from(speed.instructions);
    speed.instructions > 0 && u128::from(speed.cpu_us) * 1000 >= bound_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pace of slices that take so many microseconds, up to the decision.
    fn pace(slices_us: impl IntoIterator<Item = u64>) -> Pace {
        let mut pace = Pace::default();
        for slice in slices_us {
            if pace.is_decided() {
                break;
            }
            pace.add(Duration::from_micros(slice));
        }
        pace
    }

    #[test]
    fn the_bound_decides() {
        let speed = |cpu_us| Speed {
            instructions: 20_000,
            cpu_us,
        };
        assert!(!too_slow(speed(0)) && !too_slow(speed(4_999)));
        assert!(too_slow(speed(5_000)));
        let nothing = Speed {
            instructions: 0,
            cpu_us: 70_000,
        };
        assert!(!too_slow(nothing));
    }

    #[test]
    fn a_host_that_interprets_is_found_out_within_its_time() {
        let pace = pace([15_000; 100]);
        assert!(pace.is_decided() && too_slow(pace.speed()));
        assert_eq!(pace.slices.len(), SLICES);
        // A clock that ticks each 10 ms makes slices of several lengths, and none of them fast.
        let pace = self::pace([10_000, 20_000, 15_000].into_iter().cycle().take(100));
        assert!(pace.is_decided() && too_slow(pace.speed()));
    }

    #[test]
    fn a_fast_host_is_known_after_one_slice() {
        let pace = pace([20; 100]);
        assert_eq!(pace.slices.len(), 1);
        let speed = Speed {
            instructions: SLICE,
            cpu_us: 20,
        };
        assert_eq!(pace.speed(), speed);
    }

    #[test]
    fn a_host_that_warms_up_is_as_fast_as_it_becomes() {
        // More than the whole of its time goes into the first slice, and a pause comes after it.
        let pace = pace([70_000, 9_000, 2_000, 400]);
        assert!(pace.is_decided() && !too_slow(pace.speed()));
        assert_eq!(pace.speed().cpu_us, 2_000);
    }

    #[test]
    fn nothing_counted_decides_nothing() {
        let pace = Pace::default();
        assert!(!pace.is_decided() && !too_slow(pace.speed()));
        // One slice, and then the guest was broken off: that is all there is to judge by.
        let pace = self::pace([79_000]);
        assert!(!pace.is_decided() && too_slow(pace.speed()));
    }
}
