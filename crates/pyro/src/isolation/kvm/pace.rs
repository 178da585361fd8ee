//! How fast the probe's guest counts, judged by its fastest stretch.
//!
//! What holds a good host up, it does for a while: translating code that runs for the first time, filling page tables,
//! another program. A host that interprets guests does so with every instruction. So no average decides, but the
//! fastest stretch of a few slices in a row; a single slice would be too short for a clock that ticks.

use std::time::Duration;

use super::Speed;

/// Instructions between two exits to the host: 4 ms where each is interpreted.
pub(super) const SLICE: u64 = 4_000;

/// Slices of a stretch.
const STRETCH: usize = 5;

/// Instructions of a stretch: less is too little to judge by, unless there never will be more.
pub(super) const ENOUGH: u64 = SLICE * STRETCH as u64;

/// Stretches that a guest gets before it can be too slow: what comes first is not all that counts.
const STRETCHES: usize = 5;

/// Processor time per instruction, in nanoseconds, from which on no kernel boots. Interpreted it is about 1000.
const BOUND_NS: u64 = 250;

/// The processor time that a guest may take.
const CPU_BOUND: Duration = Duration::from_millis(50);

/// The slices that were counted, and the fastest stretch among them.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Each with its processor time.
    slices: Vec<Duration>,
    fastest: Option<Duration>,
}

impl Pace {
    /// Takes in a slice.
    pub(super) fn add(&mut self, took: Duration) {
        self.slices.push(took);
        if let Some(stretch) = self.slices.last_chunk::<STRETCH>() {
            let took = stretch.iter().sum();
            self.fastest = Some(self.fastest.map_or(took, |fastest| fastest.min(took)));
        }
    }

    /// Whether more slices would change nothing: the guest is fast, or has had its time.
    pub(super) fn is_decided(&self) -> bool {
        let is_fast = self.fastest.is_some() && !too_slow(self.speed());
        let had_its_chance = self.slices.len() >= STRETCH + STRETCHES - 1;
        is_fast || (had_its_chance && self.used() >= CPU_BOUND)
    }

    /// The fastest stretch; all there is, as long as there is none.
    pub(super) fn speed(&self) -> Speed {
        let slices = self.slices.len().min(STRETCH);
        let took = self.fastest.unwrap_or_else(|| self.used());
        Speed {
            instructions: SLICE * u64::try_from(slices).expect("a stretch is short"),
            cpu_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// The processor time of all slices.
    fn used(&self) -> Duration {
        self.slices.iter().sum()
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
        let pace = pace([4_000; 100]);
        assert!(pace.is_decided() && too_slow(pace.speed()));
        assert_eq!(pace.slices.len(), 13);
        // A slice now and then that looks fast, as with a clock that ticks each 10 ms, does not help it.
        let pace = self::pace([0, 10_000, 0, 0, 10_000].into_iter().cycle().take(100));
        assert!(pace.is_decided() && too_slow(pace.speed()));
    }

    #[test]
    fn a_fast_host_is_known_after_one_stretch() {
        let pace = pace([4; 100]);
        assert_eq!(pace.slices.len(), STRETCH);
        assert_eq!(
            pace.speed(),
            Speed {
                instructions: 20_000,
                cpu_us: 20
            }
        );
    }

    #[test]
    fn a_host_that_warms_up_is_as_fast_as_it_becomes() {
        // More than the whole of its time goes into the first slice, and a pause comes after it.
        let pace = pace([70_000, 9_000, 2_000, 400, 300, 300, 300, 200, 200]);
        assert!(pace.is_decided() && !too_slow(pace.speed()));
        assert_eq!(pace.speed().cpu_us, 3_300);
    }

    #[test]
    fn a_slow_guest_that_was_broken_off_has_the_speed_of_all_it_did() {
        let pace = pace([40_000, 39_000]);
        assert!(!pace.is_decided() && too_slow(pace.speed()));
        assert_eq!(pace.speed().instructions, 8_000);
        assert!(!too_slow(Pace::default().speed()));
    }
}
