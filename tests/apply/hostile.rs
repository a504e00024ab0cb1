//! Root file systems that were made to get out: nothing outside is read, made or changed.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nsplan::config::{BindSource, Config, Mount, MountKind};
use nsplan::types::{HostPath, MountFlags, RootPath};

use crate::stage::{Rootfs, Scratch, host_path, plan, run, start};

fn bind(source: HostPath, target: &str) -> Mount {
    Mount::new(
        RootPath::new(target).unwrap(),
        MountKind::Bind(BindSource { source, recursive: true }),
        MountFlags::empty(),
    )
}

/// Replaces a directory of the root by a link.
fn link(rootfs: &Rootfs, name: &str, to: impl AsRef<Path>) {
    fs::remove_dir(rootfs.path().join(name)).unwrap();
    symlink(to, rootfs.path().join(name)).unwrap();
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn proc_and_sys_as_links_are_refused() {
    for (name, to) in [("proc", "data"), ("sys", "/data"), ("proc", "/etc"), ("sys", "..")] {
        let rootfs = Rootfs::new();
        link(&rootfs, name, to);
        let error = start(&plan(&rootfs.shell("exit 0"))).err().unwrap();
        assert_eq!(error.errno(), Some(nsplan::types::Errno::ELOOP), "{error}");
    }
}

#[test]
fn a_link_out_of_the_root_leads_back_into_it() {
    let (rootfs, outside) = (Rootfs::new(), Scratch::new());
    // In the container `/dev` is then a directory of that long name below the root, which does not exist.
    link(&rootfs, "dev", outside.path());
    let error = start(&plan(&rootfs.shell("exit 0"))).err().unwrap();
    assert!(is_empty(outside.path()), "{error}");
}

#[test]
fn a_missing_parent_behind_a_link_is_not_made_outside() {
    let (rootfs, outside) = (Rootfs::new(), Scratch::new());
    symlink(outside.path(), rootfs.path().join("data/out")).unwrap();
    symlink("../../../../../../../../tmp", rootfs.path().join("data/up")).unwrap();
    for target in ["/data/out/a/b", "/data/up/nsplan-test-made/b"] {
        let mut config = rootfs.shell("exit 0");
        config.mounts.push(bind(host_path(outside.path()), target));
        let _ = start(&plan(&config)).map(|(mut container, _)| container.wait());
        assert!(is_empty(outside.path()));
        assert!(!Path::new("/tmp/nsplan-test-made").exists());
    }
}

#[test]
fn a_file_s_mount_point_is_never_made_through_a_link() {
    let (rootfs, outside) = (Rootfs::new(), Scratch::new());
    let victim = outside.path().join("victim");
    symlink(&victim, rootfs.path().join("data/file")).unwrap();
    let source = outside.path().join("source");
    fs::write(&source, "x").unwrap();
    let mut config = rootfs.shell("exit 0");
    config.mounts.push(bind(host_path(&source), "/data/file"));
    let error = start(&plan(&config)).err().unwrap();
    // `openat2` finds that the link is there, `openat`, before Linux 5.6, that it is one.
    let errno = error.errno();
    use nsplan::types::Errno;
    assert!(errno == Some(Errno::EEXIST) || errno == Some(Errno::ELOOP), "{error}");
    assert!(!victim.exists());
}

#[test]
fn a_null_device_that_is_none_masks_nothing_and_is_not_used() {
    let rootfs = Rootfs::new();
    let mut config = rootfs.shell("stat -c %t:%T /proc/keys");
    // No `/dev` of its own: the image's `null` is a link to a file of procfs.
    config.mounts.retain(|mount| !mount.destination.as_str().starts_with("/dev"));
    config.devices.clear();
    config.device_links.clear();
    symlink("/proc/uptime", rootfs.path().join("dev/null")).unwrap();
    assert_eq!(run(&plan(&config)).1, "1:3\n");
}

#[test]
fn a_node_that_exists_with_another_number_is_refused() {
    let rootfs = Rootfs::new();
    let mut config = rootfs.shell("exit 0");
    config.mounts.retain(|mount| !mount.destination.as_str().starts_with("/dev"));
    config.device_links.clear();
    fs::write(rootfs.path().join("dev/full"), "a file").unwrap();
    let error = start(&plan(&config)).err().unwrap();
    assert_eq!(error.errno(), Some(nsplan::types::Errno::EEXIST), "{error}");
}

/// CVE-2024-21626: a working directory that is a descriptor of the host's.
#[test]
fn no_descriptor_of_the_host_s_is_a_way_out() {
    let _held = fs::File::open("/").unwrap();
    let rootfs = Rootfs::new();
    for number in 3..24 {
        let mut config = rootfs.shell("echo inside; pwd");
        let cwd = format!("/proc/self/fd/{number}");
        config.process.as_mut().unwrap().cwd = RootPath::new(&cwd).unwrap();
        let Err(error) = start(&plan(&config)) else { panic!("{cwd} was a way out") };
        let is_refused = matches!(
            error.errno(),
            Some(
                nsplan::types::Errno::ENOENT
                    | nsplan::types::Errno::ENOTDIR
                    | nsplan::types::Errno::EACCES
            )
        );
        assert!(is_refused, "{cwd}: {error}");
    }
}

/// nix has this call for glibc alone.
#[allow(unsafe_code, reason = "a system call without a safe wrapper")]
fn exchange(a: &Path, b: &Path) {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap();
    let (a, b) = (text(a), text(b));
    let (cwd, flags) = (libc::AT_FDCWD, libc::RENAME_EXCHANGE);
    // SAFETY: both paths are C strings that live through the call, which only reads them.
    unsafe { libc::syscall(libc::SYS_renameat2, cwd, a.as_ptr(), cwd, b.as_ptr(), flags) };
}

/// CVE-2021-30465: two names exchanged again and again while mounts are made on one of them.
#[test]
fn an_exchange_of_names_never_puts_a_mount_outside() {
    let (rootfs, outside, source) = (Rootfs::new(), Scratch::new(), Scratch::new());
    fs::write(source.path().join("inside"), "x").unwrap();
    let data = rootfs.path().join("data");
    fs::create_dir(data.join("a")).unwrap();
    symlink(outside.path(), data.join("b")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (a, b) = (data.join("a"), data.join("b"));
            while !stop.load(Ordering::Relaxed) {
                exchange(&a, &b);
            }
        });
        let mut config: Config = rootfs.shell("exit 0");
        config.mounts.push(bind(host_path(source.path()), "/data/a"));
        config.mounts.push(bind(host_path(source.path()), "/data/a/c/d"));
        let plan = plan(&config);
        for _ in 0..40 {
            let _ = start(&plan).map(|(mut container, _)| container.wait());
            assert!(is_empty(outside.path()));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains("nsplan-test"), "{table}");
}
