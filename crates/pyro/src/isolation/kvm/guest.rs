//! The guest of the probe, and the thread that runs it.
//!
//! The guest is 64-bit code in long mode with identity-mapped memory, as a kernel is: a two-instruction loop, cut
//! into slices that each end with a write to a port, so that the host looks at the clock in between. An entry that
//! never comes back is ended by a signal that the thread blocks and KVM does not: KVM_RUN then returns `EINTR` and no
//! handler runs, so nothing of the process that uses the library is disturbed.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kvm_bindings::{kvm_regs, kvm_segment};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use vmm_sys_util::signal::{Killable, block_signal};

use super::pace::{Pace, SLICE, too_slow};
use super::{KvmVerdict, Speed};
use crate::sys::{GuestMemory, interrupt_entries_by};

/// How long the guest is waited for at most. The bound on its processor time ends it earlier wherever it comes back.
const WALL_BOUND: Duration = Duration::from_millis(80);

/// How long it is waited for in a second trial, if the first was over too soon.
const SECOND_WALL_BOUND: Duration = Duration::from_millis(500);

/// How long an interrupted entry is given to end. Only a fault of the host's kernel can use it up.
const INTERRUPT_BOUND: Duration = Duration::from_millis(500);

/// The signal that ends an entry; ignored by default, so harmless wherever it arrives.
const INTERRUPT: Signal = Signal::URG;

/// The port that the guest writes to.
const PORT: u8 = 0x10;

/// The guest's memory: page tables and code in the first 64 KiB.
const MEMORY: usize = 0x1_0000;
const PML4: u16 = 0x1000;
const PDPT: u16 = 0x2000;
const PD: u16 = 0x3000;
const CODE: u16 = 0x4000;

/// What became of the guest.
#[derive(Debug)]
enum Ran {
    /// It counted until its speed was known.
    Counted(Speed),
    /// An entry was broken off.
    Interrupted {
        /// How fast it had been by then.
        speed: Speed,
        /// Whether it had counted enough to be judged.
        had_its_chance: bool,
        /// How long it had been waited for.
        waited: Duration,
    },
    /// There was no VM.
    NotCreated(String),
    /// It could not be entered, or did what it never should.
    Failed(String),
}

/// Runs the probe's guest on an open `/dev/kvm` and judges how it went.
pub(super) fn judge(open: impl Fn() -> io::Result<Kvm>) -> KvmVerdict {
    let mut ran = Ran::Failed("not tried".to_owned());
    for bound in [WALL_BOUND, SECOND_WALL_BOUND] {
        ran = match open() {
            Ok(kvm) => run_within(kvm, bound),
            Err(error) => Ran::NotCreated(format!("open: {error}")),
        };
        if !starved(&ran) {
            break;
        }
    }
    verdict(ran)
}

/// Whether the trial says more about the host's load than about KVM: it was over before there was anything to judge.
fn starved(ran: &Ran) -> bool {
    match ran {
        Ran::Interrupted { had_its_chance, .. } => !had_its_chance,
        Ran::Counted(_) | Ran::NotCreated(_) | Ran::Failed(_) => false,
    }
}

fn verdict(ran: Ran) -> KvmVerdict {
    match ran {
        Ran::Counted(speed) | Ran::Interrupted { speed, .. } if too_slow(speed) => KvmVerdict::TooSlow(speed),
        Ran::Counted(speed) => KvmVerdict::Works(speed),
        Ran::Interrupted { waited, .. } => KvmVerdict::NoProgress {
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        },
        Ran::NotCreated(cause) => KvmVerdict::CreatesNoVm { cause },
        Ran::Failed(cause) => KvmVerdict::EntryFailed { cause },
    }
}

/// Runs the guest in a thread of its own and sees to it that the thread ends.
fn run_within(kvm: Kvm, bound: Duration) -> Ran {
    let started = Instant::now();
    let (sender, receiver) = mpsc::channel();
    let spawned = thread::Builder::new()
        .name("pyro-kvm-probe".to_owned())
        .spawn(move || {
            // The receiver is gone only if the thread was given up.
            drop(sender.send(run(&kvm, started)));
        });
    let Ok(thread) = spawned else {
        return Ran::Failed("no thread to run it in".to_owned());
    };
    let ran = match receiver.recv_timeout(bound) {
        Ok(ran) => Some(ran),
        Err(RecvTimeoutError::Timeout) => interrupt(&thread, &receiver),
        Err(RecvTimeoutError::Disconnected) => None,
    };
    let Some(ran) = ran else {
        return Ran::Failed("an entry that even a signal does not end".to_owned());
    };
    match thread.join() {
        Ok(()) => ran,
        Err(_) => Ran::Failed("its thread panicked".to_owned()),
    }
}

