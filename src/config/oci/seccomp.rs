//! Turns `linux.seccomp` into a system call filter.

use alloc::borrow::ToOwned;

use super::door::{Door, U64};
use super::fields::Fields;
use super::words::words;
use crate::config::error::{Expected, Problem};
use crate::config::json::{Node, Value};
use crate::config::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompFlag, SeccompOperator, SeccompRule,
};

pub(super) fn read<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<Seccomp> {
    let mut fields = door.fields(node)?;
    let default_action = action(door, &mut fields, "defaultAction", "defaultErrnoRet");
    let architectures = fields
        .items(door, "architectures")
        .iter()
        .filter_map(|node| door.word(node, SeccompArch::from_name, Expected::SeccompArch))
        .collect();
    let flags = fields
        .items(door, "flags")
        .iter()
        .filter_map(|node| door.word(node, SeccompFlag::from_name, Expected::SeccompFlag))
        .collect();
    let listener_path = fields.text(door, "listenerPath").map(|(text, _)| text.to_owned());
    let listener_metadata = fields.text(door, "listenerMetadata").map(|(text, _)| text.to_owned());
    if listener_metadata.is_some() && listener_path.is_none() {
        door.refuse(fields.node, Problem::Missing { key: "listenerPath" });
    }
    let syscalls = fields.items(door, "syscalls");
    let rules = syscalls.iter().filter_map(|node| rule(door, node)).collect();
    fields.finish(door);
    Some(Seccomp {
        default_action: default_action?,
        architectures,
        flags,
        listener_path,
        listener_metadata,
        rules,
    })
}

/// What a call that is refused without a number fails with.
const EPERM: u16 = 1;

/// The action at `key` with the number at `number`, which only two of them have.
fn action(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    number: &str,
) -> Option<SeccompAction> {
    let number = fields.take(number);
    let errno = number.and_then(|node| door.number(node, (0, 4095))).unwrap_or(EPERM);
    let wanted = fields.required(door, key)?;
    let of = |word: &str| action_of(word).map(|action| action(errno));
    let action = door.word(wanted, of, Expected::SeccompAction)?;
    let has_number = matches!(action, SeccompAction::Errno(_) | SeccompAction::Trace(_));
    if let Some(node) = number.filter(|_| !has_number) {
        door.invalid(node, Expected::SeccompErrno);
    }
    Some(action)
}

words! {
    /// What makes the action of the number beside it.
    fn action_of, ACTIONS -> fn(u16) -> SeccompAction {
        "SCMP_ACT_KILL" => |_| SeccompAction::KillThread,
        "SCMP_ACT_KILL_THREAD" => |_| SeccompAction::KillThread,
        "SCMP_ACT_KILL_PROCESS" => |_| SeccompAction::KillProcess,
        "SCMP_ACT_TRAP" => |_| SeccompAction::Trap,
        "SCMP_ACT_ERRNO" => SeccompAction::Errno,
        "SCMP_ACT_TRACE" => SeccompAction::Trace,
        "SCMP_ACT_ALLOW" => |_| SeccompAction::Allow,
        "SCMP_ACT_LOG" => |_| SeccompAction::Log,
        "SCMP_ACT_NOTIFY" => |_| SeccompAction::Notify,
    }
}

fn rule<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<SeccompRule> {
    let mut fields = door.fields(node)?;
    let list = fields.required(door, "names");
    if let Some(node) =
        list.filter(|node| matches!(&node.value, Value::List(names) if names.is_empty()))
    {
        door.invalid(node, Expected::SomeNames);
    }
    let names = fields.texts(door, "names").into_iter().map(|(text, _)| text.to_owned()).collect();
    let action = action(door, &mut fields, "action", "errnoRet");
    let conditions = fields.items(door, "args");
    let args = conditions.iter().filter_map(|node| condition(door, node)).collect();
    fields.finish(door);
    Some(SeccompRule { names, action: action?, args })
}

fn condition<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<SeccompArg> {
    let mut fields: Fields<'_> = door.fields(node)?;
    let index = fields.required_number(door, "index", (0, 5));
    let value = fields.required_number(door, "value", U64);
    let value_two = fields.number(door, "valueTwo", U64).unwrap_or_default();
    let op = fields.required(door, "op");
    let op = op.and_then(|node| door.word(node, operator, Expected::SeccompOperator));
    fields.finish(door);
    Some(SeccompArg { index: index?, op: op?, value: value?, value_two })
}

words! {
    fn operator, OPERATORS -> SeccompOperator {
        "SCMP_CMP_NE" => SeccompOperator::NotEqual,
        "SCMP_CMP_LT" => SeccompOperator::LessThan,
        "SCMP_CMP_LE" => SeccompOperator::LessEqual,
        "SCMP_CMP_EQ" => SeccompOperator::Equal,
        "SCMP_CMP_GE" => SeccompOperator::GreaterEqual,
        "SCMP_CMP_GT" => SeccompOperator::GreaterThan,
        "SCMP_CMP_MASKED_EQ" => SeccompOperator::MaskedEqual,
    }
}
