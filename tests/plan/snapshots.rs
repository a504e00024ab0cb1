//! Every sample config × every host: the plan, or why there is none, as text and as JSON.

use std::fs;
use std::path::Path;

use nsplan::config::{CgroupBase, CgroupPath, Config, PathComponent, from_libcontainer, from_oci};
use nsplan::facts::{AccountFacts, HostFacts, PathFact};
use nsplan::plan::{Plan, PlanError, invariants, needs, plan, plan_hint};
use nsplan::types::HostPath;

use crate::support::{fixtures, snapshot, stem};

fn host(path: &Path) -> HostFacts {
    let text = fs::read_to_string(path).expect("a fixture");
    HostFacts::from_json(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A sample, given a program to run and a root on any host.
fn sample(path: &Path) -> Config {
    let text = fs::read(path).expect("a fixture");
    let base = HostPath::new("/srv/bundle").unwrap();
    let mut config = if path.to_string_lossy().contains("/configs/oci/") {
        let parsed = from_oci(&text, &base);
        parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display())).config
    } else {
        let parsed = from_libcontainer(&text, &base);
        parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display())).config
    };
    if config.cgroup.as_ref().is_some_and(|cgroup| cgroup.path.parts.is_empty()) {
        let part = PathComponent::new("web1").unwrap();
        config.place_cgroup(CgroupPath { base: CgroupBase::Root, parts: vec![part] });
    }
    config.process.as_mut().expect("a process").args = vec!["sh".into()];
    config
}

/// The host with what any root file system would say.
fn with_root(mut facts: HostFacts, config: &Config) -> HostFacts {
    for path in needs(config).paths {
        facts.paths.insert(path, PathFact::Directory);
    }
    facts.accounts = Some(AccountFacts {
        passwd: Some("root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/sh\n".into()),
        group: Some("root:x:0:\ndaemon:x:1:\n".into()),
    });
    facts
}

fn words(planned: &Result<Plan, Vec<PlanError>>) -> String {
    match planned {
        Ok(plan) => plan.to_string(),
        Err(errors) => {
            let line = |error: &PlanError| {
                let hint = plan_hint(&error.refusal).map(|hint| format!("\n  hint: {hint}"));
                format!("{error}{}\n", hint.unwrap_or_default())
            };
            errors.iter().map(line).collect()
        }
    }
}

/// `seed-2015-02/minimal.json` → `seed-2015-02-minimal`.
fn name(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy();
    format!("{folder}-{}", stem(path))
}

/// The lines that differ, without the steps' numbers, which move on when a step is added.
fn difference(from: &str, to: &str) -> String {
    let plain = |text: &str| -> String {
        let line = |line: &str| {
            format!(
                "{}\n",
                line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            )
        };
        text.lines().map(line).collect()
    };
    let (from, to) = (plain(from), plain(to));
    let diff = similar::TextDiff::from_lines(&from, &to);
    let changed =
        diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
    changed.map(|change| format!("{}{change}", change.tag())).collect()
}

#[test]
fn every_sample_is_planned_or_refused_the_same_way_on_every_host() {
    let mut files = fixtures("configs/libcontainer", "json");
    assert_eq!(files.len(), 35, "samples of libcontainer's");
    files.extend(fixtures("configs/oci/real", "json"));
    files.extend(fixtures("configs/oci/own", "json"));
    for file in files {
        let config = sample(&file);
        let mut seen: Vec<(bool, String, Vec<String>)> = Vec::new();
        for host_file in fixtures("facts", "json") {
            let facts = with_root(host(&host_file), &config);
            let planned = plan(&config, &facts);
            if let Ok(plan) = &planned {
                assert_eq!(invariants(plan), Ok(()), "{} on {}", name(&file), stem(&host_file));
                assert_eq!(Plan::from_json(&plan.to_json()).as_ref(), Ok(plan));
            }
            let words = words(&planned);
            assert_eq!(words, self::words(&plan(&config, &facts)), "planned twice, got two plans");
            match seen.iter_mut().find(|(_, known, _)| *known == words) {
                Some((_, _, hosts)) => hosts.push(stem(&host_file)),
                None => seen.push((planned.is_ok(), words, vec![stem(&host_file)])),
            }
        }
        let is_libcontainers = file.to_string_lossy().contains("/configs/libcontainer/");
        let is_planned = seen.iter().any(|(is_plan, ..)| *is_plan);
        assert!(is_planned || !is_libcontainers, "{} is planned nowhere", name(&file));
        // All hosts of one sample in one file: the newest kernel's plan whole, the others as what differs from it.
        let is_newest = |hosts: &[String]| hosts.iter().any(|host| host == "kernel-7.0");
        seen.sort_by_key(|(_, _, hosts)| !is_newest(hosts));
        let base = seen[0].1.clone();
        let mut text = String::new();
        for (is_plan, words, hosts) in &seen {
            let (mark, body) = match is_newest(hosts) || !is_plan || !seen[0].0 {
                true => ("", words.clone()),
                false => (" differs", difference(&base, words)),
            };
            text.push_str(&format!("==== {}{mark}\n{body}\n", hosts.join(", ")));
        }
        snapshot("plan", &name(&file), "hosts with the same plan share one text", &text);
    }
}

#[test]
fn the_json_of_a_plan_is_a_format() {
    let file = crate::support::top().join("tests/configs/libcontainer/seed-2015-02/minimal.json");
    let config = sample(&file);
    for host_name in ["root-v1", "root-v2"] {
        let path = crate::support::top().join(format!("tests/facts/{host_name}.json"));
        let facts = with_root(host(&path), &config);
        let text = plan(&config, &facts).map(|plan| plan.to_json());
        let about = "the canonical JSON of a plan, schema 1";
        let name = format!("seed-2015-02-minimal@{host_name}");
        snapshot("plan-json", &name, about, &text.expect("planned on these hosts"));
    }
}

#[test]
fn the_sandbox_of_do_on_every_host() {
    for host_file in fixtures("facts", "json") {
        let mut facts = host(&host_file);
        facts.paths.insert(HostPath::new("/").unwrap(), PathFact::Directory);
        let with_userns = facts.caller.uid != 0;
        let root = HostPath::new("/").unwrap();
        let config =
            Config::sandbox(root, vec!["sh".into(), "-c".into(), "id".into()], with_userns);
        let planned = plan(&config, &facts);
        snapshot("plan-sandbox", &stem(&host_file), "nsplan do -- sh -c id", &words(&planned));
    }
}
