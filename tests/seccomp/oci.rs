//! An OCI profile by serde alone: a reader that shares nothing with ours.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be read says so by panicking")]

use nsplan::config::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompFlag, SeccompOperator, SeccompRule,
};
use serde_json::Value;

/// Reads `linux.seccomp`.
pub(crate) fn profile(text: &str) -> Seccomp {
    let json: Value = serde_json::from_str(text).unwrap();
    let words = |key: &str| -> Vec<String> {
        let list = json[key].as_array().cloned().unwrap_or_default();
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    Seccomp {
        default_action: action(&json["defaultAction"], &json["defaultErrnoRet"]),
        architectures: words("architectures")
            .iter()
            .map(|word| SeccompArch::from_name(word).unwrap())
            .collect(),
        flags: words("flags").iter().map(|word| SeccompFlag::from_name(word).unwrap()).collect(),
        listener_path: json["listenerPath"].as_str().map(Into::into),
        listener_metadata: json["listenerMetadata"].as_str().map(Into::into),
        rules: json["syscalls"].as_array().unwrap().iter().map(rule).collect(),
    }
}

fn rule(json: &Value) -> SeccompRule {
    let names = json["names"].as_array().unwrap();
    let args = json["args"].as_array().cloned().unwrap_or_default();
    SeccompRule {
        names: names.iter().map(|name| name.as_str().unwrap().into()).collect(),
        action: action(&json["action"], &json["errnoRet"]),
        args: args.iter().map(arg).collect(),
    }
}

fn arg(json: &Value) -> SeccompArg {
    let op = match json["op"].as_str().unwrap() {
        "SCMP_CMP_NE" => SeccompOperator::NotEqual,
        "SCMP_CMP_LT" => SeccompOperator::LessThan,
        "SCMP_CMP_LE" => SeccompOperator::LessEqual,
        "SCMP_CMP_EQ" => SeccompOperator::Equal,
        "SCMP_CMP_GE" => SeccompOperator::GreaterEqual,
        "SCMP_CMP_GT" => SeccompOperator::GreaterThan,
        "SCMP_CMP_MASKED_EQ" => SeccompOperator::MaskedEqual,
        other => panic!("{other}"),
    };
    SeccompArg {
        index: u8::try_from(json["index"].as_u64().unwrap()).unwrap(),
        op,
        value: json["value"].as_u64().unwrap(),
        value_two: json["valueTwo"].as_u64().unwrap_or(0),
    }
}

fn action(word: &Value, number: &Value) -> SeccompAction {
    let number = u16::try_from(number.as_u64().unwrap_or(1)).unwrap();
    match word.as_str().unwrap() {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => SeccompAction::KillThread,
        "SCMP_ACT_KILL_PROCESS" => SeccompAction::KillProcess,
        "SCMP_ACT_TRAP" => SeccompAction::Trap,
        "SCMP_ACT_ERRNO" => SeccompAction::Errno(number),
        "SCMP_ACT_TRACE" => SeccompAction::Trace(number),
        "SCMP_ACT_ALLOW" => SeccompAction::Allow,
        "SCMP_ACT_LOG" => SeccompAction::Log,
        "SCMP_ACT_NOTIFY" => SeccompAction::Notify,
        other => panic!("{other}"),
    }
}
