//! The name of a step (`init/12`) becomes its group and its text, from the plan.

use nsplan::plan::{Actor, Op, Plan, ProcessOp, StepId};

/// A program of ours, the plan that it carries out, and the names that the trace gives its steps.
#[derive(Debug)]
pub struct Steps {
    pub program: String,
    pub plan: Plan,
}

/// What comes before the first step, and after the last.
pub const BEFORE: &str = "before";
pub const PROGRAM: &str = "program";

impl Steps {
    /// A group and a text; groups are words without blanks.
    pub fn describe(&self, name: &str) -> (&'static str, String) {
        let fixed = |group, text: &str| (group, text.to_owned());
        match name {
            "exec" => return fixed("start", "the kernel executes nsplan"),
            "born" => return fixed("clone", "init's first moments, up to its first step"),
            PROGRAM => {
                return fixed("program", "the program from execve to its end, namespaces included");
            }
            "exit" => return fixed("end", "nsplan ends"),
            "idle" => {
                return fixed("waiting", "nobody runs: a timer or a grace period is waited for");
            }
            "kernel" => return fixed("kernel", "threads of the kernel and other processes"),
            "bench" => return fixed("start", "the bench itself: vfork and wait"),
            _ => {}
        }
        if name == format!("undo:parent/{}", u32::MAX) {
            return fixed("end", "nsplan when all is undone, up to its end");
        }
        if let Some(class) = name.strip_prefix(BEFORE).and_then(|rest| rest.strip_prefix(':')) {
            return (
                "plan",
                format!(
                    "nsplan reads the config and the host, plans, lowers: {}",
                    class.replace('-', " ")
                ),
            );
        }
        let undo = name.strip_prefix("undo:");
        if name == format!("parent/{}", self.plan.parent.len()) {
            return fixed("end", "nsplan waits for the end of the program and reaps it");
        }
        let Some(step) = id(undo.unwrap_or(name)).and_then(|id| self.plan.step(id)) else {
            return fixed("unknown", "a step that is not in the plan");
        };
        match (undo, &step.undo) {
            (Some(_), nsplan::plan::Undo::Op(op)) => ("undo", format!("undo: {op}")),
            (Some(_), _) => fixed("undo", "undo"),
            (None, _) => (group(&step.op), step.op.to_string()),
        }
    }
}

fn id(name: &str) -> Option<StepId> {
    let (actor, index) = name.split_once('/')?;
    let actor = match actor {
        "parent" => Actor::Parent,
        "intermediate" => Actor::Intermediate,
        "init" => Actor::Init,
        _ => return None,
    };
    Some(StepId { actor, index: index.parse().ok()? })
}

/// Rooms of the plan, with what a reader of figures wants apart.
fn group(op: &Op) -> &'static str {
    match op {
        Op::Cgroup(_) => "cgroups",
        Op::Mount(_) => "mounts",
        Op::Namespace(_) => "namespaces",
        Op::Network(_) => "network",
        Op::Process(ProcessOp::Clone { .. }) => "clone",
        Op::Process(ProcessOp::Execute { .. }) => "exec",
        Op::Process(_) => "process",
        Op::State(_) => "journal",
        Op::Sync(_) => "handshake",
        Op::User(_) => "ids",
        _ => "privileges",
    }
}
