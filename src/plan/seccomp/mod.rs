//! A system call filter: profile → ranges of calls → a program of classic BPF, without a C library.
//!
//! # References
//! `seccomp(2)`; OCI runtime-spec, `config-linux.md`, "Seccomp"; what runc and crun make of it, see `filter.rs`.

mod arch;
mod assemble;
mod filter;
mod instruction;
mod interpret;
mod place;
mod table;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use instruction::FilterInstruction;
pub use interpret::{Call, check, interpret};
pub(super) use place::{Placed, plan};

use crate::config::{Seccomp, SeccompAction, SeccompArch};

/// A profile for one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The program that the kernel gets.
    pub program: Vec<FilterInstruction>,
    /// What the profile says in vain, or less exactly than it seems.
    pub remarks: Vec<Remark>,
}

/// Why there is no program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompileError {
    /// No table of system calls for a machine of that name (`uname -m`).
    Machine(String),
    /// More instructions than the kernel takes, which is 4096.
    Length(usize),
}

/// Something that a profile's author may not know. Rules are named by their positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// No architecture has a call of that name.
    UnknownCalls {
        /// The rule.
        rule: usize,
        /// The names.
        names: Vec<String>,
    },
    /// Where `socketcall(2)` or `ipc(2)` stands for a call, its arguments cannot be seen.
    HiddenArguments {
        /// The rule, which has conditions.
        rule: usize,
        /// The names.
        names: Vec<String>,
    },
    /// Two conditions are on one argument: each condition is a rule of its own.
    Split {
        /// The rule.
        rule: usize,
    },
    /// For some of a rule's calls, another rule decides whatever the arguments.
    Overruled {
        /// The rule.
        rule: usize,
        /// The other one.
        by: usize,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCalls { names, .. } => {
                write!(
                    f,
                    "no architecture has the call {}: nothing is said of it",
                    names.join(", ")
                )
            }
            Self::HiddenArguments { names, .. } => write!(
                f,
                "socketcall and ipc hide the arguments of {} on architectures that have them: conditions do not bind there",
                names.join(", ")
            ),
            Self::Split { .. } => f.write_str(
                "two conditions on one argument: each of the rule's conditions is enough",
            ),
            Self::Overruled { by, .. } => {
                write!(f, "rule {by} has no conditions and decides alone for some of these calls")
            }
        }
    }
}

impl Remark {
    /// The rule it is about.
    #[must_use]
    pub const fn rule(&self) -> usize {
        match self {
            Self::UnknownCalls { rule, .. }
            | Self::HiddenArguments { rule, .. }
            | Self::Split { rule }
            | Self::Overruled { rule, .. } => *rule,
        }
    }
}

/// Compiles a profile for a machine of that name (`uname -m`). See `filter.rs` for what a profile means.
///
/// # Errors
/// [`CompileError`].
///
/// ```
/// use nsplan::config::{Seccomp, SeccompAction, SeccompRule};
/// use nsplan::plan::seccomp::{Call, compile, interpret};
///
/// let profile = Seccomp {
///     default_action: SeccompAction::Allow,
///     architectures: vec![],
///     flags: vec![],
///     listener_path: None,
///     listener_metadata: None,
///     rules: vec![SeccompRule {
///         names: vec!["chown".into()],
///         action: SeccompAction::Errno(1),
///         args: vec![],
///     }],
/// };
/// let compiled = compile(&profile, "x86_64").expect("known");
/// let chown = Call::new(0xc000_003e, 92, [0; 6]);
/// assert_eq!(interpret(&compiled.program, &chown), Some(0x0005_0001));
/// ```
pub fn compile(profile: &Seccomp, machine: &str) -> Result<Compiled, CompileError> {
    let native = arch::native(machine).ok_or_else(|| CompileError::Machine(machine.into()))?;
    let (_, program, remarks) = build(profile, native)?;
    Ok(Compiled { program, remarks })
}

type Built = (filter::Filter, Vec<FilterInstruction>, Vec<Remark>);

fn build(profile: &Seccomp, native: SeccompArch) -> Result<Built, CompileError> {
    let (filter, remarks) = filter::resolve(profile, native);
    let program = assemble::assemble(&filter);
    if program.len() > instruction::MAX_LENGTH {
        return Err(CompileError::Length(program.len()));
    }
    Ok((filter, program, remarks))
}

/// `AUDIT_ARCH_*`: what the kernel shows a filter for a call of that architecture.
#[must_use]
pub fn audit_arch(arch: SeccompArch) -> u32 {
    arch::traits(arch).audit
}

/// The calls of an architecture, by name, as the kernel numbers them.
pub fn calls(arch: SeccompArch) -> impl Iterator<Item = (&'static str, u32)> {
    let traits = arch::traits(arch);
    table::all().filter_map(move |(name, numbers)| Some((name, traits.number(numbers)?)))
}

/// The word by which a filter answers with `action`, `SECCOMP_RET_*`.
#[must_use]
pub fn answer(action: SeccompAction) -> u32 {
    instruction::answer(action)
}
