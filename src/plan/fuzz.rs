//! Bytes become a config and a host, those become a plan, and the plan must hold: the body of the fuzz target `plan`.
//!
//! Kept here rather than in the fuzz crate so that `cargo test` replays every seed and every old crash on stable.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{Plan, StartScript, invariants, needs, plan, plan_created};
use crate::config::{
    BindSource, Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, DeviceRule, Limit, Memory,
    Mount, MountKind, NamespaceSource, PathComponent, Resources, RootSwitch, UserSpec,
};
use crate::facts::{
    AccountFacts, CgroupFacts, Feature, Hierarchy, HostFacts, KernelFacts, KernelVersion, PathFact,
};
use crate::types::{
    CapSet, DeviceAccess, DeviceKind, HostPath, IdMap, IdMapping, MountFlags, NamespaceKind,
    Resource, Rlimit, RootPath,
};

/// Reads values off a slice; after its end everything is zero.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    fn long(&mut self) -> u64 {
        u64::from(self.number()) << 32 | u64::from(self.number())
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len());
        from[at].clone()
    }

    /// Text of any bytes that are UTF-8, NUL included.
    fn text(&mut self) -> String {
        let length = self.below(24).min(self.0.len());
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(head).into_owned()
    }

    fn root_path(&mut self) -> RootPath {
        const USUAL: [&str; 6] = ["/", "/proc", "/proc/sys", "/dev/pts", "/data", "/sys/fs/cgroup"];
        let text = if self.flag() { format!("/{}", self.text()) } else { self.pick(&USUAL).into() };
        RootPath::new(&text).unwrap_or_else(|_| RootPath::root())
    }

    fn host_path(&mut self) -> HostPath {
        HostPath::new(&format!("/{}", self.text())).unwrap_or_else(|_| HostPath::root())
    }

    fn id_map(&mut self) -> IdMap {
        let ranges = (0..self.below(4)).map(|_| IdMapping {
            container_id: self.number(),
            host_id: self.number(),
            size: self.number(),
        });
        IdMap::new(ranges.collect()).unwrap_or_default()
    }
}

fn mount(from: &mut Reader<'_>) -> Mount {
    let destination = from.root_path();
    let kind = match from.below(4) {
        3 => MountKind::Remount,
        0 => MountKind::Cgroup,
        1 => MountKind::Bind(BindSource { source: from.host_path(), recursive: from.flag() }),
        _ => MountKind::Filesystem {
            fstype: from.text(),
            source: Some(from.text()),
            data: vec![from.text()],
        },
    };
    Mount {
        destination,
        kind,
        set: MountFlags::from_bits_truncate(from.long()),
        clear: MountFlags::from_bits_truncate(from.long()),
        set_recursive: MountFlags::from_bits_truncate(from.long()),
        clear_recursive: MountFlags::empty(),
        propagation: Vec::new(),
        id_map: None,
        relabel: None,
        copy_up: false,
    }
}

fn cgroup(from: &mut Reader<'_>) -> Cgroup {
    let parts = (0..from.below(3)).filter_map(|_| PathComponent::new(&from.text()).ok()).collect();
    let rules = (0..from.below(6)).map(|_| DeviceRule {
        allow: from.flag(),
        kind: from.pick(&[None, Some(DeviceKind::Block), Some(DeviceKind::Char)]),
        major: from.flag().then(|| from.number()),
        minor: from.flag().then(|| from.number()),
        access: DeviceAccess::from_bits_truncate(from.number()),
    });
    let resources = Resources {
        devices: Some(rules.collect()),
        memory: Memory {
            limit: from.flag().then(|| Limit::At(from.long())),
            swap: from.flag().then(|| Limit::At(from.long())),
            ..Memory::default()
        },
        pids: from.flag().then(|| Limit::At(from.long())),
        unified: [(from.text(), from.text())].into(),
        ..Resources::default()
    };
    let base = from.pick(&[CgroupBase::Root, CgroupBase::Init, CgroupBase::Caller]);
    let mut cgroup =
        Cgroup { path: CgroupPath { base, parts }, driver: CgroupDriver::Cgroupfs, resources };
    cgroup.resources.cpu.shares = from.flag().then(|| from.long());
    cgroup.resources.cpu.quota = from.flag().then(|| i64::from(from.byte()) * 1000 - 1000);
    cgroup
}

