//! Turns the options about the first process into its description.
//!
//! Pure.

use super::super::args::Given;
use super::super::options::OptId;
use super::super::report::Problem;
use super::{Builder, number, root_path};
use crate::config::{CapabilitySets, EnvVar, UserSpec};
use crate::types::{CapSet, Capability, Resource, Rlimit};

impl Builder<'_> {
    /// Takes an option about the process and its privileges; false if it is none.
    pub(super) fn take_process(&mut self, given: &Given) -> Result<bool, Problem> {
        let text = given.text();
        let pointer = match given.opt.id {
            OptId::Tty => {
                self.process.terminal = true;
                self.process.console_size = self.around.window;
                let is_set = self.process.env.iter().any(|variable| variable.name == "TERM");
                if let (false, Some(term)) = (is_set, self.around.env.get("TERM")) {
                    set_variable(&mut self.process.env, "TERM", term);
                }
                "/process/terminal".into()
            }
            OptId::Init => {
                self.process.init = true;
                "/process/init".into()
            }
            OptId::Env => match self.variable(text)? {
                Some(index) => format!("/process/env/{index}"),
                None => return Ok(true),
            },
            OptId::Workdir => {
                self.process.cwd = root_path(text)?;
                "/process/cwd".into()
            }
            OptId::User => {
                self.process.user.spec = user(text)?;
                "/process/user".into()
            }
            OptId::GroupAdd => {
                let user = &mut self.process.user;
                if is_number(text) {
                    user.additional_gids.push(number(text, 0, u32::MAX - 1)?);
                    format!("/process/user/additionalGids/{}", user.additional_gids.len() - 1)
                } else {
                    user.additional_groups.push(text.to_owned());
                    format!("/process/user/additionalGroups/{}", user.additional_groups.len() - 1)
                }
            }
            OptId::Umask => {
                let mask = u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777);
                let wrong = || Problem::new("expected an octal mask such as 022");
                self.process.user.umask = Some(mask.ok_or_else(wrong)?);
                "/process/user/umask".into()
            }
            OptId::Ulimit => {
                let (resource, limit) = ulimit(text)?;
                self.process.rlimits.insert(resource, limit);
                format!("/process/rlimits/{resource}")
            }
            OptId::OomScoreAdj => {
                self.process.oom_score_adj = Some(number(text, -1000, 1000)?);
                "/process/oomScoreAdj".into()
            }
            _ => return self.take_privilege(given),
        };
        self.from(&pointer, given);
        Ok(true)
    }

    fn take_privilege(&mut self, given: &Given) -> Result<bool, Problem> {
        let text = given.text();
        let pointer = match given.opt.id {
            OptId::CapAdd => {
                self.added.push(capability(text)?);
                "/process/capabilities"
            }
            OptId::CapDrop => {
                self.dropped.push(capability(text)?);
                "/process/capabilities"
            }
            OptId::NoNewPrivileges => {
                self.process.no_new_privileges = match text {
                    "" | "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(Problem::new("expected `true` or `false`")),
                };
                "/process/noNewPrivileges"
            }
            OptId::Apparmor => {
                self.process.apparmor_profile = Some(text.to_owned());
                "/process/apparmorProfile"
            }
            OptId::ProcessLabel => {
                self.process.selinux_label = Some(text.to_owned());
                "/process/selinuxLabel"
            }
            OptId::MountLabel => {
                self.config.mount_label = Some(text.to_owned());
                "/mountLabel"
            }
            _ => return Ok(false),
        };
        self.from(pointer, given);
        Ok(true)
    }

    /// `NAME=VALUE`, or `NAME` to copy the caller's, which is left out when the caller has none.
    fn variable(&mut self, text: &str) -> Result<Option<usize>, Problem> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, self.around.env.get(text).map(String::as_str)),
        };
        if name.is_empty() {
            return Err(Problem::new("a variable needs a name"));
        }
        Ok(value.map(|value| set_variable(&mut self.process.env, name, value)))
    }

    pub(super) fn finish_capabilities(&mut self) {
        let all = || match self.around.last_capability {
            Some(last) => CapSet::up_to(last),
            None => Capability::named().collect(),
        };
        let base = self.process.capabilities.map_or(CapSet::EMPTY, |sets| sets.bounding);
        let of = |list: &[Option<Capability>]| {
            if list.contains(&None) { all() } else { list.iter().flatten().copied().collect() }
        };
        // A name takes precedence over ALL on the other side: `--cap-add ALL --cap-drop NET_RAW` means all but one.
        let set = match (self.added.contains(&None), self.dropped.contains(&None)) {
            (true, false) => all().difference(of(&self.dropped)),
            _ => base.difference(of(&self.dropped)).union(of(&self.added)),
        };
        self.process.capabilities = Some(CapabilitySets::of(set));
    }
}

/// Sets a variable in its place, or at the end; its index.
pub(in crate::cli) fn set_variable(env: &mut Vec<EnvVar>, name: &str, value: &str) -> usize {
    let value = value.to_owned();
    if let Some(at) = env.iter().position(|variable| variable.name == name) {
        env[at].value = value;
        return at;
    }
    env.push(EnvVar { name: name.to_owned(), value });
    env.len() - 1
}

/// A name, or `None` for ALL.
fn capability(text: &str) -> Result<Option<Capability>, Problem> {
    if text.eq_ignore_ascii_case("ALL") {
        return Ok(None);
    }
    let known = text.parse().map(Some);
    known.map_err(|error: crate::types::UnknownCapability| {
        Problem::new(error.to_string()).hint("names are those of capabilities(7), or ALL")
    })
}

/// `uid`, `uid:gid`, `name`, `name:group`.
pub(in crate::cli) fn user(text: &str) -> Result<UserSpec, Problem> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    if user.is_empty() || group == Some("") {
        return Err(Problem::new("expected USER or USER:GROUP"));
    }
    if let (true, Some(group)) = (is_number(user), group.filter(|group| is_number(group))) {
        let uid = number(user, 0, u32::MAX - 1)?;
        let gid = number(group, 0, u32::MAX - 1)?;
        return Ok(UserSpec::Ids { uid, gid });
    }
    for part in [Some(user), group].into_iter().flatten() {
        if is_number(part) {
            number(part, 0, u32::MAX - 1)?;
        }
    }
    Ok(UserSpec::Named { user: Some(user.to_owned()), group: group.map(str::to_owned) })
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// `NAME=SOFT[:HARD]`.
fn ulimit(text: &str) -> Result<(Resource, Rlimit), Problem> {
    let wrong = || Problem::new("expected NAME=SOFT[:HARD]");
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let full = format!("RLIMIT_{}", name.to_ascii_uppercase());
    let resource = Resource::from_name(&full)
        .ok_or_else(|| Problem::new(format!("`{name}` is no resource")).hint(ULIMITS))?;
    let value = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        _ => number(text, 0, u64::MAX),
    };
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let (soft, hard) = (value(soft)?, value(hard)?);
    if soft > hard {
        return Err(Problem::new("the soft limit is above the hard one"));
    }
    Ok((resource, Rlimit { soft, hard }))
}

const ULIMITS: &str = "there are as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack";
