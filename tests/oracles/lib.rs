//! A profile → the program that libseccomp makes of it, as runc and crun ask it to.
#![allow(missing_docs, reason = "a helper of the tests and the benchmark beside it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::{FromRawFd as _, OwnedFd};

use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};
use nsplan::config::{Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator};
use nsplan::plan::seccomp::{FilterInstruction, audit_arch};

/// A filter for exactly these architectures, with the profile's default and without its rules.
pub fn context(profile: &Seccomp, arches: &[SeccompArch]) -> ScmpFilterContext {
    let mut context = ScmpFilterContext::new(scmp_action(profile.default_action)).unwrap();
    context.set_act_badarch(ScmpAction::KillThread).unwrap();
    // The machine's own may be of the wrong endianness.
    context.remove_arch(ScmpArch::Native).unwrap();
    for &arch in arches {
        context.add_arch(scmp_arch(arch).unwrap()).unwrap();
    }
    context
}

/// For x86-64 and the architectures that the profile names.
pub fn context_here(profile: &Seccomp) -> ScmpFilterContext {
    let mut arches = vec![SeccompArch::X86_64];
    arches.extend(profile.architectures.iter().filter(|arch| **arch != SeccompArch::X86_64));
    context(profile, &arches)
}

/// Adds the profile's rules.
pub fn add_rules(context: &mut ScmpFilterContext, profile: &Seccomp) {
    for rule in profile.rules.iter().filter(|rule| rule.action != profile.default_action) {
        let action = scmp_action(rule.action);
        let comparators: Vec<_> = rule.args.iter().map(scmp_compare).collect();
        let repeats =
            |arg: &SeccompArg| rule.args.iter().filter(|o| o.index == arg.index).count() > 1;
        let is_split = rule.args.iter().any(repeats);
        for name in &rule.names {
            let Ok(call) = ScmpSyscall::from_name(name) else { continue };
            if is_split {
                for one in &comparators {
                    context.add_rule_conditional(action, call, &[*one]).unwrap();
                }
            } else if comparators.is_empty() {
                context.add_rule(action, call).unwrap();
            } else {
                context.add_rule_conditional(action, call, &comparators).unwrap();
            }
        }
    }
}

/// The program of a filter whose architectures have the byte order of `arch`, in which it is exported.
pub fn export(context: &ScmpFilterContext, arch: SeccompArch) -> Vec<FilterInstruction> {
    let mut file = file_in_memory();
    context.export_bpf(&file).unwrap();
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let is_big = audit_arch(arch) & LITTLE == 0;
    bytes.chunks_exact(8).map(|bytes| instruction(bytes, is_big)).collect()
}

/// As the kernel takes them.
pub fn instructions(program: &[FilterInstruction]) -> Vec<libc::sock_filter> {
    let one = |i: &FilterInstruction| libc::sock_filter {
        code: i.code,
        jt: i.if_true,
        jf: i.if_false,
        k: i.value,
    };
    program.iter().map(one).collect()
}

/// The architecture's name there; libseccomp 2.5 knows no LoongArch.
pub fn scmp_arch(arch: SeccompArch) -> Option<ScmpArch> {
    (arch != SeccompArch::Loongarch64).then(|| arch.name().parse().unwrap())
}

pub fn scmp_action(action: SeccompAction) -> ScmpAction {
    match action {
        SeccompAction::Allow => ScmpAction::Allow,
        SeccompAction::Errno(errno) => ScmpAction::Errno(errno.into()),
        SeccompAction::KillProcess => ScmpAction::KillProcess,
        SeccompAction::KillThread => ScmpAction::KillThread,
        SeccompAction::Log => ScmpAction::Log,
        SeccompAction::Notify => ScmpAction::Notify,
        SeccompAction::Trace(message) => ScmpAction::Trace(message),
        SeccompAction::Trap => ScmpAction::Trap,
    }
}

fn scmp_compare(arg: &SeccompArg) -> ScmpArgCompare {
    let (op, datum) = match arg.op {
        SeccompOperator::Equal => (ScmpCompareOp::Equal, arg.value),
        SeccompOperator::GreaterEqual => (ScmpCompareOp::GreaterEqual, arg.value),
        SeccompOperator::GreaterThan => (ScmpCompareOp::Greater, arg.value),
        SeccompOperator::LessEqual => (ScmpCompareOp::LessOrEqual, arg.value),
        SeccompOperator::LessThan => (ScmpCompareOp::Less, arg.value),
        SeccompOperator::MaskedEqual => (ScmpCompareOp::MaskedEqual(arg.value), arg.value_two),
        SeccompOperator::NotEqual => (ScmpCompareOp::NotEqual, arg.value),
    };
    ScmpArgCompare::new(arg.index.into(), op, datum)
}

/// `__AUDIT_ARCH_LE`.
pub const LITTLE: u32 = 0x4000_0000;

fn instruction(bytes: &[u8], is_big: bool) -> FilterInstruction {
    let (code, value) = ([bytes[0], bytes[1]], [bytes[4], bytes[5], bytes[6], bytes[7]]);
    FilterInstruction {
        code: if is_big { u16::from_be_bytes(code) } else { u16::from_le_bytes(code) },
        if_true: bytes[2],
        if_false: bytes[3],
        value: if is_big { u32::from_be_bytes(value) } else { u32::from_le_bytes(value) },
    }
}

/// libseccomp 2.5 exports into descriptors only.
fn file_in_memory() -> File {
    // SAFETY: the name is a C string of ours.
    let fd = unsafe { libc::memfd_create(c"filter".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made the descriptor for us.
    File::from(unsafe { OwnedFd::from_raw_fd(fd) })
}
