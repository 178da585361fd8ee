//! QEMU's command line, as a pure function of the machine.

use std::os::fd::RawFd;

use super::super::{DiskAccess, MachineSpec, kernel};
use crate::isolation::Isolation;

/// The descriptors that QEMU gets, by number.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) begin: Begin,
    /// Whether the guest's memory is the file that opening [`MEMORY`] gives.
    pub(super) has_memory_file: bool,
    pub(super) console: RawFd,
    pub(super) channel: RawFd,
    pub(super) monitor: RawFd,
    pub(super) disks: Vec<(RawFd, DiskAccess)>,
}

/// What the guest begins with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begin {
    /// Its kernel's entry.
    Kernel { kernel: RawFd, initramfs: RawFd },
    /// The state that another machine of the same make was saved in.
    Saved { devices: RawFd },
}

/// Where QEMU opens the file of the guest's memory; there is no such path.
pub(super) const MEMORY: &str = "/pyro/memory";

/// The id of the character device that carries the agent's byte stream.
pub(super) const CHANNEL: &str = "agent";

/// An emulated processor.
///
/// Without `erms`, "enhanced `rep movsb`": a guest that sees it copies and clears all memory by single instructions that
/// repeat themselves byte by byte, and an emulator does take byte by byte. That was half of all that a short run executes.
const EMULATED_PROCESSOR: &str = "max,erms=off";

/// What the kernel of an emulated guest leaves out: each of them is code that runs all the time, and has to be
/// translated in every restored machine.
const EMULATED_KERNEL: [&str; 7] = [
    // Against attacks on CPUs that an emulator does not emulate.
    "mitigations=off",
    // An emulator translates a library again for each address at which it finds it. Without this, every new process
    // would have the C library translated for itself, which takes several times as long as what it does with it.
    "norandmaps",
    // Clearing whatever the kernel allocates, against its own mistakes; nobody else's data is in the machine.
    "init_on_alloc=0",
    // Accounts of waiting that nobody reads.
    "psi=0",
    // Accounts of kernel memory, for limits that no command has; and groups for fairness between terminals.
    "cgroup.memory=nokmem",
    "noautogroup",
    // Of the security modules those that programs use by themselves; for the others no policy is ever loaded.
    "lsm=landlock,yama",
];

