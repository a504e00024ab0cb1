//! Turns the texts of `--volume`, `--mount`, `--tmpfs`, `--device` into mounts.
//!
//! Pure.

use super::super::report::Problem;
use super::super::units::Bytes;
use super::{number, parse, path_problem, root_path};
use crate::config::{BindSource, Mount, MountKind, Relabel};
use crate::types::{HostPath, MountFlags, Propagation, PropagationKind, RootPath};

/// A path on the host; a relative one begins with `.` and is below `cwd`.
pub(in crate::cli) fn host_path(text: &str, cwd: &HostPath) -> Result<HostPath, Problem> {
    if text.starts_with('/') || text.is_empty() {
        return HostPath::new(text).map_err(path_problem);
    }
    HostPath::new(&format!("{cwd}/{text}")).map_err(path_problem)
}

/// `SRC:DST[:OPTIONS]`.
pub(super) fn volume(text: &str, cwd: &HostPath) -> Result<Mount, Problem> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, options) = match parts[..] {
        [source, destination] => (source, destination, ""),
        [source, destination, options] => (source, destination, options),
        [path] => {
            let hint = format!("{path}:{path} shows the host's, --tmpfs {path} an empty one");
            return Err(Problem::new("expected SRC:DST").hint(hint));
        }
        _ => {
            let hint = "paths with colons: --mount type=bind,source=SRC,target=DST";
            return Err(Problem::new("too many colons").hint(hint));
        }
    };
    if !source.contains('/') && !source.starts_with('.') && !source.is_empty() {
        let hint = format!("`./{source}` is the one here; nsplan keeps no volumes by name");
        return Err(Problem::new(format!("`{source}` is not a path")).hint(hint));
    }
    let mut mount = bind(host_path(source, cwd)?, target(destination)?);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        volume_option(&mut mount, option)?;
    }
    cover_below(&mut mount);
    Ok(mount)
}

/// `type=bind,source=…,target=…`.
pub(super) fn mount(text: &str, cwd: &HostPath) -> Result<Mount, Problem> {
    let (mut kind, mut source, mut at, mut options) = ("bind", None, None, Vec::new());
    for part in text.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key {
            "type" => kind = value,
            "source" | "src" => source = Some(value),
            "target" | "destination" | "dst" => at = Some(target(value)?),
            "readonly" | "ro" if matches!(value, "" | "true" | "1") => options.push("ro".into()),
            "readonly" | "ro" if matches!(value, "false" | "0") => options.push("rw".into()),
            "bind-propagation" => options.push(value.to_owned()),
            "bind-recursive" if value == "disabled" => options.push("bind".into()),
            "tmpfs-size" => options.push(format!("size={value}")),
            "tmpfs-mode" => options.push(format!("mode={value}")),
            _ => return Err(Problem::new(format!("`{part}` is unknown"))),
        }
    }
    let at = at.ok_or_else(|| Problem::new("target= is missing"))?;
    match (kind, source) {
        ("bind", Some(source)) => {
            let mut mount = bind(host_path(source, cwd)?, at);
            for option in &options {
                volume_option(&mut mount, option)?;
            }
            cover_below(&mut mount);
            Ok(mount)
        }
        ("bind", None) => Err(Problem::new("source= is missing")),
        ("tmpfs", None) => memory(at, options.iter().map(String::as_str)),
        ("tmpfs", Some(_)) => Err(Problem::new("a tmpfs has no source=")),
        _ => Err(Problem::new(format!("type `{kind}`: expected `bind` or `tmpfs`"))),
    }
}

/// `DST[:OPTIONS]`.
pub(super) fn tmpfs(text: &str) -> Result<Mount, Problem> {
    let (destination, options) = text.split_once(':').unwrap_or((text, ""));
    memory(target(destination)?, options.split(',').filter(|option| !option.is_empty()))
}

/// `/dev/shm` of another size.
pub(super) fn shm(size: &str) -> Result<Mount, Problem> {
    let Bytes(bytes) = parse(size)?;
    let size = format!("size={bytes}");
    memory(root_path("/dev/shm")?, ["mode=1777", size.as_str()].into_iter())
}

/// `PATH[:INSIDE[:ACCESS]]`: the host's node, bound. A node made anew would not work in a user namespace.
pub(super) fn device(text: &str) -> Result<Mount, Problem> {
    let mut parts = text.splitn(3, ':');
    let path = parts.next().unwrap_or_default();
    let inside = parts.next().unwrap_or(path);
    if !matches!(parts.next(), None | Some("rw" | "rwm")) {
        let hint = "the node's own permissions count; leave the letters out";
        return Err(Problem::new("access other than `rw` cannot be enforced").hint(hint));
    }
    let mut mount = bind(HostPath::new(path).map_err(path_problem)?, target(inside)?);
    mount.set = MountFlags::MS_NOSUID | MountFlags::MS_NOEXEC;
    mount.clear = MountFlags::MS_NODEV;
    Ok(mount)
}

