//! Labels of security modules, from facts alone: which file they are written to, what is labelled, what is refused.

use nsplan::config::{BindSource, Config, Mount, MountKind, Relabel};
use nsplan::facts::{HostFacts, LsmFacts, PathFact};
use nsplan::plan::{MountOp, Op, Plan, PrivilegeOp, Refusal, Undo, plan};
use nsplan::types::{HostPath, MountFlags, RootPath};

const PROCESS: &str = "system_u:system_r:svirt_lxc_net_t:s0:c164,c475";
const FILES: &str = "system_u:object_r:svirt_sandbox_file_t:s0:c164,c475";

fn host() -> HostFacts {
    let mut facts = HostFacts::example();
    for path in ["/srv/root", "/srv/data", "/", "/etc", "/usr", "/usr/lib"] {
        facts.paths.insert(HostPath::new(path).unwrap(), PathFact::Directory);
    }
    facts
}

fn with(lsm: LsmFacts) -> HostFacts {
    HostFacts { lsm: Some(lsm), ..host() }
}

fn selinux() -> HostFacts {
    with(LsmFacts { selinux: true, ..LsmFacts::default() })
}

fn config() -> Config {
    let root = HostPath::new("/srv/root").unwrap();
    Config::sandbox(root, vec!["sh".into()], false)
}

/// A bind mount of `source` to be relabelled.
fn bound(source: &str, relabel: Relabel) -> Config {
    let mut config = config();
    config.mount_label = Some(FILES.into());
    let bind = BindSource { source: HostPath::new(source).unwrap(), recursive: true };
    config.mounts.push(Mount {
        kind: MountKind::Bind(bind),
        destination: RootPath::new("/data").unwrap(),
        relabel: Some(relabel),
        ..Mount::filesystem("/data", "tmpfs", MountFlags::empty(), &[])
    });
    config
}

fn planned(config: &Config, facts: &HostFacts) -> Plan {
    plan(config, facts).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[track_caller]
fn refused(config: &Config, facts: &HostFacts) -> Vec<String> {
    plan(config, facts).expect_err("refused").iter().map(ToString::to_string).collect()
}

fn written(plan: &Plan) -> Vec<(String, String)> {
    let labels = plan.init.iter().filter_map(|step| match &step.op {
        Op::Privilege(PrivilegeOp::ExecLabel { file, label, .. }) => {
            Some((file.clone(), label.clone()))
        }
        _ => None,
    });
    labels.collect()
}

#[test]
fn a_profile_goes_to_the_file_that_the_kernel_has_for_it() {
    let mut config = config();
    config.process.as_mut().unwrap().apparmor_profile = Some("docker-default".into());
    assert!(refused(&config, &host())[0].contains("AppArmor is not active"));
    let unknown = HostFacts { lsm: None, ..host() };
    assert!(refused(&config, &unknown)[0].contains("have no `lsm`"));
    let mut lsm = LsmFacts { apparmor: true, ..LsmFacts::default() };
    let label = |file: &str| [(file.to_owned(), "docker-default".to_owned())];
    assert_eq!(written(&planned(&config, &with(lsm.clone()))), label("attr/exec"));
    lsm.apparmor_attr = true;
    assert_eq!(written(&planned(&config, &with(lsm.clone()))), label("attr/apparmor/exec"));
    // One file for two modules: nobody can tell whose label it takes.
    (lsm.apparmor_attr, lsm.selinux) = (false, true);
    assert!(refused(&config, &with(lsm))[0].contains("a file of AppArmor's own"));
}

#[test]
fn a_context_goes_to_the_file_of_the_first_module() {
    let mut config = config();
    config.process.as_mut().unwrap().selinux_label = Some(PROCESS.into());
    assert!(refused(&config, &host())[0].contains("SELinux is not active"));
    let expected = [("attr/exec".to_owned(), PROCESS.to_owned())];
    assert_eq!(written(&planned(&config, &selinux())), expected);
}

#[test]
fn the_containers_own_file_systems_get_the_mount_label_and_those_of_the_kernel_none() {
    let mut config = config();
    config.mount_label = Some(FILES.into());
    config.process.as_mut().unwrap().terminal = true;
    assert!(refused(&config, &host())[0].contains("SELinux is not active"));
    let plan = planned(&config, &selinux());
    let mut seen = Vec::new();
    for step in &plan.init {
        if let Op::Mount(MountOp::Filesystem { fstype, data, .. }) = &step.op {
            let has_label = data.contains(&format!("context={FILES}"));
            // The terminal is a file of the labelled devpts.
            assert_eq!(has_label, matches!(&**fstype, "tmpfs" | "devpts"), "{fstype} {data:?}");
            seen.push(fstype.as_str());
        }
    }
    assert!(["tmpfs", "devpts", "proc", "sysfs"].iter().all(|fstype| seen.contains(fstype)));
    config.mount_label = Some("a\"b".into());
    assert!(refused(&config, &selinux())[0].contains("expected a context"));
}

#[test]
fn a_bind_source_is_relabelled_by_the_launcher_before_the_clone_and_stays_so() {
    for (how, level) in [(Relabel::Shared, "s0"), (Relabel::Private, "s0:c164,c475")] {
        let plan = planned(&bound("/srv/data", how), &selinux());
        let at = plan.parent.iter().position(|step| matches!(step.op, Op::Privilege(_))).unwrap();
        let path = HostPath::new("/srv/data").unwrap();
        let label = format!("system_u:object_r:svirt_sandbox_file_t:{level}");
        assert_eq!(plan.parent[at].op, Op::Privilege(PrivilegeOp::Relabel { path, label }));
        assert_eq!(plan.parent[at].undo, Undo::Kept);
        let clone = plan.parent.iter().position(|step| matches!(step.op, Op::Process(_)));
        assert!(Some(at) < clone);
    }
}

#[test]
fn what_belongs_to_the_host_is_never_relabelled() {
    for source in ["/", "/etc", "/usr"] {
        let words = refused(&bound(source, Relabel::Shared), &selinux());
        assert!(words[0].contains("never relabelled"), "{source}: {words:?}");
    }
    // Exactly these.
    planned(&bound("/usr/lib", Relabel::Shared), &selinux());
}

#[test]
fn relabelling_without_a_module_a_label_or_a_source_is_refused() {
    let config = bound("/srv/data", Relabel::Private);
    let missing = Refusal::ModuleMissing { module: "SELinux" };
    let errors = plan(&config, &host()).unwrap_err();
    assert!(errors.iter().all(|error| error.refusal == missing), "{errors:?}");
    let mut unlabelled = config.clone();
    unlabelled.mount_label = None;
    assert!(refused(&unlabelled, &selinux())[0].contains("needs a mount label"));
    let mut unbound = config;
    let last = unbound.mounts.last_mut().unwrap();
    *last = Mount {
        relabel: Some(Relabel::Shared),
        ..Mount::filesystem("/data", "tmpfs", MountFlags::empty(), &[])
    };
    assert!(refused(&unbound, &selinux())[0].contains("only the source of a bind mount"));
}
