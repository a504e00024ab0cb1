//! Decides when each hook is run, by whom, and what it is told.
//!
//! Hooks in the runtime's namespaces are the launcher's; init waits for them with everything mounted. Those in the
//! container's are init's, and are the reason why it then has memory of its own: what they run may belong to the container.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::draft::{Draft, at, at_index, step, step_undone};
use super::error::Refusal;
use super::hook_op::{HookCall, HookKind, HookOp, HookState};
use super::model::{Step, Undo};
use super::op::{Op, SyncOp, Token};
use crate::config::{Config, EnvVar, Hook, Hooks as Wishes};
use crate::types::Pointer;

/// What this room decided.
#[derive(Default)]
pub(super) struct Hooks {
    /// Of the parent, first of all: what is undone last.
    pub(super) promise: Vec<Step>,
    /// Of the parent before the clone.
    pub(super) before_clone: Vec<Step>,
    /// Of the parent, when init has mounted everything.
    pub(super) runtime: Vec<Step>,
    /// Of init, between its mounts and the change of root.
    pub(super) inside: Vec<Step>,
    /// Of init, right before the program.
    pub(super) start: Vec<Step>,
    /// Of the parent, when the program runs.
    pub(super) poststart: Vec<Step>,
}

/// Whether init runs any.
pub(super) fn run_inside(config: &Config) -> bool {
    !config.hooks.create_container.is_empty() || !config.hooks.start_container.is_empty()
}

/// The config's hooks of one kind.
fn wishes(hooks: &Wishes, kind: HookKind) -> &[Hook] {
    match kind {
        HookKind::Prestart => &hooks.prestart,
        HookKind::CreateRuntime => &hooks.create_runtime,
        HookKind::CreateContainer => &hooks.create_container,
        HookKind::StartContainer => &hooks.start_container,
        HookKind::Poststart => &hooks.poststart,
        HookKind::Poststop => &hooks.poststop,
    }
}

pub(super) fn plan(draft: &mut Draft<'_>) -> Hooks {
    let mut hooks = Hooks::default();
    if draft.config.hooks.is_empty() {
        return hooks;
    }
    let everyone = at("/hooks");
    let state = HookState {
        id: None,
        bundle: draft.config.bundle.clone(),
        annotations: draft.config.annotations.clone(),
    };
    let poststop = calls(draft, HookKind::Poststop);
    if !poststop.is_empty() {
        let state = Some(state.clone());
        let run = Op::Hook(HookOp::Run { kind: HookKind::Poststop, hooks: poststop, state });
        let undo = Undo::by(run);
        hooks.promise.push(step_undone(Op::Hook(HookOp::Promise), &at("/hooks/poststop"), undo));
    }
    let outside = [HookKind::Prestart, HookKind::CreateRuntime];
    for kind in outside {
        hooks.runtime.extend(steps(draft, kind, Some(&state)));
    }
    hooks.inside = steps(draft, HookKind::CreateContainer, None);
    hooks.start = steps(draft, HookKind::StartContainer, None);
    hooks.poststart = steps(draft, HookKind::Poststart, Some(&state));
    let told =
        [(HookKind::CreateContainer, &hooks.inside), (HookKind::StartContainer, &hooks.start)];
    let mut written = Vec::new();
    for (kind, _) in told.into_iter().filter(|(_, steps)| !steps.is_empty()) {
        let hook = |op| step(Op::Hook(op), &everyone.key(kind.name()));
        hooks.before_clone.push(hook(HookOp::MakeState { kind }));
        written.push(hook(HookOp::WriteState { kind, state: state.clone() }));
    }
    let waits = !written.is_empty() || !hooks.runtime.is_empty();
    if waits {
        let sync = |op| step(Op::Sync(op), &everyone);
        let mut runtime = vec![sync(SyncOp::Await(Token::Mounted))];
        runtime.append(&mut written);
        runtime.append(&mut hooks.runtime);
        runtime.push(sync(SyncOp::Signal(Token::HooksRun)));
        hooks.runtime = runtime;
        let mut inside =
            vec![sync(SyncOp::Signal(Token::Mounted)), sync(SyncOp::Await(Token::HooksRun))];
        inside.append(&mut hooks.inside);
        hooks.inside = inside;
    }
    hooks
}

/// A step for each hook of a kind, so that one that fails is named.
fn steps(draft: &mut Draft<'_>, kind: HookKind, state: Option<&HookState>) -> Vec<Step> {
    let list = format!("/hooks/{kind}");
    let calls = calls(draft, kind);
    let one = |(index, call): (usize, HookCall)| {
        let op = HookOp::Run { kind, hooks: vec![call], state: state.cloned() };
        step(Op::Hook(op), &at_index(&list, index))
    };
    calls.into_iter().enumerate().map(one).collect()
}

fn calls(draft: &mut Draft<'_>, kind: HookKind) -> Vec<HookCall> {
    let list = format!("/hooks/{kind}");
    let hooks = wishes(&draft.config.hooks, kind);
    hooks
        .iter()
        .enumerate()
        .map(|(index, hook)| call(draft, hook, &at_index(&list, index)))
        .collect()
}

fn call(draft: &mut Draft<'_>, hook: &Hook, origin: &Pointer) -> HookCall {
    if !hook.path.starts_with('/') {
        let expected = "an absolute path";
        draft.refuse(&origin.key("path"), Refusal::LimitInvalid { expected });
    }
    if hook.timeout == Some(0) {
        let expected = "a timeout of at least one second";
        draft.refuse(&origin.key("timeout"), Refusal::LimitInvalid { expected });
    }
    let variable = |variable: &EnvVar| format!("{}={}", variable.name, variable.value);
    let call = HookCall {
        path: hook.path.clone(),
        args: if hook.args.is_empty() { vec![hook.path.clone()] } else { hook.args.clone() },
        env: hook.env.iter().map(variable).collect(),
        timeout: hook.timeout,
    };
    for text in call.args.iter().chain(&call.env).chain([&call.path]) {
        draft.check_nul(origin, text);
    }
    call
}
