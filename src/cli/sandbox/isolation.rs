//! Turns the options about names, namespaces and ids into their parts of the config.
//!
//! Pure.

use super::super::args::{ContainerId, Given, ID_RULE};
use super::super::options::OptId;
use super::super::report::Problem;
use super::{Builder, mounts, number};
use crate::config::{Mount, NamespaceSource, Origin};
use crate::types::{HostPath, IdMap, IdMapping, MountFlags, NamespaceKind, Pointer};

impl Builder<'_> {
    /// Takes an option about isolation; false if it is none.
    pub(super) fn take_isolation(&mut self, given: &Given) -> Result<bool, Problem> {
        let text = given.text();
        match given.opt.id {
            OptId::Name => {
                self.id = ContainerId::new(text).ok_or_else(|| Problem::new(ID_RULE))?;
            }
            OptId::Hostname => {
                self.config.hostname = Some(host_name(text)?);
                self.from("/hostname", given);
            }
            OptId::Domainname => {
                self.config.domainname = Some(host_name(text)?);
                self.from("/domainname", given);
            }
            OptId::Net => self.namespace(NamespaceKind::Net, given)?,
            OptId::Pid => self.namespace(NamespaceKind::Pid, given)?,
            OptId::Ipc => self.namespace(NamespaceKind::Ipc, given)?,
            OptId::Uts => self.namespace(NamespaceKind::Uts, given)?,
            OptId::CgroupNs => self.namespace(NamespaceKind::Cgroup, given)?,
            OptId::UserNs => self.namespace(NamespaceKind::User, given)?,
            OptId::UidMap => {
                let mapping = id_mapping(text)?;
                self.uid_map.push((mapping, given.to_string()));
            }
            OptId::GidMap => {
                let mapping = id_mapping(text)?;
                self.gid_map.push((mapping, given.to_string()));
            }
            OptId::Sysctl => {
                let wrong = || Problem::new("expected NAME=VALUE");
                let (name, value) = text.split_once('=').ok_or_else(wrong)?;
                if name.is_empty() {
                    return Err(wrong());
                }
                let name = name.replace('/', ".");
                let pointer = Pointer::new("/sysctl").key(&name);
                self.from(pointer.as_str(), given);
                self.config.sysctl.insert(name, value.to_owned());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn namespace(&mut self, kind: NamespaceKind, given: &Given) -> Result<(), Problem> {
        let source = match given.text() {
            "private" => Some(NamespaceSource::Create),
            "none" if kind == NamespaceKind::Net => Some(NamespaceSource::Create),
            "host" => None,
            text => Some(NamespaceSource::Join(join(kind, text)?)),
        };
        self.from(&format!("/namespaces/{kind}"), given);
        match source {
            Some(source) => self.config.namespaces.insert(kind, source),
            None => self.config.namespaces.remove(&kind),
        };
        Ok(())
    }

    /// Puts the id maps together. Each asks for a user namespace, and one alone speaks for both.
    pub(super) fn finish_ids(&mut self) {
        let (mut uids, mut gids) =
            (core::mem::take(&mut self.uid_map), core::mem::take(&mut self.gid_map));
        if uids.is_empty() && gids.is_empty() {
            return;
        }
        if uids.is_empty() {
            uids.clone_from(&gids);
        } else if gids.is_empty() {
            gids.clone_from(&uids);
        }
        let kind = NamespaceKind::User;
        let source = self.config.namespaces.entry(kind);
        source.or_insert(NamespaceSource::Create);
        for (name, ranges, map) in [
            ("/uidMappings", uids, &mut self.config.uid_mappings),
            ("/gidMappings", gids, &mut self.config.gid_mappings),
        ] {
            let all = Pointer::new(name);
            let words: Vec<&str> = ranges.iter().map(|(_, given)| given.as_str()).collect();
            let words = words.join(" ");
            for (index, (_, given)) in ranges.iter().enumerate() {
                self.sources.map.insert(all.index(index), Origin::Option(given.clone()));
            }
            match IdMap::new(ranges.iter().map(|(mapping, _)| *mapping).collect()) {
                Ok(checked) => *map = checked,
                Err(error) => self.problems.push(Problem::new(error.to_string()).at(&words)),
            }
            self.sources.map.insert(all, Origin::Option(words));
        }
        // Where one speaks for both it is wrong only once.
        self.problems.dedup();
    }

    /// Follows up what sharing a namespace with the host means for names, interfaces and mounts.
    pub(super) fn finish_shared(&mut self) {
        let has = |kind| self.config.namespaces.contains_key(&kind);
        let (net, ipc) = (self.config.creates(NamespaceKind::Net), has(NamespaceKind::Ipc));
        if !self.config.creates(NamespaceKind::Uts) && !self.is_asked("/hostname") {
            self.config.hostname = None;
        }
        if !net {
            self.config.networks.clear();
        }
        // That a new /proc, /sys or /dev/mqueue needs its namespace is the planner's business.
        if !ipc {
            self.show_hosts("/dev/shm", MountFlags::empty(), "/namespaces/ipc");
        }
    }

    fn is_asked(&self, pointer: &str) -> bool {
        let origin = self.sources.map.find(&Pointer::new(pointer));
        matches!(origin, Some(Origin::Option(_)))
    }

    /// Shows the host's own `path` inside, instead of a private one, because of what `cause` says.
    fn show_hosts(&mut self, path: &str, flags: MountFlags, cause: &str) {
        let same = |mount: &Mount| mount.destination.as_str() == path;
        let Some(at) = self.config.mounts.iter().position(same) else {
            return;
        };
        let Ok(source) = HostPath::new(path) else {
            return;
        };
        let mut mount = mounts::bind(source, self.config.mounts[at].destination.clone());
        mount.set_recursive =
            flags | MountFlags::MS_NOSUID | MountFlags::MS_NODEV | MountFlags::MS_NOEXEC;
        self.config.mounts[at] = mount;
        let pointer = Pointer::new("/mounts").index(at);
        let cause = self.sources.map.find(&Pointer::new(cause)).cloned();
        if let Some(cause) = cause {
            self.sources.map.insert(pointer, cause);
        }
    }
}

/// The file of `ns:PATH`, or of a bare absolute path.
fn join(kind: NamespaceKind, text: &str) -> Result<HostPath, Problem> {
    let path = text.strip_prefix("ns:").unwrap_or(text);
    HostPath::new(path).map_err(|_| {
        let private = if kind == NamespaceKind::Net { "none" } else { "private" };
        let problem = Problem::new(format!("expected `{private}`, `host` or ns:PATH"));
        match text {
            "bridge" | "slirp4netns" | "pasta" => problem
                .hint("interfaces are described in a container.json; --net host shares the host's"),
            _ => problem,
        }
    })
}

fn host_name(text: &str) -> Result<String, Problem> {
    if text.len() > 64 || text.is_empty() || text.contains('\0') {
        return Err(Problem::new("expected 1 to 64 bytes"));
    }
    Ok(text.to_owned())
}

/// `INSIDE:OUTSIDE[:COUNT]`.
fn id_mapping(text: &str) -> Result<IdMapping, Problem> {
    let mut parts = text.split(':').map(|part| number(part, 0, u32::MAX));
    let wrong = || Problem::new("expected INSIDE:OUTSIDE:COUNT");
    let mapping = IdMapping {
        container_id: parts.next().ok_or_else(wrong)??,
        host_id: parts.next().ok_or_else(wrong)??,
        size: parts.next().unwrap_or(Ok(1))?,
    };
    match parts.next() {
        Some(_) => Err(wrong()),
        None => Ok(mapping),
    }
}
