//! Turns options into a `container.json` of version 2.2.1, the last that libcontainer had, and notes which option wrote
//! which part.
//!
//! Pure. The document is read by the same door as a file, so what `config` prints is what `exec` starts.

use serde_json::{Map, Value, json};

use super::super::args::{ContainerId, Given};
use super::super::options::OptId;
use super::super::report::{EXIT_OWN, Failure, Problem, Sources};
use super::super::sandbox::{absolute_path, list_of_numbers, number};
use crate::config::{Config, Origin, Parsed, Process, from_libcontainer};
use crate::types::{HostPath, Pointer, Signal};

mod security;
mod usual;
mod values;

/// A document and where its parts come from.
#[derive(Debug)]
pub struct Template {
    document: Map<String, Value>,
    asked: Vec<(Pointer, String)>,
}

/// What the generation's ids are counted in: `int32`.
const LAST_ID: u32 = i32::MAX.unsigned_abs();

/// Makes a document of options, in the order they were given; `cwd` is the root where none says another.
///
/// # Errors
/// With every value that means nothing.
pub fn template(options: &[Given], id: &ContainerId, cwd: &HostPath) -> Result<Template, Failure> {
    let mut builder = Builder::new(id, cwd);
    let mut problems = Vec::new();
    for given in options {
        if let Err(problem) = builder.take(given) {
            problems.push(problem.at(given));
        }
    }
    if let (Some(given), false) = (&builder.veth_by, builder.veth.contains_key("bridge")) {
        let missing = Problem::new("an interface needs --veth-bridge NAME, its other end's bridge");
        problems.push(missing.at(given));
    }
    if problems.is_empty() {
        Ok(builder.finish())
    } else {
        Err(Failure { exit: EXIT_OWN, problems })
    }
}

impl Template {
    /// The document: JSON, a tab for each level.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = Vec::new();
        let form = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut text, form);
        // Maps of strings, numbers and strings: serialising cannot fail.
        let _ = serde::Serialize::serialize(&self.document, &mut writer);
        let mut text = String::from_utf8(text).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The config it stands for, whose parts come from the options.
    ///
    /// # Errors
    /// When the format's own rules refuse something, in the user's words.
    pub fn read(&self, base: &HostPath) -> Result<(Config, Sources), Failure> {
        let parsed = from_libcontainer(self.to_json().as_bytes(), base).map_err(|errors| {
            let problem = |error: &crate::config::ConfigError| {
                Problem::new(error.problem.to_string()).at(self.words(&error.pointer))
            };
            let mut problems: Vec<_> = errors.0.iter().map(problem).collect();
            // One option can write several places, each wrong for the same reason.
            problems.dedup();
            Failure { exit: EXIT_OWN, problems }
        })?;
        let Parsed { mut config, source, .. } = parsed;
        let mut sources = Sources::default();
        for (canonical, origin) in source.iter() {
            let origin = match origin {
                Origin::File { pointer, .. } => self.origin(pointer),
                other => other.clone(),
            };
            sources.map.insert(canonical.clone(), origin);
        }
        // The format has no words for these: root, by number, so that no file of the container's is asked.
        let standard = Process::sandbox(Vec::new());
        if let Some(process) = &mut config.process {
            (process.env, process.user.spec) = (standard.env, standard.user.spec);
        }
        Ok((config, sources))
    }

    fn asked(&self, pointer: &Pointer) -> Option<&str> {
        let mut at = Some(pointer.clone());
        while let Some(here) = at {
            let mut found = self.asked.iter().rev().filter(|(asked, _)| *asked == here);
            if let Some((_, words)) = found.next() {
                return Some(words);
            }
            at = here.parent();
        }
        None
    }

    fn origin(&self, pointer: &Pointer) -> Origin {
        match self.asked(pointer) {
            Some(words) => Origin::Option(words.to_owned()),
            None => Origin::Default(format!("{pointer} of the usual configuration")),
        }
    }

    fn words(&self, pointer: &Pointer) -> String {
        self.origin(pointer).to_string()
    }
}

/// A document on its way.
struct Builder<'a> {
    cwd: &'a HostPath,
    document: Map<String, Value>,
    asked: Vec<(Pointer, String)>,
    mounts: Vec<(Value, String)>,
    /// The namespaces that are not the caller's: type and path.
    namespaces: Vec<(&'static str, String)>,
    veth: Map<String, Value>,
    /// The first option about the interface.
    veth_by: Option<String>,
    groups: Vec<String>,
}

