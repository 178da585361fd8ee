//! How strongly a guest is kept apart from its host, and what this host can do.

mod binary;
mod kvm;
mod select;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::argument::InvalidArgument;

pub(crate) use binary::{FIRECRACKER, FileIdentity, QEMU, VmmBinary, Vmms};
#[cfg(test)]
pub(crate) use kvm::Speed;
pub(crate) use kvm::{DEVICE, KvmProbe, KvmVerdict};
pub(crate) use select::{Choice, IsolationError, Way, choose, choose_vm};

/// The strength of the wall around a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A VM on KVM.
    Hardware,
    /// A complete VM with its own kernel, without KVM.
    Emulated,
    /// No VM: processes of the caller on this host, which nothing isolates.
    Host,
}

/// What a caller demands of [`Isolation`]; it is never lowered in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IsolationFloor {
    /// The strongest tier that works here.
    #[default]
    Auto,
    /// A VM on KVM or nothing.
    Hardware,
    /// A VM without KVM.
    Emulated,
}

impl FromStr for IsolationFloor {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, InvalidArgument> {
        match text {
            "auto" => Ok(Self::Auto),
            "hardware" => Ok(Self::Hardware),
            "emulated" => Ok(Self::Emulated),
            _ => Err(InvalidArgument::Malformed {
                name: "isolation",
                problem: "must be auto, hardware or emulated",
                given: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hardware => "hardware",
            Self::Emulated => "emulated",
            Self::Host => "host",
        })
    }
}
