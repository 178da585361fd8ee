//! Samples of one quantity, and what they come to.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What the samples of one quantity come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    name: String,
    unit: String,
    n: usize,
    p50: f64,
    p90: f64,
    max: f64,
}

impl Measurement {
    /// Sums up samples; nothing where there are none.
    pub(crate) fn of(name: &str, unit: &str, samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            n: sorted.len(),
            p50: *nearest_rank(&sorted, 50)?,
            p90: *nearest_rank(&sorted, 90)?,
            max: *sorted.last()?,
        })
    }
}

/// The smallest sample that so many percent of all do not exceed: always one that was measured.
fn nearest_rank(sorted: &[f64], percent: usize) -> Option<&f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1))
}

/// One line for each measurement.
pub(crate) fn table(measurements: &[Measurement]) -> String {
    let width = measurements.iter().map(|line| line.name.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  {:>4}  {:>9}  {:>9}  {:>9}  unit",
        "", "n", "p50", "p90", "max"
    );
    for Measurement {
        name,
        unit,
        n,
        p50,
        p90,
        max,
    } in measurements
    {
        // Writing to a string cannot fail.
        let _infallible = write!(
            text,
            "\n{name:width$}  {n:>4}  {p50:>9.1}  {p90:>9.1}  {max:>9.1}  {unit}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        let measurement = Measurement::of("run", "ms", &samples).unwrap();
        assert_eq!(
            (measurement.p50, measurement.p90, measurement.max),
            (10.0, 18.0, 20.0)
        );
        let one = Measurement::of("run", "ms", &[7.0]).unwrap();
        assert_eq!((one.p50, one.p90, one.max), (7.0, 7.0, 7.0));
        assert_eq!(Measurement::of("run", "ms", &[]), None);
    }

    #[test]
    fn the_table_has_a_line_for_each_measurement() {
        let measurements = [Measurement::of("pyro --version", "ms", &[1.25, 2.0]).unwrap()];
        let table = table(&measurements);
        assert_eq!(
            table.lines().nth(1).unwrap(),
            "pyro --version     2        1.2        2.0        2.0  ms"
        );
    }
}