/// Ends an entry that lasts. The signal is repeated because the thread may not have blocked it yet.
fn interrupt(thread: &JoinHandle<()>, receiver: &Receiver<Ran>) -> Option<Ran> {
    let step = Duration::from_millis(5);
    let steps = INTERRUPT_BOUND.as_millis() / step.as_millis();
    (0..steps).find_map(|_| {
        // A thread that has ended meanwhile cannot be signalled, and has sent its result.
        let _already_gone = thread.kill(INTERRUPT.as_raw());
        receiver.recv_timeout(step).ok()
    })
}

fn run(kvm: &Kvm, started: Instant) -> Ran {
    let mut machine = match Machine::create(kvm) {
        Ok(machine) => machine,
        Err((step, error)) => return Ran::NotCreated(format!("{step}: {error}")),
    };
    let mut pace = Pace::default();
    let (mut began, mut cpu_before) = (Instant::now(), thread_cpu_time());
    while !pace.is_decided() {
        let exit = machine.enter();
        let (ended, cpu_now) = (Instant::now(), thread_cpu_time());
        match exit {
            Ok(()) => pace.add(ended - began, cpu_now.saturating_sub(cpu_before)),
            Err(Entry::Interrupted) => {
                return Ran::Interrupted {
                    speed: pace.speed(),
                    had_its_chance: pace.had_its_chance(),
                    waited: started.elapsed(),
                };
            }
            Err(Entry::Failed(cause)) => return Ran::Failed(cause),
        }
        (began, cpu_before) = (ended, cpu_now);
    }
    Ran::Counted(pace.speed())
}

/// The thread's processor time, guest included: a host that is busy with other things makes no guest "too slow".
fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanoseconds)
}

/// Why an entry did not end with the guest's write to its port.
enum Entry {
    Interrupted,
    Failed(String),
}

/// A VM with one CPU, ready to count.
struct Machine {
    vcpu: VcpuFd,
    // The VM before its memory, which must outlive it.
    _vm: VmFd,
    _memory: GuestMemory,
}

