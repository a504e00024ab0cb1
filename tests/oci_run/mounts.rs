//! Mounts that need more than flags: id maps, and a tmpfs filled with what it covers.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use serde_json::{Value, json};

use crate::stage::Bundle;
use crate::support::is_root;

/// A directory with files of users 0 and 5.
fn data(bundle: &Bundle) -> std::path::PathBuf {
    let data = bundle.directory().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("root"), "").unwrap();
    fs::write(data.join("five"), "").unwrap();
    chown(data.join("five"), Some(5), Some(5)).unwrap();
    data
}

fn maps(inside: u32, outside: u32, size: u32) -> Value {
    json!([{"containerID": inside, "hostID": outside, "size": size}])
}

#[test]
fn an_id_mapped_mount_shows_other_owners_and_writes_the_files_own() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("idmap");
    let data = data(&bundle);
    let bundle = bundle
        .push(
            "/mounts",
            json!({
                "destination": "/data", "source": "data", "options": ["bind", "idmap"],
                "uidMappings": maps(0, 2000, 10), "gidMappings": maps(0, 3000, 10),
            }),
        )
        .set("/process/user", json!({"uid": 2005, "gid": 3005}))
        .set("/process/capabilities", json!({}));
    let said = bundle.run("stat -c '%n %u:%g' /data/root /data/five; touch /data/new 2>&1; echo x > /data/five; stat -c %u:%g /data/five");
    assert!(said.starts_with("/data/root 2000:3000\n/data/five 2005:3005\n"), "{said}");
    assert!(said.contains("2005:3005\n"), "{said}");
    assert_eq!(fs::read_to_string(data.join("five")).unwrap(), "x\n");
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(fs::metadata(data.join("five")).unwrap().uid(), 5, "the file's own owner stays");
}

#[test]
fn an_id_mapped_mount_without_a_map_follows_the_user_namespace() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("idmap-userns");
    let _ = data(&bundle);
    // Root inside owns nothing of the root file system.
    for name in ["mapped", "plain"] {
        fs::create_dir(bundle.path().join(name)).unwrap();
    }
    let bundle = bundle
        .push("/linux/namespaces", json!({"type": "user"}))
        .set("/linux/uidMappings", maps(0, 100_000, 65_536))
        .set("/linux/gidMappings", maps(0, 100_000, 65_536))
        .push(
            "/mounts",
            json!({"destination": "/mapped", "source": "data", "options": ["bind", "idmap"]}),
        )
        .push("/mounts", json!({"destination": "/plain", "source": "data", "options": ["bind"]}));
    let said = bundle.run("stat -c %u /mapped/root /mapped/five /plain/root");
    assert_eq!(said, "0\n5\n65534\n");
}

#[test]
fn an_id_mapped_tree_is_mapped_at_its_top_or_wholly() {
    if !is_root() {
        return;
    }
    // Two file systems, one in the other, in the container of the test alone: a tmpfs can be mapped too (Linux 6.3).
    let bundle = Bundle::new("idmap-tree");
    let top = data(&bundle);
    let place = |option: &str| {
        json!({
            "destination": format!("/{option}"), "source": top, "options": ["rbind", option],
            "uidMappings": maps(0, 2000, 10), "gidMappings": maps(0, 2000, 10),
        })
    };
    let bundle = bundle.push("/mounts", place("idmap")).push("/mounts", place("ridmap"));
    let said = bundle.run("stat -c %u /idmap/five /ridmap/five");
    assert_eq!(said, "2005\n2005\n");
    let plan = bundle.plan();
    assert_eq!(plan.matches("users 0→2000×10, groups 0→2000×10").count(), 2, "{plan}");
}

#[test]
fn nothing_of_an_id_map_is_left_on_the_host() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("idmap-left");
    let _ = data(&bundle);
    let bundle = bundle.push(
        "/mounts",
        json!({
            "destination": "/data", "source": "data", "options": ["bind"],
            "uidMappings": maps(0, 2000, 10), "gidMappings": maps(0, 2000, 10),
        }),
    );
    let here = bundle.directory().to_str().unwrap().to_owned();
    assert_eq!(bundle.run("echo ran"), "ran\n");
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&here));
    let (code, error) = bundle
        .set("/process/args", json!(["/nothing"]))
        .set("/process/cwd", json!("/nothing"))
        .refusal();
    assert_eq!(code, 125, "{error}");
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&here));
}

