//! Ids, capabilities and the `prctl(2)` switches, for the calling thread alone.

use core::ffi::CStr;

use super::abi::{self, CapData, CapHeader};
use super::raw::{Outcome, call, narrow};
use crate::types::CapSet;

/// `setgroups(2)`, raw: of this thread, where libc's function walks every thread of the process.
pub(crate) fn setgroups(gids: &[u32]) -> Outcome {
    // SAFETY: `gids` is readable for as many ids as are announced, and the kernel only reads them.
    unsafe { call!(setgroups, gids.len(), gids.as_ptr()) }.map(drop)
}

/// `setresgid(2)` with one id for all three, raw: of this thread.
pub(crate) fn setresgid(gid: u32) -> Outcome {
    // SAFETY: takes numbers; credentials are the calling task's own and no memory is touched.
    unsafe { call!(setresgid, gid, gid, gid) }.map(drop)
}

/// `setresuid(2)` with one id for all three, raw: of this thread.
pub(crate) fn setresuid(uid: u32) -> Outcome {
    // SAFETY: takes numbers; credentials are the calling task's own. It may make the memory descriptor non-dumpable,
    // which `apply` puts back when that is shared with the launcher.
    unsafe { call!(setresuid, uid, uid, uid) }.map(drop)
}

/// `capset(2)`, version 3: all three sets at once.
pub(crate) fn capset(effective: CapSet, permitted: CapSet, inheritable: CapSet) -> Outcome {
    let header = CapHeader { version: abi::LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let half = |shift: u32| CapData {
        effective: word(effective, shift),
        permitted: word(permitted, shift),
        inheritable: word(inheritable, shift),
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 reads one header and two data structures, which is what these are; both are borrowed for
    // the call.
    unsafe { call!(capset, &raw const header, data.as_ptr()) }.map(drop)
}

/// `capget(2)`, version 3: the permitted set.
pub(crate) fn permitted() -> Outcome<CapSet> {
    let header = CapHeader { version: abi::LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let half = || CapData { effective: 0, permitted: 0, inheritable: 0 };
    let mut data = [half(), half()];
    // SAFETY: version 3 reads one header, which is not written as the version is known, and fills two data structures;
    // all are ours for the call.
    unsafe { call!(capget, &raw const header, data.as_mut_ptr()) }?;
    Ok(CapSet::from_bits(u64::from(data[1].permitted) << 32 | u64::from(data[0].permitted)))
}

fn word(set: CapSet, shift: u32) -> u32 {
    let bytes = (set.bits() >> shift).to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn prctl(option: u32, a: u32, b: u32) -> Outcome<usize> {
    // SAFETY: private to this file, whose options all take numbers and never an address.
    unsafe { call!(prctl, option, a, b, 0_u32, 0_u32) }
}

/// `prctl(PR_CAPBSET_DROP)`; `EINVAL` for a capability that the kernel does not know.
pub(crate) fn drop_bounding(capability: u8) -> Outcome {
    prctl(abi::PR_CAPBSET_DROP, u32::from(capability), 0).map(drop)
}

/// `prctl(PR_SET_KEEPCAPS)`.
pub(crate) fn keep_capabilities() -> Outcome {
    prctl(abi::PR_SET_KEEPCAPS, 1, 0).map(drop)
}

/// `prctl(PR_CAP_AMBIENT_CLEAR_ALL)` (Linux 4.3).
pub(crate) fn clear_ambient() -> Outcome {
    prctl(abi::PR_CAP_AMBIENT, abi::PR_CAP_AMBIENT_CLEAR_ALL, 0).map(drop)
}

/// `prctl(PR_CAP_AMBIENT_RAISE)` (Linux 4.3).
pub(crate) fn raise_ambient(capability: u8) -> Outcome {
    let (option, raise) = (abi::PR_CAP_AMBIENT, abi::PR_CAP_AMBIENT_RAISE);
    prctl(option, raise, u32::from(capability)).map(drop)
}

/// `prctl(PR_SET_NO_NEW_PRIVS)` (Linux 3.5).
pub(crate) fn no_new_privileges() -> Outcome {
    prctl(abi::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// `prctl(PR_SET_PDEATHSIG)`: the signal this process gets when the *thread* that cloned it ends.
pub(crate) fn set_death_signal(signal: u8) -> Outcome {
    prctl(abi::PR_SET_PDEATHSIG, u32::from(signal), 0).map(drop)
}

/// `prctl(PR_GET_PDEATHSIG)`: 0 for none.
pub(crate) fn death_signal() -> Outcome<u8> {
    let mut signal = 0_i32;
    // SAFETY: the kernel writes one `int` to the address given, which is a local of this function.
    unsafe { call!(prctl, abi::PR_GET_PDEATHSIG, &raw mut signal, 0_u32, 0_u32, 0_u32) }?;
    Ok(u8::try_from(signal).unwrap_or(0))
}

/// `prctl(PR_GET_DUMPABLE)`.
pub(crate) fn dumpable() -> Outcome<i32> {
    prctl(abi::PR_GET_DUMPABLE, 0, 0).map(|answer| narrow(answer.cast_signed()))
}

/// `prctl(PR_SET_DUMPABLE)`; the kernel takes 0 and 1.
pub(crate) fn set_dumpable(value: i32) -> Outcome {
    prctl(abi::PR_SET_DUMPABLE, value.cast_unsigned(), 0).map(drop)
}

/// `prctl(PR_SET_NAME)`: what `ps` calls this process; 15 bytes count.
pub(crate) fn set_name(name: &CStr) -> Outcome {
    // SAFETY: `name` is NUL-terminated, and the kernel reads up to that or 16 bytes.
    unsafe { call!(prctl, abi::PR_SET_NAME, name, 0_u32, 0_u32, 0_u32) }.map(drop)
}