fn config(from: &mut Reader<'_>) -> Config {
    let args = (0..from.below(4)).map(|_| from.text()).collect();
    let mut config = Config::sandbox(from.host_path(), args, from.flag());
    for _ in 0..from.below(4) {
        let kind = from.pick(&NamespaceKind::ALL);
        match from.below(3) {
            0 => config.namespaces.remove(&kind),
            1 => config.namespaces.insert(kind, NamespaceSource::Create),
            _ => config.namespaces.insert(kind, NamespaceSource::Join(from.host_path())),
        };
    }
    (config.uid_mappings, config.gid_mappings) = (from.id_map(), from.id_map());
    (config.root.readonly, config.root.readonly_recursive) = (from.flag(), from.flag());
    config.root.switch = from.pick(&[RootSwitch::PivotRoot, RootSwitch::MoveMount]);
    config.hostname = from.flag().then(|| from.text());
    config.sysctl = (0..from.below(3)).map(|_| (from.text(), from.text())).collect();
    for _ in 0..from.below(5) {
        let mount = mount(from);
        config.mounts.push(mount);
    }
    config.cgroup = from.flag().then(|| cgroup(from));
    if let Some(process) = &mut config.process {
        process.terminal = from.flag();
        process.cwd = from.root_path();
        let resource = from.pick(Resource::ALL);
        process.rlimits.insert(resource, Rlimit { soft: from.long(), hard: from.long() });
        process.user.additional_gids = vec![from.number()];
        process.user.additional_groups = (0..from.below(3)).map(|_| from.text()).collect();
        process.user.spec = if from.flag() {
            UserSpec::Named { user: Some(from.text()), group: from.flag().then(|| from.text()) }
        } else {
            UserSpec::Ids { uid: from.number(), gid: from.number() }
        };
        if let Some(sets) = &mut process.capabilities {
            sets.bounding = CapSet::from_bits(from.long());
            sets.permitted = CapSet::from_bits(from.long());
            sets.effective = CapSet::from_bits(from.long());
        }
    }
    config
}

fn host(from: &mut Reader<'_>, config: &Config) -> HostFacts {
    let mut facts = HostFacts::example();
    facts.kernel.version = KernelVersion::new(u16::from(from.byte() % 8), u16::from(from.byte()));
    facts.kernel.features = KernelFacts::features_since(facts.kernel.version);
    for _ in 0..from.below(3) {
        let feature = from.pick(Feature::ALL);
        facts.kernel.features.remove(&feature);
    }
    if from.flag() {
        (facts.caller.uid, facts.caller.gid) = (from.number(), from.number());
        facts.caller.effective = CapSet::from_bits(from.long());
        facts.caller.permitted = facts.caller.effective;
    }
    if from.flag() {
        let hierarchy = |name: &str, cgroup: String| Hierarchy {
            controllers: [String::from(name)].into(),
            name: None,
            mount_point: HostPath::root().child(name),
            root: "/".into(),
            caller: cgroup.clone(),
            init: cgroup,
            writable: true,
        };
        let names = ["cpu", "cpuset", "devices", "memory", "pids"];
        let hierarchies = names.map(|name| hierarchy(name, format!("/{}", from.text())));
        let (hierarchies, unified, systemd) = (hierarchies.into(), None, false);
        facts.cgroup = Some(CgroupFacts { hierarchies, unified, systemd });
    }
    facts.accounts =
        Some(AccountFacts { passwd: Some(from.text()), group: from.flag().then(|| from.text()) });
    facts.mounts = Some(Vec::new());
    for path in needs(config).paths {
        let kind = from.pick(&[PathFact::Directory, PathFact::File, PathFact::Special]);
        facts.paths.insert(path, kind);
    }
    facts
}

/// Plans what `data` says; a plan that breaks an invariant, or does not survive its JSON, is a crash.
///
/// # Panics
/// That is its purpose.
#[must_use]
pub fn plan_bytes(data: &[u8]) -> Option<Plan> {
    let mut reader = Reader(data);
    let config = config(&mut reader);
    let facts = host(&mut reader, &config);
    if let Ok(created) = plan_created(&config, &facts) {
        assert_eq!(invariants(&created), Ok(()));
    }
    let planned = plan(&config, &facts).ok()?;
    assert_eq!(invariants(&planned), Ok(()));
    let text = planned.to_json();
    let back: Plan = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(back, planned);
    Some(planned)
}

/// Reads a plan from JSON that nobody vouches for, and checks it.
pub fn plan_json(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data)
        && let Ok(plan) = Plan::from_json(text)
    {
        let again = Plan::from_json(&plan.to_json());
        assert_eq!(again.as_ref(), Ok(&plan));
        let script = StartScript::of(&plan);
        assert_eq!(StartScript::from_json(&script.to_json()), Some(script));
    }
}
