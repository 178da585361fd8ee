//! Messages for whoever reads the console log of the machine, or on the host the agent's own log.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this is a process of the host, whose kernel's log is none of its business.
static IS_ON_HOST: AtomicBool = AtomicBool::new(false);

/// From now on messages go to standard error.
pub(crate) fn use_standard_error() {
    IS_ON_HOST.store(true, Ordering::Relaxed);
}

/// Writes one error to the kernel's log, and so to the console; on the host to standard error.
///
/// There is nowhere to report that this failed.
pub(crate) fn error(message: &str) {
    if IS_ON_HOST.load(Ordering::Relaxed) {
        drop(io::stderr().write_all(format!("pyro-agent: {message}\n").as_bytes()));
    } else if let Ok(mut kmsg) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // One write is one record; level 3 is an error (syslog(2)).
        drop(kmsg.write_all(format!("<3>pyro-agent: {message}\n").as_bytes()));
    }
}
