//! Scopes of systemd's, from facts alone: what is asked of which version, what is done by hand, what is refused.

use std::fs;

use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, Cpu, DeviceRule, Limit, Memory,
    PathComponent, Resources, from_libcontainer,
};
use nsplan::facts::{HostFacts, PathFact, SystemdFacts};
use nsplan::plan::{CgroupOp, Op, Refusal, plan};
use nsplan::types::{DeviceAccess, DeviceKind, HostPath, NamespaceKind};

use crate::support::{snapshot, top};

fn host(name: &str, version: u32, cgroup: &str) -> HostFacts {
    let text = fs::read_to_string(top().join("tests/facts").join(name)).expect("a fixture");
    let mut facts = HostFacts::from_json(&text).expect("facts");
    facts.paths.insert(HostPath::new("/srv/root").unwrap(), PathFact::Directory);
    let bus = HostPath::new("/run/dbus/system_bus_socket").unwrap();
    let controllers = ["cpu", "cpuset", "memory", "pids"].map(String::from).into();
    facts.cgroup.as_mut().unwrap().systemd = true;
    facts.systemd = Some(SystemdFacts { bus, version, cgroup: cgroup.into(), controllers });
    facts
}

fn config(is_user: bool, slice: Option<&str>) -> Config {
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], is_user);
    let memory = Memory {
        limit: Some(Limit::At(300 << 20)),
        swap: Some(Limit::At(500 << 20)),
        reservation: Some(Limit::At(200 << 20)),
        ..Memory::default()
    };
    let cpu = Cpu {
        shares: Some(512),
        quota: Some(5000),
        period: Some(7000),
        cpus: Some("0-2".into()),
        ..Cpu::default()
    };
    let mut resources =
        Resources { memory, cpu, pids: Some(Limit::At(64)), ..Resources::default() };
    if !is_user {
        resources.devices = Some(vec![DeviceRule {
            allow: true,
            kind: Some(DeviceKind::Char),
            major: Some(1),
            minor: Some(3),
            access: DeviceAccess::all(),
        }]);
        resources.block_io.weight = Some(200);
    }
    let path =
        CgroupPath { base: CgroupBase::Root, parts: vec![PathComponent::new("box").unwrap()] };
    let driver = CgroupDriver::Systemd { slice: slice.map(str::to_owned), scope: "box".into() };
    config.cgroup = Some(Cgroup { path, driver, resources });
    config
}

/// What the parent does about cgroups, a line each property.
fn words(config: &Config, facts: &HostFacts) -> String {
    let plan = plan(config, facts).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let steps = plan.parent.iter().filter(|step| !matches!(step.op, Op::User(_)));
    let mut text = String::new();
    for step in steps {
        text += &format!("{}\n", step.op.to_string().replace(", ", ",\n    "));
        if let nsplan::plan::Undo::Op(undo) = &step.undo {
            text += &format!("  undo: {undo}\n");
        }
    }
    text
}

#[test]
fn a_scope_is_asked_for_in_the_words_of_each_version() {
    let user = "/user.slice/user-1000.slice/user@1000.service";
    let mut host_pid = config(false, Some("machine-web.slice"));
    host_pid.namespaces.remove(&NamespaceKind::Pid);
    let cases = [
        ("v2, systemd 252", host_pid, host("root-v2.json", 252, "/")),
        ("v2, systemd 230", config(false, None), host("root-v2.json", 230, "/")),
        ("v1, systemd 208", config(false, None), host("root-v1.json", 208, "/")),
        ("v2, a user's systemd 255", config(true, None), host("rootless-subuid.json", 255, user)),
    ];
    let text: String = cases
        .iter()
        .map(|(name, config, facts)| format!("{name}\n\n{}\n", words(config, facts)))
        .collect();
    let about = "the parent's script: the scope, its properties, and what is done by hand";
    snapshot("plan", "systemd", about, &text);
}

#[track_caller]
fn refusals(config: &Config, facts: &HostFacts) -> Vec<Refusal> {
    let errors = plan(config, facts).expect_err("refused");
    errors.into_iter().map(|error| error.refusal).collect()
}

#[test]
fn without_systemd_a_scope_is_refused() {
    let mut facts = host("root-v2.json", 252, "/");
    facts.systemd = None;
    let missing = |is_running| Refusal::SystemdMissing { is_running };
    assert_eq!(refusals(&config(false, None), &facts), [missing(true)]);
    facts.cgroup.as_mut().unwrap().systemd = false;
    assert_eq!(refusals(&config(false, None), &facts), [missing(false)]);
}

