//! The kernel becomes one whose security module forbids new user namespaces, as AppArmor and SELinux policies do.
//!
//! A BPF program on the hook `userns_create` (Linux 6.1, `lsm=…,bpf`) answers `EPERM`. It stays for as long as its pin in
//! the BPF file system.

use std::ffi::CString;
use std::fs;

const HOOK: &str = "bpf_lsm_userns_create";

// Numbers of `linux/bpf.h` and `linux/btf.h`.
const PROG_LOAD: libc::c_long = 5;
const OBJ_PIN: libc::c_long = 6;
const RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const PROG_TYPE_LSM: u32 = 29;
const LSM_MAC: u32 = 27;
const KIND_FUNC: u32 = 12;

pub fn deny_userns(pin: &str) -> Result<(), String> {
    let btf = fs::read("/sys/kernel/btf/vmlinux")
        .map_err(|error| format!("/sys/kernel/btf/vmlinux: {error}"))?;
    let id = function(&btf, HOOK).ok_or_else(|| format!("no hook `{HOOK}` in this kernel"))?;
    // r0 = -EPERM; exit
    let program: [u64; 2] = [0xb7 | (u64::from(-libc::EPERM as u32) << 32), 0x95];
    let licence = CString::new("GPL").unwrap_or_default();
    // `bpf_attr` of BPF_PROG_LOAD, word by word up to `attach_btf_id`, which is at byte 108.
    let mut load = [0u32; 30];
    let put = |load: &mut [u32; 30], at: usize, value: u64| {
        load[at] = value as u32;
        load[at + 1] = (value >> 32) as u32;
    };
    (load[0], load[1]) = (PROG_TYPE_LSM, program.len() as u32);
    put(&mut load, 2, program.as_ptr() as u64);
    put(&mut load, 4, licence.as_ptr() as u64);
    load[17] = LSM_MAC;
    load[27] = id;
    let program = bpf(PROG_LOAD, &load)?;
    // `raw_tracepoint`: no name, the program. The descriptor is a link.
    let link = bpf(RAW_TRACEPOINT_OPEN, &[0, 0, program as u32, 0])?;
    let path = CString::new(pin).map_err(|error| error.to_string())?;
    let mut object = [0u32; 4];
    let address = path.as_ptr() as u64;
    (object[0], object[1], object[2]) = (address as u32, (address >> 32) as u32, link as u32);
    bpf(OBJ_PIN, &object).map(drop)
}

fn bpf(command: libc::c_long, attributes: &[u32]) -> Result<libc::c_long, String> {
    let size = size_of_val(attributes);
    // SAFETY: `attributes` are as long as `size` says, and what they point to lives in the caller through the call, which
    // copies all of it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size) };
    if result < 0 {
        Err(format!("bpf({command}): {}", std::io::Error::last_os_error()))
    } else {
        Ok(result)
    }
}

/// The number of a function in the kernel's BTF: types are numbered from 1 in the order of their section.
fn function(btf: &[u8], wanted: &str) -> Option<u32> {
    let word = |at: usize| Some(u32::from_le_bytes(btf.get(at..at + 4)?.try_into().ok()?));
    let header = word(4)? as usize;
    let (types, size) = (header + word(8)? as usize, word(12)? as usize);
    let strings = header + word(16)? as usize;
    let (mut at, mut id) = (types, 1);
    while at < types + size {
        let (name, info) = (strings + word(at)? as usize, word(at + 4)?);
        let (kind, count) = (info >> 24 & 0x1f, info as usize & 0xffff);
        let text = btf.get(name..)?.split(|&byte| byte == 0).next()?;
        if kind == KIND_FUNC && text == wanted.as_bytes() {
            return Some(id);
        }
        at += 12
            + match kind {
                1 | 14 | 17 => 4,              // INT, VAR, DECL_TAG
                3 => 12,                       // ARRAY
                4 | 5 | 15 | 19 => count * 12, // STRUCT, UNION, DATASEC, ENUM64
                6 | 13 => count * 8,           // ENUM, FUNC_PROTO
                _ => 0,
            };
        id += 1;
    }
    None
}
