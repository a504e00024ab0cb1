//! A host becomes `HostFacts`: a few files read once each, and calls that fail on purpose.
//!
//! Reads and asks; changes nothing. What the texts mean is decided in [`crate::facts`].

mod accounts;
mod cgroup;
mod features;
mod read;
mod systemd;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use nix::errno::Errno as NixErrno;
use nix::sys::resource::getrlimit;
use nix::sys::stat::{SFlag, stat};
use nix::sys::statfs::{SELINUX_MAGIC, statfs};
use nix::sys::statvfs::FsFlags;
use nix::unistd::{AccessFlags, access};

use super::IgnoredSignals;
use crate::facts::{
    Caller, FactsError, Feature, HostFacts, KernelVersion, LsmFacts, MountFact, Needs, PathFact,
    ProcStatus, SubidFacts, UsernsFacts, parse_id_map, parse_mountinfo, parse_passwd,
    parse_proc_cgroup, parse_status, parse_subids,
};
use crate::types::{Errno, HostPath, Resource, Rlimit};
use read::Reader;

/// Why a host could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeError {
    /// A call failed.
    Call {
        /// The call and what it was about, as strace shows it.
        call: String,
        /// How it failed.
        errno: Errno,
    },
    /// A file does not say what such a file should.
    Text(FactsError),
    /// A file of the root that says who is who is not one that may be read.
    Account {
        /// The file inside the root.
        file: String,
        /// What is wrong with it.
        fault: &'static str,
    },
}

impl ProbeError {
    fn call(call: impl Into<String>, errno: NixErrno) -> Self {
        Self::Call { call: call.into(), errno: Errno(errno as i32) }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { call, errno } => write!(f, "{call} = {errno}"),
            Self::Text(error) => error.fmt(f),
            Self::Account { file, fault } => write!(f, "{file}: {fault}"),
        }
    }
}

impl std::error::Error for ProbeError {}

impl From<FactsError> for ProbeError {
    fn from(error: FactsError) -> Self {
        Self::Text(error)
    }
}

/// Looks at this host as the calling thread sees it, no further than `needs` asks.
///
/// # Errors
/// When `/proc` is not mounted or hides a file that every kernel has, when a text there cannot be read, when a path is
/// asked for and cannot be looked at for another reason than absence or permission.
///
/// # References
/// `proc(5)`, `capabilities(7)`, `user_namespaces(7)`, `cgroups(7)`.
pub fn probe(needs: &Needs) -> Result<HostFacts, ProbeError> {
    probe_to_start(needs).map(|(facts, _)| facts)
}

/// As [`probe`], and says which signals the calling process ignores: for [`Io::ignored`](super::Io), by a caller that
/// changes none of that before the start.
///
/// # Errors
/// As [`probe`].
pub fn probe_to_start(needs: &Needs) -> Result<(HostFacts, Option<IgnoredSignals>), ProbeError> {
    let mut reader = Reader::open()?;
    let status = parse_status(&reader.own("status")?)?;
    let mut kernel = features::kernel(&reader, &status, &needs.namespaces)?;
    if needs.suid_dumpable {
        let text = reader.file("/proc/sys/fs/suid_dumpable")?;
        kernel.suid_dumpable = text.map_or(0, |text| number_or(&text, 0));
    }
    // What AppArmor leaves of a user namespace is asked where it is there.
    let lsm = (needs.lsm || needs.userns).then(|| lsm(&mut reader)).transpose()?;
    let userns = lsm.as_ref().filter(|_| needs.userns);
    let userns = userns.map(|lsm| userns_facts(&mut reader, lsm)).transpose()?;
    let mut caller = caller(&mut reader, &status, needs)?;
    let mut mounts = None;
    if needs.mounts {
        mounts = Some(mount_table(&mut reader, kernel.version)?);
    }
    let mut cgroup = None;
    if needs.cgroup {
        let member = parse_proc_cgroup(&reader.own("cgroup")?)?;
        let table = match (&mounts, cgroup::only_tree(&reader, &member)?) {
            (Some(table), _) => Cow::Borrowed(&table[..]),
            (None, Some(tree)) => Cow::Owned(vec![tree]),
            (None, None) => Cow::Owned(mount_table(&mut reader, kernel.version)?),
        };
        let mut found = cgroup::cgroup(&mut reader, &table, &member, &caller, needs)?;
        if let Some(unified) = found.unified.as_mut().filter(|_| needs.delegate) {
            unified.delegate = cgroup::delegate(&mut reader)?;
        }
        features::cgroup_kill(&mut kernel, &found);
        cgroup = Some(found);
    }
    let systemd = match needs.systemd {
        true => systemd::systemd(&mut reader, caller.uid, cgroup.as_ref()),
        false => None,
    };
    let mut subids = None;
    if needs.subids {
        caller.name = login_name(&mut reader, caller.uid)?;
        subids = Some(subid_grants(&mut reader, &caller)?);
    }
    let accounts = match &needs.accounts {
        Some(root) => Some(accounts::read(root, kernel.features.contains(&Feature::Openat2))?),
        None => None,
    };
    let paths = needs.paths.iter().map(|path| Ok((path.clone(), path_fact(path)?)));
    // Without that call those that are handled are set back one by one too.
    let clears = kernel.features.contains(&Feature::ClearSighand);
    let ignored = status.ignored.filter(|_| clears).map(IgnoredSignals);
    let facts = HostFacts {
        schema: HostFacts::SCHEMA,
        kernel,
        caller,
        userns,
        lsm: lsm.filter(|_| needs.lsm),
        subids,
        cgroup,
        systemd,
        mounts: mounts.filter(|_| needs.mounts),
        paths: paths.collect::<Result<_, ProbeError>>()?,
        accounts,
    };
    Ok((facts, ignored))
}

