//! systemd as it answers on its bus becomes `SystemdFacts`.

use super::read::Reader;
use crate::apply::systemd;
use crate::facts::{
    CgroupFacts, SystemdFacts, parse_bus_address, parse_controllers, parse_systemd_version,
};
use crate::types::HostPath;

/// What the manager says that makes scopes for `uid`; `None` if it does not run or does not answer.
pub(super) fn systemd(
    reader: &mut Reader,
    uid: u32,
    cgroup: Option<&CgroupFacts>,
) -> Option<SystemdFacts> {
    cgroup.filter(|tree| tree.systemd)?;
    let bus = socket(uid)?;
    let (version, own) = systemd::identity(&bus).ok()?;
    let version = parse_systemd_version(&version)?;
    // The root itself is told as an empty path, or as that of systemd's own process.
    let own = own.strip_suffix("/init.scope").unwrap_or(&own);
    let own = if own.is_empty() { "/" } else { own };
    let unified = cgroup.and_then(|tree| tree.unified.as_ref());
    let file = unified.and_then(|unified| unified.directory(own));
    let file = file.map(|directory| directory.child("cgroup.controllers"));
    let controllers = file.and_then(|file| reader.file(file.as_str()).ok().flatten());
    let controllers = controllers.map(|text| parse_controllers(&text)).unwrap_or_default();
    Some(SystemdFacts { bus, version, cgroup: own.to_owned(), controllers })
}

/// Root asks the system's manager, everybody else the user's own.
fn socket(uid: u32) -> Option<HostPath> {
    let variable = |name| std::env::var(name).ok();
    let (address, usual) = if uid == 0 {
        (variable("DBUS_SYSTEM_BUS_ADDRESS"), "/run/dbus/system_bus_socket".to_owned())
    } else {
        let runtime = variable("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{uid}"));
        (variable("DBUS_SESSION_BUS_ADDRESS"), format!("{runtime}/bus"))
    };
    match address {
        Some(address) => parse_bus_address(&address),
        None => HostPath::new(&usual).ok(),
    }
}
