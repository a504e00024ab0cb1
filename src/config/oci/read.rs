//! Turns a whole `config.json` into a `Config`: version, root, names, annotations, and the rooms of the rest.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::door::Door;
use super::fields::Fields;
use super::{OciParsed, OciSeccomp, extras, linux, mount, process, seccomp, version};
use crate::config::error::{ConfigErrors, Expected, Problem};
use crate::config::json::{self, Node};
use crate::config::{Config, Process, Seccomp};
use crate::types::{HostPath, Pointer};

/// Sections of the document that are about other platforms.
const PLATFORMS: [&str; 5] = ["freebsd", "solaris", "vm", "windows", "zos"];

/// Reads a `config.json` of version 1.0 to 1.3, and of later versions what they share with it.
///
/// `bundle` is the directory that a relative `root.path` and relative sources of bind mounts are in.
///
/// # Errors
/// Everything that is wrong with the document, in the order of the text. Text that is not JSON ends the search.
///
/// ```
/// use nsplan::{config::from_oci, types::HostPath};
///
/// let bundle = HostPath::new("/srv/bundle").expect("absolute");
/// let text = br#"{"ociVersion": "1.0.0", "root": {"path": "rootfs"}, "process": {"cwd": "/", "args": ["sh"]}}"#;
/// let parsed = from_oci(text, &bundle).expect("valid");
/// assert_eq!(parsed.config.root.path.as_str(), "/srv/bundle/rootfs");
/// ```
pub fn from_oci(text: &[u8], bundle: &HostPath) -> Result<OciParsed, ConfigErrors> {
    read(text, Door::new(bundle))
}

/// As [`from_oci`], but with a source map that has little in it, in little more than half of the time: what was asked for
/// where is worth knowing only once there is something to say of it.
///
/// # Errors
/// As [`from_oci`], with their places.
pub fn from_oci_unplaced(text: &[u8], bundle: &HostPath) -> Result<OciParsed, ConfigErrors> {
    read(text, Door::new(bundle).unplaced())
}

fn read(text: &[u8], mut door: Door<'_>) -> Result<OciParsed, ConfigErrors> {
    let bundle = door.bundle;
    let root = json::parse(text).map_err(|error| ConfigErrors(vec![error]))?;
    let read = document(&mut door, &root);
    let (source, ignored) = door.close(&root)?;
    // What could not be read was refused.
    let (config, version) = read.unwrap_or_else(|| (Config::on(bundle.clone()), String::new()));
    Ok(OciParsed { config: Config { ignored, ..config }, source, version })
}

/// Reads a document that is only the `process` of a `config.json`, in the directory `base`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn process_from_oci(text: &[u8], base: &HostPath) -> Result<Process, ConfigErrors> {
    let root = json::parse(text).map_err(|error| ConfigErrors(vec![error]))?;
    let mut door = Door::new(base);
    let process = process::of(&mut door, &root);
    door.close(&root)?;
    // What could not be read was refused.
    Ok(process.unwrap_or_else(|| Process::sandbox(Vec::new())))
}

/// Reads a profile that stands alone in its file, as `linux.seccomp` of a `config.json` is written.
///
/// # Errors
/// As [`from_oci`].
///
/// ```
/// use nsplan::config::seccomp_from_oci;
///
/// let text = br#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO"}]}"#;
/// assert_eq!(seccomp_from_oci(text).expect("valid").profile.rules[0].names, ["bpf"]);
/// ```
pub fn seccomp_from_oci(text: &[u8]) -> Result<OciSeccomp, ConfigErrors> {
    let root = json::parse(text).map_err(|error| ConfigErrors(vec![error]))?;
    let nowhere = HostPath::root();
    let mut door = Door::new(&nowhere);
    let read = seccomp::read(&mut door, &root);
    let (_, ignored) = door.close(&root)?;
    // What could not be read was refused.
    let profile = read.unwrap_or_else(Seccomp::of_everything);
    Ok(OciSeccomp { profile, ignored })
}

fn document<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<(Config, String)> {
    let mut top = door.fields(node)?;
    let version = oci_version(door, &mut top);
    for name in PLATFORMS {
        if let Some(member) = top.member(name) {
            door.refuse_at(member.place, Problem::OtherPlatform { name });
        }
    }
    let mut config = Config::on(door.bundle.clone());
    config.bundle = Some(door.bundle.clone());
    config.new_keyring = true;
    root(door, &mut top, &mut config);
    for (key, place) in [("hostname", "/hostname"), ("domainname", "/domainname")] {
        if let Some((text, node)) = top.text(door, key) {
            if text.len() > 64 {
                door.invalid(node, Expected::HostName);
            }
            door.note(Pointer::new(place), node);
            let name = Some(text.to_owned());
            if key == "hostname" { config.hostname = name } else { config.domainname = name }
        }
    }
    config.process = process::read(door, &mut top);
    mount::read(door, &mut top, &mut config);
    linux::read(door, &mut top, &mut config);
    extras::hooks(door, &mut top, &mut config.hooks);
    for member in top.map(door, "annotations") {
        if let Some(text) = door.text(&member.node) {
            config.annotations.insert(member.key.as_ref().to_owned(), text.to_owned());
        }
    }
    top.finish(door);
    Some((config, version?))
}

fn oci_version<'a>(door: &mut Door<'_>, top: &mut Fields<'a>) -> Option<String> {
    let node = top.required(door, "ociVersion")?;
    let text = door.text(node)?;
    match version::is_read(text) {
        None => door.invalid(node, Expected::SemanticVersion),
        Some(false) => door.invalid(node, Expected::OciVersion),
        Some(true) => {}
    }
    Some(text.to_owned())
}

fn root(door: &mut Door<'_>, top: &mut Fields<'_>, config: &mut Config) {
    let Some(node) = top.required(door, "root") else { return };
    let Some(mut fields) = door.fields(node) else { return };
    if let Some((text, node)) = fields.required_text(door, "path") {
        door.note(Pointer::new("/root/path"), node);
        if let Some(path) = below_bundle(door, text, node) {
            config.root.path = path;
        }
    }
    let here = Pointer::new("/root/readonly");
    if let Some(node) = fields.take("readonly") {
        door.note(here, node);
    }
    config.root.readonly = fields.flag(door, "readonly").unwrap_or_default();
    fields.finish(door);
}

/// A path on the host; one without a leading `/` is in the bundle.
pub(super) fn below_bundle(door: &mut Door<'_>, text: &str, node: &Node<'_>) -> Option<HostPath> {
    if text.starts_with('/') {
        return door.host_path(text, node);
    }
    let path = HostPath::new(&format!("{}/{text}", door.bundle));
    door.path(path, node)
}