impl<'a> Builder<'a> {
    fn new(id: &ContainerId, cwd: &'a HostPath) -> Self {
        let document = json!({
            "rootfs": cwd.as_str(),
            "readonlyfs": false,
            "hostname": "nsinit",
            "parent_death_signal": Signal::KILL.number(),
            "capabilities": security::LOW,
            "cgroups": {
                "name": id.as_str(),
                "parent": "nsinit",
                "allow_all_devices": false,
                "allowed_devices": usual::allowed_devices(),
            },
            "rlimits": [{ "type": 7, "hard": 1024, "soft": 1024 }],
        });
        let namespaces = ["NEWNS", "NEWUTS", "NEWIPC", "NEWPID", "NEWNET"];
        Self {
            cwd,
            document: match document {
                Value::Object(document) => document,
                _ => Map::new(),
            },
            asked: Vec::new(),
            mounts: Vec::new(),
            namespaces: namespaces.map(|kind| (kind, String::new())).into(),
            veth: Map::new(),
            veth_by: None,
            groups: Vec::new(),
        }
    }

    fn take(&mut self, given: &Given) -> Result<(), Problem> {
        let text = given.text();
        if self.take_namespace(given)? || self.take_limit(given)? || self.take_veth(given) {
            return Ok(());
        }
        let (key, value): (&str, Value) = match given.opt.id {
            OptId::Rootfs => ("rootfs", absolute_path(text, self.cwd)?.as_str().into()),
            OptId::ReadOnly => ("readonlyfs", true.into()),
            OptId::Hostname => ("hostname", text.into()),
            OptId::ParentDeathSignal => ("parent_death_signal", values::signal(text)?.into()),
            OptId::Security => ("capabilities", json!(security::level(text)?)),
            OptId::Apparmor => ("apparmor_profile", text.into()),
            OptId::ProcessLabel => ("process_label", text.into()),
            OptId::MountLabel => ("mount_label", text.into()),
            OptId::GroupAdd => {
                self.groups.extend(text.split(',').map(str::to_owned));
                ("additional_groups", json!(self.groups))
            }
            OptId::Sysctl => {
                let wrong = || Problem::new("expected NAME=VALUE");
                let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
                let (name, value) = pair.ok_or_else(wrong)?;
                let entry = self.document.entry("system_properties");
                if let Value::Object(all) = entry.or_insert_with(|| Map::new().into()) {
                    all.insert(name.to_owned(), value.into());
                }
                let place = Pointer::new("/system_properties").key(name);
                self.asked.push((place, given.to_string()));
                return Ok(());
            }
            OptId::Volume => {
                let mount = values::bind(text, self.cwd)?;
                self.mounts.push((mount, given.to_string()));
                return Ok(());
            }
            OptId::CgroupMount => {
                self.mounts.push((usual::cgroups(), given.to_string()));
                return Ok(());
            }
            OptId::Tmpfs => {
                let mount = json!({ "source": "tmpfs", "destination": text, "device": "tmpfs", "flags": usual::PLAIN });
                self.mounts.push((mount, given.to_string()));
                return Ok(());
            }
            _ => return Err(Problem::new("has no meaning here")),
        };
        self.set(key, value, given);
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value, given: &Given) {
        self.document.insert(key.to_owned(), value);
        self.asked.push((Pointer::root().key(key), given.to_string()));
    }

