//! Messages for whoever reads the console log of the machine.

use std::fs::OpenOptions;
use std::io::Write;

/// Writes one error to the kernel's log, and so to the console.
///
/// There is nowhere to report that this failed.
pub(crate) fn error(message: &str) {
    if let Ok(mut kmsg) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // One write is one record; level 3 is an error (syslog(2)).
        drop(kmsg.write_all(format!("<3>pyro-agent: {message}\n").as_bytes()));
    }
}
