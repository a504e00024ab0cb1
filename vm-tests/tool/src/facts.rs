//! The running kernel and a fixture become `ok` and `not ok` lines: one for each fact that a fixture must have right.

use std::collections::BTreeSet;
use std::fmt::Debug;

use nsplan::apply::probe::probe_all;
use nsplan::facts::{Feature, HostFacts};

/// What goes with a feature when its calls are hidden, because it needs them.
fn implied(name: &str) -> &[&str] {
    match name {
        "clone3" => &["clone3", "clone-clear-sighand", "clone-into-cgroup"],
        "close_range" => &["close_range", "close-range-cloexec"],
        "mount-api" => &["mount-api"],
        "mount_setattr" => &["mount_setattr"],
        "openat2" => &["openat2"],
        "pidfd" => &["pidfd"],
        _ => &[],
    }
}

/// Whether the fixture is of the kernel's very version.
pub enum Version {
    Same,
    OrNewer,
}

pub fn compare(fixture: &str, version: Version, without: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(fixture).map_err(|error| format!("{fixture}: {error}"))?;
    let expected =
        HostFacts::from_json(&text).map_err(|error| format!("{fixture}: {error}"))?.kernel;
    let probed = probe_all().map_err(|error| error.to_string())?.kernel;
    println!("# release {} against {fixture}", probed.release);

    let hidden: BTreeSet<&str> = without.split(',').flat_map(implied).copied().collect();
    let names = |features: &BTreeSet<Feature>| -> BTreeSet<&'static str> {
        features.iter().map(|feature| feature.name()).collect()
    };
    let features: BTreeSet<_> = names(&expected.features).difference(&hidden).copied().collect();
    let mut all_ok = true;
    // The fixture of the newest kernel stands for those that come after it, until it is moved on.
    let version = match version {
        Version::OrNewer if probed.version >= expected.version => probed.version,
        _ => expected.version,
    };
    all_ok &= check("version", &probed.version, &version);
    all_ok &= check("machine", &probed.machine, &expected.machine);
    all_ok &= check("last capability", &probed.last_capability, &expected.last_capability);
    all_ok &= check("namespaces", &probed.namespaces, &expected.namespaces);
    all_ok &= check("features", &names(&probed.features), &features);
    if all_ok { Ok(()) } else { Err("the fixture does not say what this kernel says".to_owned()) }
}

fn check<T: Debug + PartialEq>(what: &str, probed: &T, expected: &T) -> bool {
    let is_ok = probed == expected;
    match is_ok {
        true => println!("ok - {what}"),
        false => println!("not ok - {what}: probed {probed:?}, fixture says {expected:?}"),
    }
    is_ok
}
