//! How fast the probe's guest counts, judged by its fastest slice.
//!
//! What holds a good host up, it does for a while: translating code that runs for the first time, filling page tables,
//! another program, another VM on the same processor. A host that interprets guests does so with every instruction. So
//! no average decides, but the fastest slice, by the wall clock: one slice that nothing disturbed is enough.

use std::time::Duration;

use super::Speed;

/// Instructions between two exits to the host: 3 to 4 ms where each is interpreted.
pub(super) const SLICE: u64 = 4_000;

/// Slices that a guest gets before it can be too slow: what comes first is not all that counts.
const SLICES: usize = 10;

/// Time per instruction, in nanoseconds, from which on no kernel boots. Interpreted it is 700 to 1000.
const BOUND_NS: u64 = 250;

/// The processor time that a guest may take.
const CPU_BOUND: Duration = Duration::from_millis(50);

/// The slices that were counted.
#[derive(Debug, Default)]
pub(super) struct Pace {
    count: usize,
    /// Of the wall clock.
    fastest: Option<Duration>,
    /// The processor time of all.
    used: Duration,
}

impl Pace {
    /// Takes in a slice: how long it lasted, and the processor time that it took.
    pub(super) fn add(&mut self, lasted: Duration, used: Duration) {
        self.count += 1;
        self.used += used;
        self.fastest = Some(self.fastest.map_or(lasted, |fastest| fastest.min(lasted)));
    }

    /// Whether more slices would change nothing: the guest is fast, or has had its time.
    pub(super) fn is_decided(&self) -> bool {
        let is_fast = self.count > 0 && !too_slow(self.speed());
        is_fast || (self.had_its_chance() && self.used >= CPU_BOUND)
    }

    /// Whether there are enough slices to call it slow.
    pub(super) fn had_its_chance(&self) -> bool {
        self.count >= SLICES
    }

    /// That of the fastest slice.
    pub(super) fn speed(&self) -> Speed {
        let micros = self.fastest.unwrap_or_default().as_micros();
        Speed {
            instructions: if self.count > 0 { SLICE } else { 0 },
            cpu_us: u64::try_from(micros).unwrap_or(u64::MAX),
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

    /// The pace of slices that last so many microseconds and take as much processor time, up to the decision.
    fn pace(slices_us: impl IntoIterator<Item = u64>) -> Pace {
        let mut pace = Pace::default();
        for slice in slices_us {
            if pace.is_decided() {
                break;
            }
            let slice = Duration::from_micros(slice);
            pace.add(slice, slice);
        }
        pace
    }

    #[test]
    fn the_bound_decides() {
        let speed = |instructions, cpu_us| Speed { instructions, cpu_us };
        assert!(!too_slow(speed(4_000, 0)) && !too_slow(speed(4_000, 999)));
        assert!(too_slow(speed(4_000, 1_000)));
        assert!(!too_slow(speed(0, 70_000)));
    }

    #[test]
    fn a_host_that_interprets_is_found_out_within_its_time() {
        let pace = pace([4_000, 3_100].into_iter().cycle().take(100));
        assert!(pace.is_decided() && too_slow(pace.speed()));
        assert!((CPU_BOUND..CPU_BOUND + Duration::from_millis(5)).contains(&pace.used));
    }

    #[test]
    fn a_processor_clock_that_ticks_helps_no_host() {
        let mut pace = Pace::default();
        for used_ms in [0, 0, 10].into_iter().cycle().take(18) {
            pace.add(Duration::from_micros(3_500), Duration::from_millis(used_ms));
        }
        assert!(pace.is_decided() && too_slow(pace.speed()));
    }

    #[test]
    fn one_slice_that_nothing_disturbed_is_enough() {
        assert_eq!(pace([4; 100]).count, 1);
        // More than the whole of its time goes into the first slice, and others follow that were interrupted.
        let pace = pace([70_000, 9_000, 2_000, 7_000, 3_000, 900, 200]);
        assert_eq!((pace.count, pace.is_decided()), (6, true));
        assert_eq!(pace.speed().ns_per_instruction(), 225);
    }

    #[test]
    fn a_few_slow_slices_decide_nothing() {
        let pace = pace([40_000, 39_000]);
        assert!(!pace.is_decided() && !pace.had_its_chance() && too_slow(pace.speed()));
        assert!(!Pace::default().is_decided() && !too_slow(Pace::default().speed()));
    }
}