/// Looks at everything that does not depend on a config: what a bug report wants.
///
/// # Errors
/// As [`probe`].
pub fn probe_all() -> Result<HostFacts, ProbeError> {
    probe(&Needs::everything())
}

/// Number of the first user namespace, the same on every kernel since 3.8 (`PROC_USER_INIT_INO`). Its id map alone
/// would not do: a namespace inside can have the same.
const INITIAL_USERNS: &str = "user:[4026531837]";

/// Whether the caller is in the first user namespace: where it is not, root is somebody else outside.
#[must_use]
pub fn in_initial_userns() -> bool {
    let link = std::fs::read_link("/proc/self/ns/user");
    link.map_or(true, |link| link.as_os_str() == INITIAL_USERNS)
}

fn caller(reader: &mut Reader, status: &ProcStatus, needs: &Needs) -> Result<Caller, ProbeError> {
    let in_initial_userns = match reader.own_link("ns/user")? {
        Some(link) => link == INITIAL_USERNS,
        None => true,
    };
    let mut oom_score_adj = None;
    if needs.oom_score_adj {
        oom_score_adj = Some(number_or(&reader.own("oom_score_adj")?, 0));
    }
    let mut caller = Caller {
        uid: status.uid,
        gid: status.gid,
        name: String::new(),
        groups: status.groups.clone(),
        permitted: status.permitted,
        effective: status.effective,
        bounding: status.bounding,
        in_initial_userns,
        uid_map: Vec::new(),
        gid_map: Vec::new(),
        setgroups_allowed: true,
        rlimits: rlimits(&needs.rlimits)?,
        oom_score_adj,
        threads: status.threads,
        processors: status.processors,
    };
    if !in_initial_userns {
        caller.uid_map = parse_id_map(&reader.own("uid_map")?)?;
        caller.gid_map = parse_id_map(&reader.own("gid_map")?)?;
        // Linux before 3.19 has no such file and allows it.
        caller.setgroups_allowed =
            reader.own_if_any("setgroups")?.is_none_or(|text| text.trim() != "deny");
    }
    Ok(caller)
}

fn rlimits(needed: &BTreeSet<Resource>) -> Result<BTreeMap<Resource, Rlimit>, ProbeError> {
    let mut limits = BTreeMap::new();
    for &resource in needed {
        let (soft, hard) = getrlimit(nix_resource(resource))
            .map_err(|errno| ProbeError::call(format!("getrlimit({resource})"), errno))?;
        let limit = Rlimit { soft, hard };
        if limit != (Rlimit { soft: u64::MAX, hard: u64::MAX }) {
            limits.insert(resource, limit);
        }
    }
    Ok(limits)
}

fn nix_resource(resource: Resource) -> nix::sys::resource::Resource {
    use nix::sys::resource::Resource as Nix;
    match resource {
        Resource::Cpu => Nix::RLIMIT_CPU,
        Resource::Fsize => Nix::RLIMIT_FSIZE,
        Resource::Data => Nix::RLIMIT_DATA,
        Resource::Stack => Nix::RLIMIT_STACK,
        Resource::Core => Nix::RLIMIT_CORE,
        Resource::Rss => Nix::RLIMIT_RSS,
        Resource::Nproc => Nix::RLIMIT_NPROC,
        Resource::Nofile => Nix::RLIMIT_NOFILE,
        Resource::Memlock => Nix::RLIMIT_MEMLOCK,
        Resource::As => Nix::RLIMIT_AS,
        Resource::Locks => Nix::RLIMIT_LOCKS,
        Resource::Sigpending => Nix::RLIMIT_SIGPENDING,
        Resource::Msgqueue => Nix::RLIMIT_MSGQUEUE,
        Resource::Nice => Nix::RLIMIT_NICE,
        Resource::Rtprio => Nix::RLIMIT_RTPRIO,
        Resource::Rttime => Nix::RLIMIT_RTTIME,
    }
}