#[test]
fn names_that_are_no_units_are_refused() {
    let facts = host("root-v2.json", 252, "/");
    for slice in ["system", "a/b.slice", "-a.slice", "../x.slice", "a--b.slice"] {
        let refused = refusals(&config(false, Some(slice)), &facts);
        assert!(matches!(refused[..], [Refusal::LimitInvalid { .. }]), "{slice}: {refused:?}");
    }
    for scope in ["", "a/b", "ä", "a b", &"x".repeat(250)] {
        let mut config = config(false, None);
        let driver = CgroupDriver::Systemd { slice: None, scope: scope.into() };
        config.cgroup.as_mut().unwrap().driver = driver;
        let refused = refusals(&config, &facts);
        assert!(matches!(refused[..], [Refusal::LimitInvalid { .. }]), "{scope}: {refused:?}");
    }
}

#[test]
fn a_controller_that_a_users_manager_was_not_given_is_refused() {
    let mut facts = host("rootless-subuid.json", 255, "/user.slice/user-1000.slice");
    facts.systemd.as_mut().unwrap().controllers.remove("cpuset");
    let refused = refusals(&config(true, None), &facts);
    assert!(
        matches!(&refused[..], [Refusal::ControllerNotDelegated { controller, .. }] if controller == "cpuset"),
        "{refused:?}"
    );
}

#[test]
fn devices_are_never_given_to_systemd() {
    for (name, version) in [("root-v2.json", 252), ("root-v1.json", 252)] {
        let plan = plan(&config(false, None), &host(name, version, "/")).unwrap();
        let asked = plan.parent.iter().find_map(|step| match &step.op {
            Op::Cgroup(CgroupOp::StartScope { properties, .. }) => Some(properties),
            _ => None,
        });
        let names: Vec<_> = asked.unwrap().iter().map(|property| &property.name).collect();
        assert!(names.iter().all(|name| !name.starts_with("Device")), "{names:?}");
    }
}

#[test]
fn a_slice_in_the_original_format_asks_for_a_scope() {
    let base = HostPath::new("/srv").unwrap();
    let driver = |text: &str| {
        let text = format!(r#"{{"rootfs": "/srv/root", "cgroups": {{{text}}}}}"#);
        let parsed = from_libcontainer(text.as_bytes(), &base);
        parsed.unwrap_or_else(|errors| panic!("{errors:?}")).config.cgroup.unwrap().driver
    };
    let systemd = |slice: &str, scope: &str| CgroupDriver::Systemd {
        slice: Some(slice.into()),
        scope: scope.into(),
    };
    let plain = r#""name": "koye", "parent": "docker""#;
    assert_eq!(driver(plain), CgroupDriver::Cgroupfs);
    assert_eq!(driver(&format!(r#"{plain}, "slice": """#)), CgroupDriver::Cgroupfs);
    let sliced = format!(r#"{plain}, "slice": "web.slice""#);
    assert_eq!(driver(&sliced), systemd("web.slice", "docker-koye"));
    let prefixed = format!(r#"{sliced}, "scope_prefix": "box""#);
    assert_eq!(driver(&prefixed), systemd("web.slice", "box-koye"));
}

#[test]
fn a_cgroups_path_of_three_parts_names_a_scope() {
    let driver = |slice: Option<&str>, scope: &str| {
        Some(CgroupDriver::Systemd { slice: slice.map(str::to_owned), scope: scope.into() })
    };
    let of = CgroupDriver::from_systemd_path;
    assert_eq!(of("web.slice:nsplan:box"), driver(Some("web.slice"), "nsplan-box"));
    assert_eq!(of(":nsplan:box"), driver(None, "nsplan-box"));
    assert_eq!(of("web.slice::box"), driver(Some("web.slice"), "box"));
    for wrong in ["", "box", "a:b", "a:b:", "a:b:c:d"] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
}

#[test]
fn any_cgroup_becomes_a_scope_when_systemd_is_asked() {
    let scope_of = |parts: &[&str]| {
        let mut cgroup = config(false, None).cgroup.unwrap();
        cgroup.driver = CgroupDriver::Cgroupfs;
        cgroup.path.parts = parts.iter().map(|part| PathComponent::new(part).unwrap()).collect();
        cgroup.ask_systemd();
        cgroup.driver
    };
    let scope = |slice: Option<&str>, scope: &str| CgroupDriver::Systemd {
        slice: slice.map(str::to_owned),
        scope: scope.into(),
    };
    assert_eq!(scope_of(&["docker", "koye"]), scope(None, "docker-koye"));
    assert_eq!(scope_of(&["web.slice:cri:koye"]), scope(Some("web.slice"), "cri-koye"));
    let mut asked = config(false, Some("web.slice")).cgroup.unwrap();
    asked.ask_systemd();
    assert_eq!(asked.driver, scope(Some("web.slice"), "box"), "what names its slice keeps it");
}
