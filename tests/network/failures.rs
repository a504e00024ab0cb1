//! Networks that cannot be made: the step and the kernel's word are told, and no link is left.

use nsplan::apply::{StateDir, sweep};
use nsplan::config::{Config, Route, Veth};
use nsplan::plan::{Actor, NetworkOp, Op, apply_hint};
use nsplan::types::{Errno, Signal};

use crate::island::{bridge, ip, island, links};
use crate::links::linked;
use crate::planned::{interface, veth};
use crate::stage::{Rootfs, Scratch, plan, start, start_in};

/// Starts a config that fails in a step of the parent's; nothing but `left` is there afterwards.
#[track_caller]
fn check(config: &Config, call: &str, errno: Errno, hint: &str, left: &[&str]) {
    let plan = plan(config);
    let error = start(&plan).expect_err("a failure");
    assert_eq!((error.call(), error.errno()), (Some(call), Some(errno)), "{error}");
    let step = error.step.expect("a step");
    assert_eq!(step.actor, Actor::Parent, "{error}");
    assert!(error.left_behind.is_empty(), "{error}");
    let op = &plan.step(step).unwrap().op;
    let said = apply_hint(op, errno).unwrap_or_default();
    assert!(said.contains(hint), "{said}");
    assert_eq!(links(), left);
}

#[test]
fn a_bridge_that_is_not_there() {
    island(|| {
        let rootfs = Rootfs::new();
        let config = linked(rootfs.shell("true"), [veth()]);
        check(&config, "RTM_GETLINK", Errno::ENODEV, "ip link add br0 type bridge", &["lo"]);
    });
}

#[test]
fn a_bridge_that_is_none() {
    island(|| {
        let rootfs = Rootfs::new();
        ip("link add br0 type veth peer name other");
        let config = linked(rootfs.shell("true"), [veth()]);
        let left = ["br0", "lo", "other"];
        check(&config, "RTM_SETLINK", Errno::EOPNOTSUPP, "br0 is not a bridge", &left);
    });
}

#[test]
fn a_name_that_is_taken_stays_its_owners() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        ip("link add outer type veth peer name theirs");
        let config =
            linked(rootfs.shell("true"), [Veth { host_name: Some("outer".into()), ..veth() }]);
        let left = ["br0", "lo", "outer", "theirs"];
        check(&config, "RTM_NEWLINK", Errno::EEXIST, "has an interface outer already", &left);
    });
}

#[test]
fn a_second_pair_that_fails_takes_the_first_along() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let second = Veth { bridge: "br1".into(), ..veth() };
        let config = linked(rootfs.shell("true"), [veth(), second]);
        check(&config, "RTM_GETLINK", Errno::ENODEV, "br1", &["br0", "lo"]);
    });
}

#[test]
fn a_route_that_leads_nowhere() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let mut config = linked(rootfs.shell("true"), [veth()]);
        config.routes.push(Route {
            destination: Some(interface("192.0.2.0/24")),
            source: None,
            gateway: Some("10.99.0.1".parse().unwrap()),
            interface: Some("eth0".into()),
        });
        check(
            &config,
            "RTM_NEWROUTE",
            Errno::ENETUNREACH,
            "the gateway is in no network",
            &["br0", "lo"],
        );
        config.routes[0].gateway = Some("10.1.0.1".parse().unwrap());
        config.routes[0].source = Some("10.1.0.77".parse().unwrap());
        check(&config, "RTM_NEWROUTE", Errno::EINVAL, "10.1.0.77 is none", &["br0", "lo"]);
    });
}

#[test]
fn a_program_that_is_not_there_leaves_no_link() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let plan = plan(&linked(rootfs.config(&["nothing"]), [veth()]));
        let error = start(&plan).expect_err("no such program");
        assert_eq!(error.exit_code(), Some(127), "{error}");
        assert!(error.left_behind.is_empty(), "{error}");
        assert_eq!(links(), ["br0", "lo"]);
    });
}

#[test]
fn what_fails_inside_is_blamed_and_not_the_network() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let mut config = linked(rootfs.shell("true"), [veth(), veth(), veth()]);
        config.sysctl.insert("fs.mqueue.no_such_thing".into(), "1".into());
        let plan = plan(&config);
        for _ in 0..5 {
            let error = start(&plan).expect_err("no such parameter");
            assert_eq!(error.step.map(|step| step.actor), Some(Actor::Init), "{error}");
            assert_eq!(error.errno(), Some(Errno::ENOENT), "{error}");
            assert_eq!(links(), ["br0", "lo"]);
        }
    });
}

#[test]
fn the_journal_knows_the_real_name_and_a_dead_launchers_link_goes() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let scratch = Scratch::new();
        let state = StateDir { root: scratch.path().join("state"), id: "box".into() };
        let plan = plan(&linked(rootfs.config(&["sleep", "1000"]), [veth()]));
        let (container, _output) = start_in(&plan, Some(state.clone())).unwrap();
        let name = container.links().next().unwrap().to_owned();
        let pid = i32::try_from(container.pid()).unwrap();
        let journal = std::fs::read_to_string(state.root.join("box/journal")).unwrap();
        assert!(journal.contains(&format!(r#"{{"fixed":"{name}"}}"#)), "{journal}");
        assert_eq!(links(), ["br0", "lo", &name]);
        // A launcher that lives is left alone; one that is dead holds no lock.
        assert_eq!(sweep(&state.root), []);
        drop(container);
        // A child of another test's holds the lock as well, until it has executed its program.
        let swept = (0..1000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            Some(sweep(&state.root)).filter(|swept| !swept.is_empty())
        });
        let swept = swept.expect("a journal that nobody holds");
        assert_eq!(swept.len(), 1);
        assert!(swept[0].undone >= 1 && swept[0].left_behind.is_empty(), "{swept:?}");
        assert_eq!(links(), ["br0", "lo"]);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
        nix::sys::wait::waitpid(
            nix::unistd::Pid::from_raw(pid),
            Some(nix::sys::wait::WaitPidFlag::__WALL),
        )
        .unwrap();
    });
}

#[test]
fn a_journal_is_no_leave_to_remove_other_links() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let scratch = Scratch::new();
        let state = StateDir { root: scratch.path().join("state"), id: "box".into() };
        let plan = plan(&linked(rootfs.config(&["sleep", "1000"]), [veth()]));
        let (mut container, _output) = start_in(&plan, Some(state.clone())).unwrap();
        let name = container.links().next().unwrap().to_owned();
        // Its name now means a bridge.
        ip(&format!("link delete {name}"));
        ip(&format!("link add {name} type bridge"));
        container.kill(Signal::KILL).unwrap();
        let error = container.wait().expect_err("what has that name is none of ours");
        let [left] = &error.left_behind[..] else { panic!("{error}") };
        assert!(matches!(left.undo, Op::Network(NetworkOp::RemoveLink { .. })), "{error}");
        assert_eq!(left.fault.errno, Errno::EPERM);
        assert_eq!(links(), ["br0", "lo", &name]);
    });
}
