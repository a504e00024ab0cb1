//! Decides where a container's filter stands, who may install it, and whether a container can begin under it.
//!
//! The filter comes after everything but the `startContainer` hooks and `execve`, so that a profile need not allow what only
//! the start does; the hooks are programs of the container's and get no more than it. Without
//! `noNewPrivileges` its installer must hold `CAP_SYS_ADMIN`, which it therefore keeps until `execve`: that computes the
//! permitted set anew from the bounding, the inheritable and the ambient one, none of which has it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::{Seccomp, SeccompAction, SeccompFlag};
use crate::facts::Feature;
use crate::plan::draft::{Draft, at, at_index, step};
use crate::plan::error::Refusal;
use crate::plan::model::Step;
use crate::plan::op::{Op, PrivilegeOp, SyncOp, Token};
use crate::types::{Capability, FilterFlags, HostPath, Pointer};

use super::filter::{Filter, Verdict};
use super::{CompileError, FilterInstruction, arch, table};

/// The steps of a filter, and what the others must leave for it.
#[derive(Debug, Default)]
pub(in crate::plan) struct Placed {
    /// Init's, before it says that it is ready.
    pub(in crate::plan) not_dumpable: Option<Step>,
    /// Init's, right before `execve`.
    pub(in crate::plan) install: Option<Step>,
    /// The parent's, before anything is made.
    pub(in crate::plan) connect: Option<Step>,
    /// The parent's, once init is ready.
    pub(in crate::plan) hand_over: Vec<Step>,
    /// Whether init holds `CAP_SYS_ADMIN` until it has installed the filter.
    pub(in crate::plan) needs_admin: bool,
}

/// Plans the filter.
pub(in crate::plan) fn plan(draft: &mut Draft<'_>) -> Placed {
    let config = draft.config;
    let (Some(profile), Some(process)) = (&config.seccomp, &config.process) else {
        return Placed::default();
    };
    let origin = at("/seccomp");
    draft.require(&origin, Feature::Seccomp);
    if process.init {
        let reason = "an init that stays would be outside of the system call filter";
        draft.refuse(&at("/process/init"), Refusal::Contradiction { reason });
    }
    let needs_admin = !process.no_new_privileges;
    if needs_admin && !draft.changes_userns() {
        let purpose = "a system call filter without `noNewPrivileges`";
        draft.require_capability(&origin, Capability::SYS_ADMIN, purpose);
    }
    if needs_admin {
        draft.note(
            &at("/process/noNewPrivileges"),
            "init holds CAP_SYS_ADMIN until execve: without noNewPrivileges the kernel takes a filter from its holder only",
        );
    }
    let Some((filter, program)) = compile(draft, profile, &origin) else {
        return Placed { needs_admin, ..Placed::default() };
    };
    let asks = asks_agent(profile);
    check_start(draft, &filter, &origin, asks);
    let flags = flags(draft, profile, asks);
    let not_dumpable =
        may_end_init(&filter).then(|| step(Op::Privilege(PrivilegeOp::NotDumpable), &origin));
    let install = Some(step(Op::Privilege(PrivilegeOp::Seccomp { flags, program }), &origin));
    let Some(path) = agent(draft, profile, asks) else {
        return Placed { not_dumpable, install, needs_admin, ..Placed::default() };
    };
    let place = at("/seccomp/listenerPath");
    let metadata = profile.listener_metadata.clone();
    let send = Op::Privilege(PrivilegeOp::SendListener { metadata });
    Placed {
        not_dumpable,
        install,
        connect: Some(step(Op::Privilege(PrivilegeOp::ConnectAgent { path }), &place)),
        hand_over: [
            step(Op::Sync(SyncOp::Await(Token::Listener)), &place),
            step(send, &at("/seccomp/listenerMetadata")),
        ]
        .into(),
        needs_admin,
    }
}

/// The program, with a note for each remark.
fn compile(
    draft: &mut Draft<'_>,
    profile: &Seccomp,
    origin: &Pointer,
) -> Option<(Filter, Vec<FilterInstruction>)> {
    let rules = "/seccomp/rules";
    let answers = profile.rules.iter().map(|rule| rule.action).chain([profile.default_action]);
    if answers.into_iter().any(|action| matches!(action, SeccompAction::Errno(4096..))) {
        // The kernel would answer with 4095 instead.
        draft.refuse(origin, Refusal::LimitInvalid { expected: "errno numbers up to 4095" });
    }
    for (index, rule) in profile.rules.iter().enumerate() {
        if rule.args.iter().any(|arg| arg.index > 5) {
            let expected = "arguments 0 to 5";
            draft.refuse(&at_index(rules, index), Refusal::LimitInvalid { expected });
            return None;
        }
    }
    let native = arch::native(&draft.facts.kernel.machine);
    let compiled = native
        .ok_or(CompileError::Machine(String::new()))
        .and_then(|native| super::build(profile, native));
    match compiled {
        Ok((filter, program, remarks)) => {
            for remark in remarks {
                draft.note(&at_index(rules, remark.rule()), alloc::format!("{remark}"));
            }
            Some((filter, program))
        }
        Err(error) => {
            draft.refuse(
                origin,
                match error {
                    CompileError::Length(_) => {
                        Refusal::LimitInvalid { expected: "a filter of at most 4096 instructions" }
                    }
                    CompileError::Machine(_) => {
                        Refusal::NotSupported { what: "a system call filter on such a machine" }
                    }
                },
            );
            None
        }
    }
}