#[test]
fn a_tmpfs_is_filled_with_what_it_covers() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("copyup");
    let top = bundle.path().join("srv");
    fs::create_dir_all(top.join("a/b")).unwrap();
    fs::write(top.join("a/b/file"), "words").unwrap();
    fs::set_permissions(top.join("a/b/file"), fs::Permissions::from_mode(0o4750)).unwrap();
    chown(top.join("a"), Some(7), Some(8)).unwrap();
    symlink("b/file", top.join("a/link")).unwrap();
    for number in 0..200 {
        fs::write(top.join(format!("many-{number:03}")), number.to_string()).unwrap();
    }
    let mount = |options: Value| json!({"destination": "/srv", "type": "tmpfs", "source": "tmpfs", "options": options});
    let script = "cat /srv/a/b/file; echo; stat -c '%a %u:%g' /srv /srv/a /srv/a/b/file; readlink /srv/a/link; ls /srv | wc -l; cat /srv/many-199; echo; echo new > /srv/a/b/file 2>/dev/null; cat /srv/a/b/file";
    let said = bundle.push("/mounts", mount(json!(["tmpcopyup", "mode=1777"])));
    assert_eq!(said.run(script), "words\n1777 0:0\n755 7:8\n4750 0:0\nb/file\n201\n199\nnew\n");
    // What is written goes to the copy.
    assert_eq!(fs::read_to_string(said.path().join("srv/a/b/file")).unwrap(), "words");
    let readonly = said.without_mount("/srv").push("/mounts", mount(json!(["tmpcopyup", "ro"])));
    assert_eq!(readonly.run(script), "words\n755 0:0\n755 7:8\n4750 0:0\nb/file\n201\n199\nwords");
}

#[test]
fn a_hostile_tree_is_copied_without_leaving_it_or_refused() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("copyup-hostile");
    let secret = bundle.directory().join("secret");
    fs::write(&secret, "secret").unwrap();
    let top = bundle.path().join("srv");
    fs::create_dir(&top).unwrap();
    symlink(&secret, top.join("file")).unwrap();
    symlink("/", top.join("directory")).unwrap();
    let mount = json!({"destination": "/srv", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]});
    let bundle = bundle.push("/mounts", mount);
    assert_eq!(bundle.run("cat /srv/file 2>/dev/null; readlink /srv/directory"), "/\n");
    // More directories in one another than a stack has room for.
    let deep: std::path::PathBuf = std::iter::repeat_n("d", 100).collect();
    fs::create_dir_all(top.join(deep)).unwrap();
    let (code, error) = bundle.refusal();
    assert!(code == 125 && error.contains("ELOOP"), "{error}");
}

#[test]
fn a_remount_changes_the_flags_of_the_mount_that_is_there() {
    if !is_root() {
        return;
    }
    let mount = |options: Value| json!({"destination": "/m", "type": "tmpfs", "options": options});
    let bundle = Bundle::new("remount")
        .push("/mounts", mount(json!(["noexec", "nosuid", "size=64k"])))
        .push("/mounts", mount(json!(["remount", "ro", "exec"])));
    let line = bundle.run("grep ' /m ' /proc/mounts; touch /m/x 2>/dev/null || echo read-only");
    let flags: Vec<_> = line.split(' ').nth(3).unwrap().split(',').collect();
    assert!(flags.contains(&"nosuid") && !flags.contains(&"noexec"), "{line}");
    assert!(line.ends_with("read-only\n"), "{line}");
    let bundle = bundle.push("/mounts", mount(json!(["remount", "sync"])));
    let (code, error) = bundle.refusal();
    assert!(code == 125 && error.contains("not the file system that is mounted"), "{error}");
    let nothing = json!({"destination": "/etc", "options": ["remount", "ro"]});
    let (code, error) = Bundle::new("remount-nothing").push("/mounts", nothing).refusal();
    assert!(code == 125 && error.contains("EINVAL"), "{error}");
}