/// A recursive bind mount of something of the host's.
pub(super) fn bind(source: HostPath, destination: RootPath) -> Mount {
    let source = BindSource { source, recursive: true };
    Mount {
        propagation: vec![Propagation { kind: PropagationKind::Private, recursive: true }],
        ..Mount::new(destination, MountKind::Bind(source), MountFlags::empty())
    }
}

/// A place to mount on: not the root itself.
fn target(text: &str) -> Result<RootPath, Problem> {
    let path = root_path(text)?;
    if path.is_root() {
        return Err(Problem::new("nothing is mounted over the root").hint("use --rootfs DIR"));
    }
    Ok(path)
}

fn volume_option(mount: &mut Mount, option: &str) -> Result<(), Problem> {
    if flag_option(mount, option) {
        return Ok(());
    }
    if let Some(propagation) = propagation(option) {
        mount.propagation = vec![propagation];
        return Ok(());
    }
    if matches!(option, "z" | "Z") && mount.relabel.is_some() {
        return Err(Problem::new("a volume is shared (`z`) or private (`Z`), not both"));
    }
    match (option, &mut mount.kind) {
        ("bind", MountKind::Bind(source)) => source.recursive = false,
        ("rbind", MountKind::Bind(source)) => source.recursive = true,
        ("z", _) => mount.relabel = Some(Relabel::Shared),
        ("Z", _) => mount.relabel = Some(Relabel::Private),
        _ => {
            let hint = "`nsplan help do` lists them at --volume";
            return Err(Problem::new(format!("option `{option}` is unknown")).hint(hint));
        }
    }
    Ok(())
}

/// What is read-only or without devices is so below as well: nobody expects a hole in it.
fn cover_below(mount: &mut Mount) {
    if matches!(&mount.kind, MountKind::Bind(source) if source.recursive) {
        mount.set_recursive = core::mem::take(&mut mount.set);
    }
}

fn flag_option(mount: &mut Mount, option: &str) -> bool {
    let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == option) else {
        let opposite = OPPOSITES.iter().find(|(name, _)| *name == option);
        let Some((_, flag)) = opposite else {
            return false;
        };
        mount.set.remove(*flag);
        mount.clear.insert(*flag);
        return true;
    };
    if MountFlags::ATIME.contains(*flag) {
        mount.set.remove(MountFlags::ATIME);
    }
    mount.set.insert(*flag);
    mount.clear.remove(*flag);
    true
}

const FLAGS: [(&str, MountFlags); 9] = [
    ("ro", MountFlags::MS_RDONLY),
    ("nosuid", MountFlags::MS_NOSUID),
    ("nodev", MountFlags::MS_NODEV),
    ("noexec", MountFlags::MS_NOEXEC),
    ("nosymfollow", MountFlags::MS_NOSYMFOLLOW),
    ("noatime", MountFlags::MS_NOATIME),
    ("relatime", MountFlags::MS_RELATIME),
    ("strictatime", MountFlags::MS_STRICTATIME),
    ("nodiratime", MountFlags::MS_NODIRATIME),
];

const OPPOSITES: [(&str, MountFlags); 4] = [
    ("rw", MountFlags::MS_RDONLY),
    ("suid", MountFlags::MS_NOSUID),
    ("dev", MountFlags::MS_NODEV),
    ("exec", MountFlags::MS_NOEXEC),
];

fn propagation(option: &str) -> Option<Propagation> {
    let (name, recursive) = match option {
        "rprivate" | "rshared" | "rslave" => (&option[1..], true),
        name => (name, false),
    };
    let kind = match name {
        "private" => PropagationKind::Private,
        "shared" => PropagationKind::Shared,
        "slave" => PropagationKind::Slave,
        _ => return None,
    };
    Some(Propagation { kind, recursive })
}

/// An empty file system in memory.
fn memory<'a>(at: RootPath, options: impl Iterator<Item = &'a str>) -> Result<Mount, Problem> {
    let flags = MountFlags::MS_NOSUID | MountFlags::MS_NODEV | MountFlags::MS_NOEXEC;
    let mut mount = Mount::filesystem(at.as_str(), "tmpfs", flags, &[]);
    for option in options {
        if flag_option(&mut mount, option) {
            continue;
        }
        if option == "tmpcopyup" {
            mount.copy_up = true;
            continue;
        }
        let value = memory_value(option)?;
        if let MountKind::Filesystem { data, .. } = &mut mount.kind {
            data.push(value);
        }
    }
    mount.clear = MountFlags::empty();
    Ok(mount)
}

/// A `key=value` of a tmpfs, in the kernel's own form.
fn memory_value(option: &str) -> Result<String, Problem> {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    let is_octal = |value: &str| u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o7777);
    Ok(match key {
        "size" if value.ends_with('%') => {
            number(&value[..value.len() - 1], 1u32, 100)?;
            option.to_owned()
        }
        "size" => format!("size={}", parse::<Bytes>(value)?.0),
        "mode" if is_octal(value) => option.to_owned(),
        "mode" => return Err(Problem::new(format!("`{option}`: expected an octal mode"))),
        "uid" | "gid" | "nr_inodes" => format!("{key}={}", number(value, 0, u32::MAX - 1)?),
        _ => return Err(Problem::new(format!("option `{option}` is unknown"))),
    })
}