type Step<T> = Result<T, (&'static str, io::Error)>;

impl Machine {
    fn create(kvm: &Kvm) -> Step<Self> {
        // Already blocked is as good.
        drop(block_signal(INTERRUPT.as_raw()));
        let vm = kvm.create_vm().map_err(step("create VM"))?;
        let mut memory = GuestMemory::new(MEMORY).map_err(|error| ("map memory", error))?;
        load(&mut memory);
        memory.give_to(&vm).map_err(|error| ("give it memory", error))?;
        let vcpu = vm.create_vcpu(0).map_err(step("create CPU"))?;
        let signal = u8::try_from(INTERRUPT.as_raw()).expect("signal numbers are small");
        interrupt_entries_by(&vcpu, signal).map_err(|error| ("set signal mask", error))?;
        set_long_mode(&vcpu).map_err(step("set registers"))?;
        Ok(Self {
            vcpu,
            _vm: vm,
            _memory: memory,
        })
    }

    /// Lets the guest run one slice.
    fn enter(&mut self) -> Result<(), Entry> {
        match self.vcpu.run() {
            Ok(VcpuExit::IoOut(port, _)) if port == u16::from(PORT) => Ok(()),
            Ok(exit) => Err(Entry::Failed(format!("unexpected exit {exit:?}"))),
            Err(error) => match io::Error::from(error) {
                error if error.kind() == io::ErrorKind::Interrupted => Err(Entry::Interrupted),
                error => Err(Entry::Failed(format!("entry failed: {error}"))),
            },
        }
    }
}

fn step(name: &'static str) -> impl Fn(kvm_ioctls::Error) -> (&'static str, io::Error) {
    move |error| (name, error.into())
}

/// Writes page tables that map the first 2 MiB onto themselves, and the code.
fn load(memory: &mut GuestMemory) {
    const PRESENT_WRITABLE: u64 = 0b11;
    const LARGE: u64 = 1 << 7;
    let entry = |table: u16, value: u64| (usize::from(table), value.to_le_bytes());
    for (at, bytes) in [
        entry(PML4, u64::from(PDPT) | PRESENT_WRITABLE),
        entry(PDPT, u64::from(PD) | PRESENT_WRITABLE),
        entry(PD, PRESENT_WRITABLE | LARGE),
    ] {
        memory.write(at, &bytes);
    }
    memory.write(usize::from(CODE), &code());
}

/// Counts down, tells the host, begins again.
fn code() -> [u8; 13] {
    let [a, b, c, d] = u32::try_from(SLICE / 2).expect("a slice is short").to_le_bytes();
    [
        0xb9, a, b, c, d, // mov ecx, SLICE / 2
        0xff, 0xc9, // 1: dec ecx
        0x75, 0xfc, // jnz 1b
        0xe6, PORT, // out PORT, al
        0xeb, 0xf3, // jmp to the start
    ]
}

/// Puts the CPU into long mode at the code's start.
fn set_long_mode(vcpu: &VcpuFd) -> Result<(), kvm_ioctls::Error> {
    const CR0_PE_ET_NE_PG: u64 = 0x8000_0031;
    const CR4_PAE: u64 = 0x20;
    const EFER_LME_LMA: u64 = 0x500;
    let segment = |selector, type_, long| kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_,
        present: 1,
        db: 1 - long,
        s: 1,
        l: long,
        g: 1,
        ..kvm_segment::default()
    };
    let mut system = vcpu.get_sregs()?;
    system.cs = segment(0x08, 11, 1);
    let data = segment(0x10, 3, 0);
    (system.ds, system.es, system.ss, system.fs, system.gs) = (data, data, data, data, data);
    system.cr3 = u64::from(PML4);
    system.cr4 = CR4_PAE;
    system.cr0 = CR0_PE_ET_NE_PG;
    system.efer = EFER_LME_LMA;
    vcpu.set_sregs(&system)?;
    vcpu.set_regs(&kvm_regs {
        rip: u64::from(CODE),
        rsp: u64::from(CODE),
        rflags: 2,
        ..kvm_regs::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(instructions: u64, cpu_us: u64) -> Speed {
        Speed { instructions, cpu_us }
    }

    fn interrupted(instructions: u64, cpu_us: u64) -> Ran {
        Ran::Interrupted {
            speed: speed(instructions, cpu_us),
            had_its_chance: false,
            waited: WALL_BOUND,
        }
    }

    #[test]
    fn the_speed_decides() {
        assert!(verdict(Ran::Counted(speed(4_000, 900))).works());
        assert!(matches!(
            verdict(Ran::Counted(speed(4_000, 3_100))),
            KvmVerdict::TooSlow(_)
        ));
    }

    #[test]
    fn an_entry_without_end_is_no_progress_or_slowness() {
        assert_eq!(
            verdict(interrupted(0, 79_000)),
            KvmVerdict::NoProgress { waited_ms: 80 }
        );
        assert!(matches!(
            verdict(interrupted(8_000, 40_000)),
            KvmVerdict::TooSlow(_)
        ));
        assert!(matches!(
            verdict(interrupted(8_000, 1_000)),
            KvmVerdict::NoProgress { .. }
        ));
    }

    #[test]
    fn a_trial_that_was_over_too_soon_is_repeated() {
        // An emulated host may translate for longer than the first trial lasts.
        assert!(starved(&interrupted(0, 60_000)));
        assert!(starved(&interrupted(4_000, 6_000)));
        assert!(!starved(&Ran::Counted(speed(4_000, 3_100))));
        assert!(!starved(&Ran::Failed(String::new())));
    }

    #[test]
    fn an_entry_that_never_ends_is_ended_by_the_signal() {
        let Ok(kvm) = Kvm::new() else {
            return;
        };
        // `jmp .`: the guest never comes back of its own accord.
        let started = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut machine = Machine::create(&kvm).expect("KVM that opens creates a VM");
            machine._memory.write(usize::from(CODE), &[0xeb, 0xfe]);
            let ended = matches!(machine.enter(), Err(Entry::Interrupted));
            sender
                .send(if ended {
                    interrupted(0, 0)
                } else {
                    Ran::Failed(String::new())
                })
                .unwrap();
        });
        receiver.recv_timeout(WALL_BOUND).unwrap_err();
        let ran = interrupt(&thread, &receiver);
        thread.join().unwrap();
        assert!(matches!(ran, Some(Ran::Interrupted { .. })), "{ran:?}");
        assert!(started.elapsed() < Duration::from_millis(400));
    }
}
