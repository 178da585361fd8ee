//! The few system calls that the compiler cannot check.

#![expect(
    unsafe_code,
    reason = "a guest's memory and the signal mask of a vCPU have no safe interface"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{VcpuFd, VmFd};
use rustix::ioctl::{self, Setter, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Zeroed memory that a guest may be given, at guest address 0.
#[derive(Debug)]
pub(crate) struct GuestMemory {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is owned by this value alone and is not tied to a thread.
unsafe impl Send for GuestMemory {}

impl GuestMemory {
    /// Maps `len` bytes, a multiple of the page size.
    ///
    /// # Errors
    /// If the kernel has no memory to give (mmap(2)).
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        // SAFETY: a private anonymous mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len })
    }

    /// Copies bytes to a guest address. The guest must not run meanwhile.
    pub(crate) fn write(&mut self, address: usize, bytes: &[u8]) {
        let end = address
            .checked_add(bytes.len())
            .expect("a guest address is small");
        assert!(end <= self.len, "the write lies within the mapping");
        // SAFETY: `address` lies within the mapping, by the assertion.
        let target = unsafe { self.start.as_ptr().add(address) };
        // SAFETY: the target range lies within a writable mapping that nothing else borrows.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    }

    /// Gives the memory to a VM, in slot 0. The value must outlive the last entry into the guest.
    ///
    /// # Errors
    /// What the kernel answered to `KVM_SET_USER_MEMORY_REGION`.
    pub(crate) fn give_to(&self, vm: &VmFd) -> io::Result<()> {
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: u64::try_from(self.len).expect("a length fits 64 bits"),
            userspace_addr: u64::try_from(self.start.as_ptr().addr()).expect("an address fits 64 bits"),
        };
        // SAFETY: the region is mapped, and stays so until this value is dropped, after the last entry.
        unsafe { vm.set_user_memory_region(region) }.map_err(io::Error::from)
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own and no reference to it remains.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "an own mapping can be unmapped");
    }
}

/// `struct kvm_signal_mask` with the kernel's 64-bit signal set in place of its flexible array.
#[repr(C)]
struct SignalMask {
    len: u32,
    blocked: [u8; 8],
}

/// `KVM_SET_SIGNAL_MASK`; its number is made with the size of the structure's fixed part.
const SET_SIGNAL_MASK: ioctl::Opcode = opcode::write::<u32>(0xAE, 0x8B);

/// Lets one signal, and no other, interrupt the vCPU's entries into the guest (`KVM_SET_SIGNAL_MASK`).
///
/// If the thread blocks that signal, an entry ends with `EINTR` when it is pending, and no handler runs.
///
/// # Errors
/// What the kernel answered.
pub(crate) fn interrupt_entries_by(vcpu: &VcpuFd, signal: u8) -> io::Result<()> {
    assert!((1..=64).contains(&signal), "a signal number");
    let mask = SignalMask {
        len: 8,
        blocked: (!(1_u64 << (signal - 1))).to_ne_bytes(),
    };
    // SAFETY: the descriptor stays open while `vcpu` is borrowed.
    let descriptor = unsafe { BorrowedFd::borrow_raw(vcpu.as_raw_fd()) };
    // SAFETY: the number and the layout are those of KVM_SET_SIGNAL_MASK, which only reads the structure.
    let request = unsafe { Setter::<SET_SIGNAL_MASK, SignalMask>::new(mask) };
    // SAFETY: the descriptor is a vCPU's, as the request wants.
    unsafe { ioctl::ioctl(descriptor, request) }?;
    Ok(())
}
