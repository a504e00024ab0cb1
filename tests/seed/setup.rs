//! A setup process of the embedder's, which the original had for user namespaces: what it is given, and what its end means.

use std::fs;
use std::path::Path;

use nsplan::apply::InitProgram;
use nsplan::config::{Config, NamespaceSource};
use nsplan::namespaces::{Command, ExecError, Start, exec};
use nsplan::types::{HostPath, NamespaceKind};

use crate::exec::{range_of, template};
use crate::support::{Scratch, is_root, rootfs};

/// A shell of the host's that runs a script with the data path in its environment.
fn shell(script: &str, data_path: Option<&Path>) -> Command {
    let data_path = data_path.unwrap().to_str().unwrap();
    let program = InitProgram {
        program: Some(HostPath::new("/bin/sh").unwrap()),
        args: ["sh", "-c", script].map(Into::into).to_vec(),
        env: vec![format!("data_path={data_path}").into(), "PATH=/bin:/usr/bin".into()],
        dir: None,
    };
    Command { program, ..Command::default() }
}

fn with_userns(root: &Scratch) -> Config {
    nix::unistd::chown(root.path(), Some(100_000.into()), Some(100_000.into())).unwrap();
    let mut config = template(root);
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    (config.uid_mappings, config.gid_mappings) = (range_of(100_000, 1000), range_of(100_000, 1000));
    config
}

#[test]
fn a_setup_process_has_the_hosts_rights_and_comes_before_the_program() {
    if !is_root() {
        return;
    }
    let (root, place) = (rootfs("setup"), Scratch::new("setup-state"));
    let said = place.path().join("said");
    let said_by = said.display();
    let script =
        format!("exec >{said_by}; echo $data_path; id -u; readlink /proc/self/ns/user; cat");
    let data_path = place.path().join("one");
    let start = |script: &str, config: &Config| {
        let script = script.to_owned();
        let setup = move |_: &Config, data_path: Option<&Path>| shell(&script, data_path);
        let start = Start {
            data_path: Some(data_path.clone()),
            setup: Some(Box::new(setup)),
            ..Start::default()
        };
        exec(config, &["true"], start)
    };
    assert_eq!(start(&script, &with_userns(&root)).unwrap(), 0);
    let text = fs::read_to_string(&said).unwrap();
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    let first = format!("{}\n0\n{}\n", data_path.display(), own.display());
    let state = text.strip_prefix(&first).unwrap_or_else(|| panic!("{text}"));
    let state: serde_json::Value = serde_json::from_str(state).unwrap();
    assert!(state["pid"].as_u64().is_some_and(|pid| pid > 1), "{state}");
    // Its failure is that of the start, and everything is undone.
    let error = start("echo no >&2; exit 3", &with_userns(&root)).unwrap_err();
    let ExecError::Start(error) = error else { panic!("{error}") };
    assert!(error.left_behind.is_empty() && error.to_string().contains('3'), "{error}");
    assert!(!data_path.exists());
    // Without a user namespace there was none.
    fs::remove_file(&said).unwrap();
    assert_eq!(start(&script, &template(&root)).unwrap(), 0);
    assert!(!said.exists());
}
