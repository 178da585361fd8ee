//! What works on this host, what does not, and the fix.

use crate::Pyro;
use crate::object::DoctorReport;

/// What doctor looks at.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DoctorRequest {
    /// The platform; this host's if absent.
    pub platform: Option<String>,
    /// An environment to verify in full.
    pub environment: Option<String>,
}

/// Checks everything that pyro needs. Never fails: what is broken is in the report.
pub async fn examine(_pyro: &Pyro, _request: &DoctorRequest) -> DoctorReport {
    unimplemented!()
}
