//! A network that is there already, joined by its path in every spelling that the format has had.

use std::fs;

use nsplan::apply::ExitStatus;
use nsplan::config::from_libcontainer;

use crate::duties::Sleeper;
use crate::island::{ip_inside, island, links};
use crate::stage::{Rootfs, plan, run, start};

/// A document that joins that network, as it was said from version 1.0.0 on.
fn documents(path: &str) -> [String; 3] {
    let map = r#""namespaces":{"NEWNS":true,"NEWPID":true,"NEWNET":true}"#;
    let rest = r#""environment":["PATH=/bin"]"#;
    [
        format!(
            r#"{{{map},{rest},"mounts":[],"networks":[{{"type":"netns","context":{{"nspath":"{path}"}}}}]}}"#
        ),
        format!(
            r#"{{{map},{rest},"mount_config":{{}},"networks":[{{"type":"netns","ns_path":"{path}"}}]}}"#
        ),
        format!(
            r#"{{"namespaces":[{{"type":"NEWNS"}},{{"type":"NEWPID"}},{{"type":"NEWNET","path":"{path}"}}],
            {rest},"mount_config":{{}}}}"#
        ),
    ]
}

#[test]
fn a_network_is_joined_by_its_path_in_every_spelling_and_outlives_the_container() {
    island(|| {
        let rootfs = Rootfs::new();
        let sleeper = Sleeper::new(true);
        ip_inside(sleeper.pid(), "link add theirs type veth peer name others");
        let path = format!("/proc/{}/ns/net", sleeper.pid());
        let theirs = fs::read_link(&path).unwrap();
        for text in documents(&path) {
            let read = from_libcontainer(text.as_bytes(), &rootfs.host_path());
            let mut config = read.unwrap_or_else(|error| panic!("{text}: {error}")).config;
            let script = "readlink /proc/self/ns/net; ls /sys/class/net";
            config.process.as_mut().unwrap().args = ["sh", "-c", script].map(String::from).into();
            let (status, said) = run(&plan(&config));
            let expected = format!("{}\nlo\nothers\ntheirs\n", theirs.display());
            assert_eq!((status, said), (ExitStatus::Exited(0), expected), "{text}");
        }
        let still = ip_inside(sleeper.pid(), "link show theirs");
        assert_eq!(still[0]["ifname"], "theirs", "{still:#}");
        assert_eq!(links(), ["lo"]);
    });
}

#[test]
fn a_network_that_is_not_there_is_named() {
    island(|| {
        let rootfs = Rootfs::new();
        for text in documents("/run/no-such-network") {
            let read = from_libcontainer(text.as_bytes(), &rootfs.host_path());
            let mut config = read.unwrap_or_else(|error| panic!("{text}: {error}")).config;
            config.process.as_mut().unwrap().args = vec!["true".into()];
            let facts = nsplan::apply::probe::probe(&nsplan::plan::needs(&config)).unwrap();
            let error = match nsplan::plan::plan(&config, &facts) {
                Ok(plan) => start(&plan).expect_err("a failure").to_string(),
                Err(errors) => errors[0].to_string(),
            };
            assert!(error.contains("no-such-network"), "{error}");
        }
    });
}
