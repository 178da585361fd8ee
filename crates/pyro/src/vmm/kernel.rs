//! The command line of a guest's kernel.

use super::MachineSpec;

/// What is the same on every VMM.
const WORDS: [&str; 10] = [
    "console=ttyS0",
    "quiet",
    // A panic ends the VM at once; how is the VMM's affair.
    "panic=-1",
    "8250.nr_uarts=1",
    "random.trust_cpu=on",
    // Nothing to wait for: no such devices exist.
    "i8042.noaux",
    "i8042.nomux",
    "i8042.nopnp",
    "i8042.dumbkbd",
    "cryptomgr.notests",
];

/// The command line of a machine, with the words that its VMM wants.
pub(super) fn command_line(spec: &MachineSpec, of_vmm: &[&str]) -> String {
    let words = [&WORDS[..], of_vmm].concat().join(" ");
    format!("{words} pyro.nonce={}", spec.boot_nonce)
}
