//! The programs that are measured: where they are, and the words that start the same container with each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nsplan::plan::Plan;

use crate::bundle::{Variant, bundles};
use crate::floor::{Times, floor};
use crate::gate::{Words, program, whole};

/// Who starts a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nsplan,
    /// The same program on a read-only mount: nothing is to be done about its file.
    NsplanReadonly,
    Crun,
    Runc,
    Youki,
    Bubblewrap,
    Unshare,
    Floor,
}

/// A program that was found.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
}

/// Where containers of a sitting are, and where runtimes keep their state.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) at: PathBuf,
    pub(crate) root: PathBuf,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Floor,
        Self::Nsplan,
        Self::NsplanReadonly,
        Self::Crun,
        Self::Runc,
        Self::Youki,
        Self::Bubblewrap,
        Self::Unshare,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nsplan => "nsplan",
            Self::NsplanReadonly => "nsplan, read-only",
            Self::Crun => "crun",
            Self::Runc => "runc",
            Self::Youki => "youki",
            Self::Bubblewrap => "bwrap",
            Self::Unshare => "unshare",
            Self::Floor => "floor",
        }
    }

    /// Has verbs and state: takes a bundle.
    pub(crate) fn is_runtime(self) -> bool {
        self.is_nsplan() || matches!(self, Self::Crun | Self::Runc | Self::Youki)
    }

    fn is_nsplan(self) -> bool {
        matches!(self, Self::Nsplan | Self::NsplanReadonly)
    }
}

/// Everything that is here; what is not is named.
pub(crate) fn found(missing: &mut Vec<String>) -> Vec<Contender> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let path = match kind {
            Kind::Floor => Some(PathBuf::new()),
            Kind::Nsplan => Some(own()),
            Kind::NsplanReadonly => readonly(&own()),
            _ => program(kind.name()),
        };
        match path {
            Some(path) => all.push(Contender { kind, path }),
            None => missing.push(format!("{}: not found", kind.name())),
        }
    }
    all
}

fn own() -> PathBuf {
    program("nsplan").unwrap_or_else(|| env!("CARGO_BIN_EXE_nsplan").into())
}

/// A copy of the program on a read-only mount, made once: in this process's own mount namespace, below its tmpfs.
fn readonly(own: &Path) -> Option<PathBuf> {
    let copy = PathBuf::from(READONLY);
    if copy.exists() {
        return Some(copy);
    }
    let none = None::<&str>;
    fs::create_dir_all(copy.parent()?).ok()?;
    fs::copy(own, &copy).ok()?;
    mount(Some(&copy), &copy, none, MsFlags::MS_BIND, none).ok()?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(none, &copy, none, flags, none).ok()?;
    Some(copy)
}

const READONLY: &str = "/run/report/read-only/nsplan";

impl Contender {
    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// What it says of its version, and how it is linked.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.path).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let first = text.unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        format!("{first}, {}", linkage(&self.path))
    }

    fn state(&self, place: &Place) -> String {
        place.at.join(format!("state-{}", self.file_name())).display().to_string()
    }

    /// Its name as a part of others.
    fn file_name(&self) -> String {
        self.name().replace([' ', ','], "")
    }

    /// The words that run a container to its end.
    ///
    /// # Errors
    /// When this program cannot start this container here.
    pub(crate) fn run(
        &self,
        place: &Place,
        variant: Variant,
        payload: &str,
        id: &str,
    ) -> Result<Words, String> {
        // What one leaves behind when it fails must not stand in another's way.
        let id = &format!("{id}-{}", self.file_name());
        let words = match self.kind {
            Kind::Floor => self.floor(place, variant, payload, id)?,
            Kind::Bubblewrap => bubblewrap(&self.path, &place.root, variant, payload)?,
            Kind::Unshare => unshare(&self.path, &place.root, variant, payload)?,
            _ => self.runtime(place, variant, payload, id)?,
        };
        if payload != "stays" {
            // The first start pays for what is cached afterwards, and shows whether there is one at all.
            whole(&words)?;
        }
        Ok(words)
    }

    fn runtime(
        &self,
        place: &Place,
        variant: Variant,
        payload: &str,
        id: &str,
    ) -> Result<Words, String> {
        let io = |error: std::io::Error| error.to_string();
        let (oci, other) = bundles(&place.at, &place.root, variant, payload, id).map_err(io)?;
        let mut words = vec![self.path.display().to_string(), "--root".into(), self.state(place)];
        if (self.kind, variant) == (Kind::Crun, Variant::NoCgroup) {
            words.push("--cgroup-manager=disabled".into());
        } else if variant == Variant::NoCgroup && !self.kind.is_nsplan() {
            return Err(format!("{} always makes a cgroup", self.name()));
        }
        let bundle = match other {
            Some(other) if self.kind.is_nsplan() && !self.takes_oci(&oci, variant) => other,
            None if self.kind.is_nsplan() && !self.takes_oci(&oci, variant) => {
                return Err(format!("nsplan cannot start `{}` yet", variant.name()));
            }
            _ => oci,
        };
        words.extend(["run".into(), "--bundle".into(), bundle.display().to_string(), id.into()]);
        if self.kind.is_nsplan() {
            words.extend(["--".into(), format!("/bin/{payload}")]);
        }
        Ok(Words(words))
    }

    fn takes_oci(&self, bundle: &Path, variant: Variant) -> bool {
        let plan = Words::new(["plan", "--bundle"]);
        let mut words = vec![self.path.display().to_string()];
        words.extend(plan.0);
        words.push(bundle.display().to_string());
        variant != Variant::NoCgroup && whole(&Words(words)).is_ok()
    }

    /// A program made from nsplan's own plan of the same container.
    fn floor(
        &self,
        place: &Place,
        variant: Variant,
        payload: &str,
        id: &str,
    ) -> Result<Words, String> {
        let bytes = floor(&nsplans(place, variant, payload, id)?, Times::Once)?;
        let name = variant.name().replace([' ', '+'], "");
        let file = place.at.join(format!("floor-{name}-{payload}-{id}"));
        crate::write_program(&file.display().to_string(), &bytes)?;
        Ok(Words::new([file.display().to_string()]))
    }
}

