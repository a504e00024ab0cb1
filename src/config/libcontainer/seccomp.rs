//! Turns version 2's `seccomp` into a system call filter: calls by number, everything else allowed.

use alloc::format;
use alloc::vec::Vec;

use super::door::{At, Door};
use super::fields::Fields;
use crate::config::error::Problem;
use crate::config::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompRule};
use crate::types::Pointer;

/// Reads it. A call that the list does not have is allowed, as it was.
pub(super) fn read(door: &mut Door<'_>, at: At<'_>) -> Option<Seccomp> {
    door.note(Pointer::new("/seccomp"), &at);
    let mut fields = door.fields_at(at)?;
    let calls = fields.items(door, "syscalls");
    let rules = calls.into_iter().filter_map(|at| rule(door, at)).collect();
    fields.finish(door);
    Some(Seccomp {
        default_action: SeccompAction::Allow,
        architectures: Vec::new(),
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        rules,
    })
}

fn rule(door: &mut Door<'_>, at: At<'_>) -> Option<SeccompRule> {
    let mut fields = door.fields_at(at)?;
    // Call 0 is `read`.
    let number = fields.unsigned(door, "value", u32::MAX);
    let action = match fields.number(door, "action", -3, 4095).map_or(0, |number| number.value) {
        -3 => SeccompAction::KillThread,
        -2 => SeccompAction::Trap,
        -1 => SeccompAction::Allow,
        errno => SeccompAction::Errno(u16::try_from(errno).unwrap_or_default()),
    };
    let conditions = fields.items(door, "args");
    let args = conditions.into_iter().filter_map(|at| condition(door, at)).collect();
    fields.finish(door);
    Some(SeccompRule { names: [format!("{number}")].into(), action, args })
}

fn condition(door: &mut Door<'_>, at: At<'_>) -> Option<SeccompArg> {
    let mut fields: Fields<'_> = door.fields_at(at.clone())?;
    let index = fields.unsigned(door, "index", 5_u8);
    let value = fields.unsigned(door, "value", u32::MAX);
    let op = match fields.unsigned(door, "op", 4_u8) {
        0 => SeccompOperator::Equal,
        1 => SeccompOperator::NotEqual,
        2 => SeccompOperator::GreaterThan,
        3 => SeccompOperator::LessThan,
        _ => {
            // A mask without the value to compare with.
            door.refuse(&at, Problem::NoEquivalent);
            return None;
        }
    };
    fields.finish(door);
    Some(SeccompArg { index, op, value: value.into(), value_two: 0 })
}