    fn take_namespace(&mut self, given: &Given) -> Result<bool, Problem> {
        let kind = match given.opt.id {
            OptId::Ipc => "NEWIPC",
            OptId::Mnt => "NEWNS",
            OptId::Net => "NEWNET",
            OptId::Pid => "NEWPID",
            OptId::Uts => "NEWUTS",
            OptId::UsernsRootUid => {
                self.user_namespace(given)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        let path = match given.text() {
            "" | "private" => Some(String::new()),
            "host" => None,
            path if path.starts_with('/') => Some(path.to_owned()),
            _ => return Err(Problem::new("expected `private`, `host` or the path of a namespace")),
        };
        let at = self.namespaces.iter().position(|(known, _)| *known == kind);
        match (at, path) {
            (Some(at), Some(path)) => self.namespaces[at].1 = path,
            (None, Some(path)) => self.namespaces.push((kind, path)),
            (Some(at), None) => drop(self.namespaces.remove(at)),
            (None, None) => {}
        }
        self.asked.push((Pointer::new("/namespaces").key(kind), given.to_string()));
        Ok(true)
    }

    /// Root inside is the user of that number outside; the ids around it are what they are.
    fn user_namespace(&mut self, given: &Given) -> Result<(), Problem> {
        let root: u32 = number(given.text(), 1, LAST_ID - 1)?;
        let range = |first: u32, host: u32, size: u32| json!({ "container_id": first, "host_id": host, "size": size });
        let mut map = vec![range(0, root, 1)];
        if root > 1 {
            map.push(range(1, 1, root - 1));
        }
        map.push(range(root + 1, root + 1, LAST_ID - root));
        self.namespaces.retain(|(kind, _)| *kind != "NEWUSER");
        self.namespaces.push(("NEWUSER", String::new()));
        self.asked.push((Pointer::new("/namespaces/NEWUSER"), given.to_string()));
        for key in ["uid_mappings", "gid_mappings"] {
            self.set(key, json!(map), given);
        }
        Ok(())
    }

    fn take_limit(&mut self, given: &Given) -> Result<bool, Problem> {
        let text = given.text();
        let (key, value): (&str, Value) = match given.opt.id {
            OptId::CpuShares => ("cpu_shares", number(text, 2, 262_144)?.into()),
            OptId::CpusetCpus => ("cpuset_cpus", list_of_numbers(text)?.into()),
            OptId::CpusetMems => ("cpuset_mems", list_of_numbers(text)?.into()),
            OptId::Memory => ("memory", values::bytes(text)?.into()),
            OptId::MemorySwap if text == "-1" => ("memory_swap", (-1).into()),
            OptId::MemorySwap => ("memory_swap", values::bytes(text)?.into()),
            _ => return Ok(false),
        };
        if let Some(Value::Object(cgroups)) = self.document.get_mut("cgroups") {
            cgroups.insert(key.to_owned(), value);
        }
        self.asked.push((Pointer::new("/cgroups").key(key), given.to_string()));
        Ok(true)
    }

    fn take_veth(&mut self, given: &Given) -> bool {
        let text = given.text();
        let key = match given.opt.id {
            OptId::VethAddress => "address",
            OptId::VethBridge => "bridge",
            OptId::VethGateway => "gateway",
            OptId::VethMtu => "mtu",
            _ => return false,
        };
        let value = text
            .parse::<u32>()
            .ok()
            .filter(|_| key == "mtu")
            .map_or_else(|| text.into(), Value::from);
        self.veth.insert(key.to_owned(), value);
        self.veth_by.get_or_insert_with(|| given.to_string());
        self.asked.push((Pointer::new("/networks/1").key(key), given.to_string()));
        true
    }

    fn finish(mut self) -> Template {
        let is_new =
            |kind| self.namespaces.iter().any(|(known, path)| *known == kind && path.is_empty());
        let (mounts, network, names) = (is_new("NEWNS"), is_new("NEWNET"), is_new("NEWUTS"));
        let has = |asked: &[(Pointer, String)], place: &str| {
            asked.iter().any(|(p, _)| p.as_str() == place)
        };
        if !names && !has(&self.asked, "/hostname") {
            self.document.remove("hostname");
        }
        self.finish_mounts(mounts);
        self.finish_networks(network);
        let kinds: Vec<_> = self.namespaces.iter().map(|(kind, _)| *kind).collect();
        let spaces = self.namespaces.iter().map(|(kind, path)| match path.as_str() {
            "" => json!({ "type": kind }),
            path => json!({ "type": kind, "path": path }),
        });
        let spaces: Vec<_> = spaces.collect();
        self.document.insert("namespaces".into(), spaces.into());
        for (place, _) in &mut self.asked {
            // In the document it is a place in a list.
            let mut at = kinds.iter().enumerate();
            let at = at.find(|(_, kind)| place.as_str() == format!("/namespaces/{kind}"));
            if let Some((index, _)) = at {
                *place = Pointer::new("/namespaces").index(index);
            }
        }
        Template { document: self.document, asked: self.asked }
    }

    /// The usual mounts, and then those that were asked for; none where there is no tree of the container's own.
    fn finish_mounts(&mut self, is_new: bool) {
        let mut mounts = Vec::new();
        if is_new {
            mounts = usual::mounts(self.namespaces.iter().any(|(kind, _)| *kind == "NEWUSER"));
            self.document.insert("devices".into(), usual::devices().into());
            self.document.insert("mask_paths".into(), json!(["/proc/kcore"]));
            let readonly = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"];
            self.document.insert("readonly_paths".into(), json!(readonly));
        }
        for (mount, given) in core::mem::take(&mut self.mounts) {
            self.asked.push((Pointer::new("/mounts").index(mounts.len()), given));
            mounts.push(mount);
        }
        if !mounts.is_empty() {
            self.document.insert("mounts".into(), mounts.into());
        }
    }

    /// Loopback, and the pair that was asked for.
    fn finish_networks(&mut self, is_new: bool) {
        let mut networks = Vec::new();
        if is_new || self.veth_by.is_some() {
            networks.push(json!({ "type": "loopback" }));
        }
        if let Some(given) = self.veth_by.take() {
            self.asked.insert(0, (Pointer::new("/networks"), given));
            self.veth.insert("type".into(), "veth".into());
            self.veth.insert("name".into(), "eth0".into());
            networks.push(core::mem::take(&mut self.veth).into());
        }
        if !networks.is_empty() {
            self.document.insert("networks".into(), networks.into());
        }
    }
}