/// nsplan's plan of a container, as the program found makes it here.
pub(crate) fn nsplans(
    place: &Place,
    variant: Variant,
    payload: &str,
    id: &str,
) -> Result<Plan, String> {
    let all = found(&mut Vec::new());
    let nsplan = all.iter().find(|found| found.kind == Kind::Nsplan).ok_or("no nsplan")?;
    let mut words = nsplan.runtime(place, variant, payload, id)?;
    // `--root DIR run --bundle DIR ID -- PAYLOAD` becomes `plan --json --bundle DIR -- PAYLOAD`.
    let bundle = words.0[5].clone();
    words.0.truncate(1);
    words.0.extend(["plan", "--json", "--bundle", &bundle, "--"].map(String::from));
    words.0.push(format!("/bin/{payload}"));
    let output = words.command().output().map_err(|error| error.to_string())?;
    Plan::from_json(&String::from_utf8_lossy(&output.stdout)).map_err(|error| error.to_string())
}

/// bubblewrap does less: no cgroup, no masked paths; and it forks once more for its first process.
fn bubblewrap(path: &Path, root: &Path, variant: Variant, payload: &str) -> Result<Words, String> {
    if !matches!(variant, Variant::NoCgroup | Variant::HostNetwork | Variant::UserNamespace) {
        return Err(format!("bwrap has no `{}`: see `no cgroup`", variant.name()));
    }
    let (path, root) = (path.display().to_string(), root.display().to_string());
    let mut words = vec![path.as_str(), "--unshare-pid", "--unshare-ipc", "--unshare-uts"];
    words.push("--unshare-cgroup");
    if variant != Variant::HostNetwork {
        words.push("--unshare-net");
    }
    if variant == Variant::UserNamespace {
        words.push("--unshare-user");
    }
    words.extend(["--ro-bind", &root, "/", "--proc", "/proc", "--dev", "/dev"]);
    words.extend(["--mqueue", "/dev/mqueue", "--ro-bind", "/sys", "/sys"]);
    words.extend(["--hostname", "report", "--cap-drop", "ALL", "--new-session", "--"]);
    let program = format!("/bin/{payload}");
    words.push(&program);
    Ok(Words::new(words))
}

/// unshare does much less: namespaces, procfs and a new root.
fn unshare(path: &Path, root: &Path, variant: Variant, payload: &str) -> Result<Words, String> {
    if !matches!(variant, Variant::NoCgroup | Variant::HostNetwork) {
        return Err(format!("unshare has no `{}`: see `no cgroup`", variant.name()));
    }
    let mut words = vec![path.display().to_string()];
    let kinds = ["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork"];
    words.extend(kinds.map(String::from));
    if variant != Variant::HostNetwork {
        words.push("--net".into());
    }
    words.push(format!("--root={}", root.display()));
    words.push("--mount-proc=/proc".into());
    words.push(format!("/bin/{payload}"));
    Ok(Words(words))
}

/// Dynamic or static, as the file's headers have it.
fn linkage(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let kind = if holds(b"/lib64/ld-linux") {
        "dynamic"
    } else if holds(b"GNU C Library") {
        "static, glibc"
    } else {
        "static"
    };
    format!("{kind}, {} KiB", bytes.len() / 1024)
}
