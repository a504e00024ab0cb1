//! `bpf(2)`: a device program is loaded and attached to a cgroup.

use core::ffi::CStr;

use super::abi;
use super::fd::{Fd, Handle};
use super::raw::{Outcome, Word, call};
use crate::types::Errno;

/// The members of `union bpf_attr` that `BPF_PROG_LOAD` reads here.
#[repr(C)]
#[derive(Debug, Default)]
struct Load {
    program_type: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// The members that `BPF_PROG_ATTACH` reads.
#[repr(C)]
#[derive(Debug, Default)]
struct Attach {
    target: i32,
    program: i32,
    attach_type: u32,
    flags: u32,
}

/// Loads a device program and attaches it to a v2 directory, which keeps it.
pub(crate) fn police(directory: Fd, instructions: &[[u8; 8]]) -> Outcome {
    let program = load_device_program(instructions)?;
    attach_device_program(directory, program.fd())
}

/// `BPF_PROG_LOAD` of a device program (Linux 4.15); each instruction is a `struct bpf_insn` in memory order.
fn load_device_program(instructions: &[[u8; 8]]) -> Outcome<Handle> {
    const LICENSE: &CStr = c"Apache-2.0";
    let Ok(count) = u32::try_from(instructions.len()) else {
        return Err(super::Fault::new(super::Sysno::bpf, Errno(7)));
    };
    let attr = Load {
        program_type: abi::BPF_PROG_TYPE_CGROUP_DEVICE,
        count,
        instructions: wide(instructions.as_ptr()),
        license: wide(LICENSE.as_ptr()),
        ..Load::default()
    };
    // SAFETY: `attr` begins as `union bpf_attr` does for this command and its size is told; it holds the addresses
    // of as many 8-byte instructions as it announces and of a static string, all only read during the call. What
    // the kernel then runs it has verified itself.
    unsafe { call!(bpf, abi::BPF_PROG_LOAD, &raw const attr, size_of::<Load>()) }
        .map(Handle::opened)
}

/// `BPF_PROG_ATTACH` of it to a v2 directory, beside those of the directories above.
fn attach_device_program(directory: Fd, program: Fd) -> Outcome {
    let attr = Attach {
        target: directory.0,
        program: program.0,
        attach_type: abi::BPF_CGROUP_DEVICE,
        flags: abi::BPF_F_ALLOW_MULTI,
    };
    // SAFETY: `attr` is what this command reads of `union bpf_attr`, holds no address, and its size is told.
    unsafe { call!(bpf, abi::BPF_PROG_ATTACH, &raw const attr, size_of::<Attach>()) }.map(drop)
}

fn wide<T>(pointer: *const T) -> u64 {
    u64::from_ne_bytes(pointer.word().to_ne_bytes())
}
