//! What a bench reports, for people and for programs.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::bench::host::Host;
use crate::bench::series::{self, Measurement};

/// The figures of a host, or those of the lab's tiers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) format: u32,
    pub(super) host: Host,
    pub(super) measurements: Vec<Measurement>,
    /// One for each tier that was measured in the lab, if it was; the host above is then where the lab ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lab: Vec<TierReport>,
}

/// The figures of one tier of the lab.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TierReport {
    tier: String,
    report: Report,
}

impl TierReport {
    /// Takes the report that a bench in the lab wrote.
    pub(super) fn read(tier: String, json: &str) -> Result<Self> {
        let report = serde_json::from_str(json)
            .with_context(|| format!("cannot read what was measured on {tier}: {json}"))?;
        Ok(Self { tier, report })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        if !self.measurements.is_empty() {
            write!(f, "\n{}", series::table(&self.measurements))?;
        }
        for TierReport { tier, report } in &self.lab {
            write!(f, "\nIn the lab on {tier}:\n{report}\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"format": 1, "host": {"cpu": "c", "cores": 2, "memory_mib": 1, "kernel": "6", "qemu": null,
        "firecracker": null, "pyro": "pyro 1", "commit": null, "date": "d", "tier": "hardware"},
        "measurements": [{"name": "run", "unit": "ms", "n": 1, "p50": 7.0, "p90": 7.0, "max": 7.0}]}"#;

    #[test]
    fn a_tier_of_the_lab_is_a_section_of_the_report() {
        let mut report: Report = serde_json::from_str(JSON).unwrap();
        assert!(serde_json::to_value(&report).unwrap().get("lab").is_none());
        report.measurements.clear();
        report.lab = vec![TierReport::read("hardware/qemu".to_owned(), JSON).unwrap()];
        let text = report.to_string();
        let (_, section) = text.split_once("In the lab on hardware/qemu:\n").unwrap();
        assert!(section.contains("\nrun "), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["lab"][0]["report"]["measurements"][0]["p50"], 7.0);
        TierReport::read("hardware/qemu".to_owned(), "").unwrap_err();
    }
}
