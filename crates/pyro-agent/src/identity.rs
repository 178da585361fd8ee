//! What must be this machine's own: name, identity, time and randomness.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use pyro_proto::handshake::NONCE_BYTES;
use pyro_proto::message::{Configure, Fault, FaultKind};
use rustix::fs::OFlags;
use rustix::time::{ClockId, Timespec};

use crate::agent::Agent;
use crate::call::fault;
use crate::sys;

/// Written anew for each boot and restore; never on the machine's disk.
const RUNTIME_ID: &str = "/run/machine-id";
const MACHINE_ID: &str = "/etc/machine-id";

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Applies everything that is given; an empty field is left as it is.
///
/// # Errors
/// [`FaultKind::InvalidArgument`] for a malformed value, [`FaultKind::Internal`] for a failure.
pub(crate) async fn apply(configure: Configure, agent: &Agent) -> Result<(), Fault> {
    let Configure {
        hostname,
        machine_id,
        realtime_ns,
        entropy,
        nonce,
    } = configure;
    let machine = agent.machine()?;
    if !machine_id.is_empty() && !is_machine_id(&machine_id) {
        return Err(fault(
            FaultKind::InvalidArgument,
            "a machine id is 32 lowercase hexadecimal digits",
        ));
    }
    if !nonce.is_empty() && nonce.len() != NONCE_BYTES {
        return Err(fault(
            FaultKind::InvalidArgument,
            format!("a nonce has {NONCE_BYTES} bytes"),
        ));
    }
    if !entropy.is_empty() {
        add_entropy(&entropy).map_err(|error| failed("seed the random generator", &error))?;
    }
    if realtime_ns != 0 {
        set_clock(realtime_ns).map_err(|error| failed("set the clock", &error))?;
    }
    if !hostname.is_empty() {
        rustix::system::sethostname(hostname.as_bytes()).map_err(|error| {
            fault(
                FaultKind::InvalidArgument,
                format!("cannot set the host name: {error}"),
            )
        })?;
    }
    if !machine_id.is_empty() {
        let written = machine.workload.run(move |_| write_machine_id(&machine_id)).await;
        written
            .flatten()
            .map_err(|error| failed("write the machine id", &error))?;
    }
    if !nonce.is_empty() {
        *agent.nonce.borrow_mut() = nonce;
    }
    Ok(())
}

fn failed(what: &str, error: &io::Error) -> Fault {
    fault(FaultKind::Internal, format!("cannot {what}: {error}"))
}

fn is_machine_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn add_entropy(seed: &[u8]) -> io::Result<()> {
    sys::add_entropy(File::options().write(true).open("/dev/urandom")?.as_fd(), seed)
}

fn set_clock(realtime_ns: u64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: i64::try_from(realtime_ns / NANOS_PER_SECOND).map_err(io::Error::other)?,
        tv_nsec: i64::try_from(realtime_ns % NANOS_PER_SECOND).map_err(io::Error::other)?,
    };
    rustix::time::clock_settime(ClockId::Realtime, time).map_err(Into::into)
}

/// Puts the id over `/etc/machine-id` by a mount, as machine-id(5) describes for images without one.
fn write_machine_id(id: &str) -> io::Result<()> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o444)
        .custom_flags(no_follow)
        .open(RUNTIME_ID)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    if !Path::new(MACHINE_ID).exists() {
        fs::create_dir_all("/etc")?;
        File::create(MACHINE_ID)?;
    }
    let (ours, seen) = (file.metadata()?, fs::metadata(MACHINE_ID)?);
    if (ours.dev(), ours.ino()) == (seen.dev(), seen.ino()) {
        return Ok(());
    }
    rustix::mount::mount_bind(RUNTIME_ID, MACHINE_ID).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_id_has_32_lowercase_hexadecimal_digits() {
        assert!(is_machine_id("0123456789abcdef0123456789abcdef"));
        assert!(!is_machine_id("0123456789ABCDEF0123456789abcdef"));
        assert!(!is_machine_id("0123"));
    }
}