/// Everything after the program's name.
pub(super) fn arguments(spec: &MachineSpec, parts: &Parts) -> Vec<String> {
    let mut list = Arguments::default();
    list.flag("-nodefaults")
        .flag("-no-user-config")
        .flag("-no-reboot");
    list.pair("-display", "none");
    list.pair("-name", format!("pyro-{}", spec.vm_id));
    list.pair(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    processor(&mut list, spec);
    memory(&mut list, spec, parts);
    match parts.begin {
        Begin::Kernel { kernel, initramfs } => {
            list.pair("-kernel", format!("/proc/self/fd/{kernel}"));
            list.pair("-initrd", format!("/proc/self/fd/{initramfs}"));
            list.pair("-append", kernel_command_line(spec));
        }
        Begin::Saved { .. } => {
            list.pair("-incoming", "defer");
        }
    }
    stream(&mut list, "console", parts.console);
    list.pair("-serial", "chardev:console");
    stream(&mut list, "monitor", parts.monitor);
    list.pair("-mon", "chardev=monitor,mode=control");
    for (index, (descriptor, access)) in parts.disks.iter().enumerate() {
        disk(&mut list, index, *descriptor, *access);
    }
    list.pair("-device", "virtio-serial-pci,max_ports=2");
    stream(&mut list, CHANNEL, parts.channel);
    list.pair(
        "-device",
        format!("virtserialport,chardev={CHANNEL},name={}", pyro_proto::PORT_NAME),
    );
    list.0
}

fn processor(list: &mut Arguments, spec: &MachineSpec) {
    let machine = "pc,graphics=off,vmport=off,usb=off,hpet=off";
    match spec.isolation {
        Isolation::Hardware => {
            list.pair("-machine", format!("{machine},accel=kvm"))
                .pair("-cpu", "host");
        }
        Isolation::Emulated | Isolation::Host => {
            // One thread a virtual CPU; translated code is cached up to the given size, in MiB.
            list.pair("-machine", machine)
                .pair("-accel", "tcg,thread=multi,tb-size=256")
                .pair("-cpu", EMULATED_PROCESSOR);
        }
    }
    list.pair("-smp", spec.resources.vcpu_count().to_string());
}

fn memory(list: &mut Arguments, spec: &MachineSpec, parts: &Parts) {
    let size = spec.resources.mem_mib();
    list.pair("-m", format!("{size}M"));
    if !parts.has_memory_file {
        return;
    }
    // Shared, the guest's memory ends up in the file; private, it begins as what is there.
    let share = match parts.begin {
        Begin::Kernel { .. } => "on",
        Begin::Saved { .. } => "off",
    };
    list.pair(
        "-object",
        format!("memory-backend-file,id=memory,size={size}M,mem-path={MEMORY},share={share}"),
    );
    list.pair("-machine", "memory-backend=memory");
}

fn kernel_command_line(spec: &MachineSpec) -> String {
    // A reboot, which is how the agent ends the VM, is a triple fault; the timer is as good as QEMU says.
    let mut words = vec!["reboot=t", "no_timer_check", "pyro.bus=pci"];
    if spec.isolation == Isolation::Emulated {
        words.extend(EMULATED_KERNEL);
    }
    kernel::command_line(spec, &words)
}

fn disk(list: &mut Arguments, index: usize, descriptor: RawFd, access: DiskAccess) {
    list.pair("-add-fd", format!("fd={descriptor},set={index}"));
    let options = match access {
        DiskAccess::ReadOnly => "read-only=on",
        DiskAccess::Scratch => "read-only=off,cache.no-flush=on,discard=unmap,detect-zeroes=unmap",
        DiskAccess::Kept => "read-only=off,discard=unmap,detect-zeroes=unmap",
    };
    // The descriptor's owner holds what locks there are.
    list.pair(
        "-blockdev",
        format!(
            "driver=raw,node-name=disk{index},{options},file.driver=file,file.filename=/dev/fdset/{index},file.locking=off"
        ),
    );
    // By default the machine would be stopped when the host's disk is full, and nobody would start it again.
    let errors = match access {
        DiskAccess::ReadOnly => "",
        DiskAccess::Scratch | DiskAccess::Kept => ",werror=report",
    };
    list.pair("-device", format!("virtio-blk-pci,drive=disk{index}{errors}"));
}

fn stream(list: &mut Arguments, id: &str, descriptor: RawFd) {
    list.pair("-chardev", format!("socket,id={id},fd={descriptor}"));
}

#[derive(Debug, Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn flag(&mut self, flag: &str) -> &mut Self {
        self.0.push(flag.to_owned());
        self
    }

    fn pair(&mut self, flag: &str, value: impl Into<String>) -> &mut Self {
        self.0.push(flag.to_owned());
        self.0.push(value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::spec;
    use super::*;

    const KERNEL: Begin = Begin::Kernel {
        kernel: 3,
        initramfs: 4,
    };

    fn command_line(isolation: Isolation, begin: Begin, has_memory_file: bool) -> String {
        let spec = spec(isolation);
        let disks = vec![(8, DiskAccess::ReadOnly), (9, DiskAccess::Scratch)];
        let parts = Parts {
            begin,
            has_memory_file,
            console: 5,
            channel: 6,
            monitor: 7,
            disks,
        };
        arguments(&spec, &parts).join(" ")
    }

    #[test]
    fn a_machine_has_its_size_and_no_network() {
        let line = command_line(Isolation::Emulated, KERNEL, false);
        assert!(line.contains("-smp 2") && line.contains("-m 512M"), "{line}");
        assert!(
            line.contains("-accel tcg") && line.contains("pyro.nonce=00ff"),
            "{line}"
        );
        assert!(
            line.contains(" norandmaps ") && line.contains("-cpu max,erms=off "),
            "{line}"
        );
        assert!(line.contains("-nodefaults") && !line.contains("net"), "{line}");
    }

    #[test]
    fn the_image_is_read_only_and_no_path_of_the_users_is_named() {
        let line = command_line(Isolation::Hardware, KERNEL, false);
        assert!(line.contains("node-name=disk0,read-only=on"), "{line}");
        assert!(line.contains("accel=kvm") && line.contains("-cpu host"), "{line}");
        assert!(
            !line.contains("norandmaps") && !line.contains("mitigations"),
            "{line}"
        );
        assert!(
            !line.contains("/k ") && line.contains("-kernel /proc/self/fd/3"),
            "{line}"
        );
    }

    #[test]
    fn only_a_machine_that_is_saved_writes_to_the_file_of_its_memory() {
        let saved = command_line(Isolation::Emulated, KERNEL, true);
        assert!(saved.contains("mem-path=/pyro/memory,share=on"), "{saved}");
        let begin = Begin::Saved { devices: 10 };
        let restored = command_line(Isolation::Emulated, begin, true);
        assert!(restored.contains("mem-path=/pyro/memory,share=off"), "{restored}");
        assert!(
            restored.contains("-incoming defer") && !restored.contains("-kernel"),
            "{restored}"
        );
    }
}