fn userns_facts(reader: &mut Reader, lsm: &LsmFacts) -> Result<UsernsFacts, ProbeError> {
    let max = reader.file("/proc/sys/user/max_user_namespaces")?;
    let max = max.map_or(0, |text| number_or(&text, 0));
    let patch = reader.file("/proc/sys/kernel/unprivileged_userns_clone")?;
    let unprivileged_clone = patch.map(|text| text.trim() != "0");
    let mut apparmor_restricted = false;
    if lsm.apparmor {
        let switch = reader.file("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")?;
        apparmor_restricted = switch.is_some_and(|text| text.trim() != "0");
    }
    Ok(UsernsFacts { max, unprivileged_clone, apparmor_restricted })
}

fn lsm(reader: &mut Reader) -> Result<LsmFacts, ProbeError> {
    let apparmor = reader.file("/sys/module/apparmor/parameters/enabled")?;
    let selinux = statfs("/sys/fs/selinux").is_ok_and(|fs| {
        fs.filesystem_type() == SELINUX_MAGIC && !fs.flags().contains(FsFlags::ST_RDONLY)
    });
    let apparmor = apparmor.is_some_and(|text| text.starts_with('Y'));
    let apparmor_attr = apparmor && reader.own_has("attr/apparmor/exec");
    Ok(LsmFacts { apparmor, apparmor_attr, selinux })
}

/// Reads the mount table. It comes a page at a time, and before Linux 5.8 a mount that went away between two pages could
/// take its neighbours along, so there a table of several pages is read until it comes out the same twice.
fn mount_table(reader: &mut Reader, version: KernelVersion) -> Result<Vec<MountFact>, ProbeError> {
    const TRIES: usize = 8;
    const PAGE: usize = 4000;
    let mut text = reader.own_whole("mountinfo")?;
    if version < KernelVersion::new(5, 8) {
        for _ in 0..TRIES {
            if text.len() < PAGE {
                break;
            }
            let again = reader.own_whole("mountinfo")?;
            if again == text {
                break;
            }
            text = again;
        }
    }
    Ok(parse_mountinfo(&text)?)
}

fn login_name(reader: &mut Reader, uid: u32) -> Result<String, ProbeError> {
    let passwd = reader.file("/etc/passwd")?.unwrap_or_default();
    let name =
        parse_passwd(&passwd).find(|entry| entry.uid == uid).map(|entry| entry.name.to_owned());
    Ok(name.unwrap_or_default())
}

fn subid_grants(reader: &mut Reader, caller: &Caller) -> Result<SubidFacts, ProbeError> {
    let mut granted = |file| -> Result<_, ProbeError> {
        let text = reader.file(file)?.unwrap_or_default();
        Ok(parse_subids(&text, &caller.name, caller.uid))
    };
    Ok(SubidFacts {
        uids: granted("/etc/subuid")?,
        gids: granted("/etc/subgid")?,
        newuidmap: helper("newuidmap"),
        newgidmap: helper("newgidmap"),
    })
}

/// The first program of that name on `PATH`, absolute parts only.
fn helper(name: &str) -> Option<HostPath> {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin:/usr/sbin:/sbin".to_owned());
    path.split(':').filter_map(|dir| HostPath::new(dir).ok()).map(|dir| dir.child(name)).find(
        |path| {
            access(path.as_str(), AccessFlags::X_OK).is_ok()
                && stat(path.as_str()).is_ok_and(|it| file_type(it.st_mode) == SFlag::S_IFREG)
        },
    )
}

fn path_fact(path: &HostPath) -> Result<PathFact, ProbeError> {
    match stat(path.as_str()) {
        Ok(found) => Ok(match file_type(found.st_mode) {
            SFlag::S_IFDIR => PathFact::Directory,
            SFlag::S_IFREG => PathFact::File,
            _ => PathFact::Special,
        }),
        Err(NixErrno::ENOENT | NixErrno::ENOTDIR | NixErrno::ELOOP) => Ok(PathFact::Missing),
        Err(NixErrno::EACCES) => Ok(PathFact::Denied),
        Err(errno) => Err(ProbeError::call(format!("stat({:?})", path.as_str()), errno)),
    }
}

fn file_type(mode: libc::mode_t) -> SFlag {
    SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits())
}

fn number_or<T: std::str::FromStr>(text: &str, otherwise: T) -> T {
    text.trim().parse().unwrap_or(otherwise)
}