fn asks_agent(profile: &Seccomp) -> bool {
    let actions = profile.rules.iter().map(|rule| rule.action).chain([profile.default_action]);
    actions.into_iter().any(|action| action == SeccompAction::Notify)
}

/// What init does under its filter must be possible: it executes the program and, before, hands the listener over.
fn check_start(draft: &mut Draft<'_>, filter: &Filter, origin: &Pointer, asks: bool) {
    use SeccompAction as A;
    match answer_to(filter, "execve") {
        Some(Verdict::Plain(A::Errno(_) | A::KillProcess | A::KillThread | A::Trap)) => {
            let reason = "the filter forbids execve, with which the program itself begins";
            draft.refuse(origin, Refusal::Contradiction { reason });
        }
        Some(Verdict::Plain(_) | Verdict::Tested(_)) | None => {}
    }
    let may_send = matches!(answer_to(filter, "sendmsg"), Some(Verdict::Plain(A::Allow | A::Log)));
    if asks && !may_send {
        let reason = "the filter must allow sendmsg, with which init hands its listener over";
        draft.refuse(origin, Refusal::Contradiction { reason });
    }
    if !draft.config.hooks.start_container.is_empty() {
        check_hooks(draft, filter);
    }
}

/// Whether init may die of a call that it makes under its filter, or of one that ends it and is forbidden.
fn may_end_init(filter: &Filter) -> bool {
    use SeccompAction as A;
    let is_let = |name| matches!(answer_to(filter, name), Some(Verdict::Plain(A::Allow | A::Log)));
    !["execve", "sendmsg", "exit_group"].into_iter().all(is_let)
}

/// The hooks are started and waited for under the filter.
fn check_hooks(draft: &mut Draft<'_>, filter: &Filter) {
    use SeccompAction as A;
    let is_forbidden = |name: &&str| {
        let answer = answer_to(filter, name);
        matches!(
            answer,
            Some(Verdict::Plain(A::KillProcess | A::KillThread | A::Trap | A::Errno(_)))
        )
    };
    if NEEDED_BY_HOOKS.iter().any(is_forbidden) {
        let reason = "the filter must allow what init runs its hooks with: clone, wait4, rt_sigprocmask, rt_sigtimedwait, lseek, dup3, prctl";
        draft.refuse(&at("/hooks/startContainer"), Refusal::Contradiction { reason });
    }
}

/// Those that there is nothing else for; `clone3` and `close_range` may be unknown.
const NEEDED_BY_HOOKS: [&str; 7] =
    ["clone", "wait4", "rt_sigprocmask", "rt_sigtimedwait", "lseek", "dup3", "prctl"];

/// What the native architecture's call of that name is answered.
fn answer_to(filter: &Filter, name: &str) -> Option<Verdict> {
    let section = filter.sections.first()?;
    let numbers = table::numbers(name)?;
    let number = filter.native.number(numbers)?;
    let after = section.ranges.partition_point(|(start, _)| *start <= number);
    section.ranges.get(after.checked_sub(1)?).map(|(_, verdict)| *verdict)
}

fn flags(draft: &mut Draft<'_>, profile: &Seccomp, asks: bool) -> FilterFlags {
    let mut flags = FilterFlags::empty();
    flags.set(FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER, asks);
    for (index, flag) in profile.flags.iter().enumerate() {
        let place = at_index("/seccomp/flags", index);
        match flag {
            // There is one thread.
            SeccompFlag::Tsync => {}
            SeccompFlag::Log => flags |= FilterFlags::SECCOMP_FILTER_FLAG_LOG,
            SeccompFlag::SpecAllow => flags |= FilterFlags::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            SeccompFlag::WaitKillableRecv if asks => {
                draft.require(&place, Feature::SeccompWaitKillable);
                flags |= FilterFlags::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
            }
            SeccompFlag::WaitKillableRecv => {
                draft.note(&place, "no rule asks an agent, so nothing waits for one");
            }
        }
    }
    flags
}

/// The agent's socket.
fn agent(draft: &mut Draft<'_>, profile: &Seccomp, asks: bool) -> Option<HostPath> {
    let origin = at("/seccomp/listenerPath");
    if !asks {
        if profile.listener_path.is_some() {
            draft.note(&origin, "no rule asks an agent: it is told nothing");
        }
        return None;
    }
    draft.require(&at("/seccomp"), Feature::SeccompNotify);
    if profile.default_action == SeccompAction::Notify {
        let reason =
            "an agent cannot be asked about every call: init hands its listener over by one";
        draft.refuse(&at("/seccomp/defaultAction"), Refusal::Contradiction { reason });
    }
    let Some(path) = &profile.listener_path else {
        let reason = "rules ask an agent, but no socket of one is given";
        draft.refuse(&origin, Refusal::Contradiction { reason });
        return None;
    };
    match HostPath::new(path) {
        // `sun_path` with the NUL at its end.
        Ok(path) if path.as_str().len() < 108 => Some(path),
        _ => {
            let expected = "an absolute path of at most 107 bytes";
            draft.refuse(&origin, Refusal::LimitInvalid { expected });
            None
        }
    }
}
