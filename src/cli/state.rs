//! Finds the directory where the state of containers is kept.

use std::fs::{DirBuilder, symlink_metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

use super::report::{Failure, Problem};
use super::run::is_in_initial_userns;
use crate::types::HostPath;

/// The directory of a program's caller: what `--root` says, made absolute, or the usual place.
///
/// # Errors
/// As [`place`].
pub fn root(tool: &str, given: Option<&HostPath>) -> Result<HostPath, Failure> {
    let runtime = std::env::var("XDG_RUNTIME_DIR").ok();
    let uid = nix::unistd::geteuid().as_raw();
    // Root of a user namespace is an ordinary user outside, to whom `/run` does not belong.
    let user = (uid != 0 || !is_in_initial_userns()).then_some(uid);
    place(tool, given.map(HostPath::as_str), user, runtime.as_deref())
}

/// The directory: what `--root` says, `/run/TOOL` for root, else `$XDG_RUNTIME_DIR/TOOL` or, without that,
/// `/tmp/TOOL-UID` of the ordinary user. Pure.
///
/// # Errors
/// When the path is none.
pub fn place(
    tool: &str,
    root: Option<&str>,
    user: Option<u32>,
    runtime: Option<&str>,
) -> Result<HostPath, Failure> {
    let text = match (root, user, runtime) {
        (Some(root), ..) => root.to_owned(),
        (None, None, _) => format!("/run/{tool}"),
        (None, _, Some(runtime)) if runtime.starts_with('/') => format!("{runtime}/{tool}"),
        (None, Some(uid), _) => format!("/tmp/{tool}-{uid}"),
    };
    HostPath::new(&text).map_err(|error| Problem::new(error.to_string()).at(text).into())
}

/// Makes the directory, or checks that the one that is there is the caller's and nobody else can write to it: in `/tmp`
/// anyone could have been first.
///
/// # Errors
/// When it cannot be made, or is not the caller's.
pub fn prepare(root: &HostPath, uid: u32) -> Result<(), Failure> {
    let fail = |text: String| {
        Failure::from(Problem::new(text).at(root).hint("choose another with --root DIR"))
    };
    match DirBuilder::new().mode(0o700).recursive(true).create(root.as_str()) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(fail(format!("mkdir: {error}")));
        }
        _ => {}
    }
    let found = symlink_metadata(root.as_str()).map_err(|error| fail(format!("lstat: {error}")))?;
    if !found.is_dir() {
        return Err(fail("not a directory".into()));
    }
    if found.uid() != uid {
        return Err(fail(format!("belongs to uid {}, expected {uid}", found.uid())));
    }
    if found.mode() & 0o022 != 0 {
        return Err(fail(format!("writable by others (mode {:o})", found.mode() & 0o7777)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_place() {
        let at = |root, user, runtime| place("nsplan", root, user, runtime).map(String::from).ok();
        assert_eq!(at(None, None, Some("/run/user/0")).as_deref(), Some("/run/nsplan"));
        assert_eq!(at(None, Some(7), Some("/run/user/7")).as_deref(), Some("/run/user/7/nsplan"));
        assert_eq!(at(None, Some(0), Some("/run/user/7")).as_deref(), Some("/run/user/7/nsplan"));
        assert_eq!(at(None, Some(7), Some("relative")).as_deref(), Some("/tmp/nsplan-7"));
        assert_eq!(at(None, Some(7), None).as_deref(), Some("/tmp/nsplan-7"));
        assert_eq!(at(Some("/x"), Some(7), None).as_deref(), Some("/x"));
        assert_eq!(at(Some("x"), Some(7), None), None);
    }

    #[test]
    fn a_place_that_others_can_write_to_is_none() {
        use std::os::unix::fs::PermissionsExt as _;
        let uid = nix::unistd::geteuid().as_raw();
        let base = std::env::temp_dir().join(format!("nsplan-state-{}", std::process::id()));
        let root = HostPath::new(base.to_str().unwrap()).unwrap();
        prepare(&root, uid).unwrap();
        prepare(&root, uid).unwrap();
        assert!(prepare(&root, uid + 1).is_err());
        std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(prepare(&root, uid).is_err());
        std::fs::remove_dir(&base).unwrap();
        std::os::unix::fs::symlink("/tmp", &base).unwrap();
        assert!(prepare(&root, uid).is_err());
        std::fs::remove_file(&base).unwrap();
    }
}
