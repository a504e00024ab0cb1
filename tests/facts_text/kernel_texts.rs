//! What the kernel and `/etc` write, and what must be refused or skipped.

use nsplan::facts::{
    CgroupLayout, SubidRange, discover, is_identity, parse_controllers, parse_id_map,
    parse_mountinfo, parse_proc_cgroup, parse_stat, parse_status, parse_subids,
};
use nsplan::types::{CapSet, IdMapping, MountFlags};

const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec - cgroup2 cgroup2 rw,nsdelegate
";

#[test]
fn names_of_mounts_are_unescaped_and_blanks_in_the_tail_stay() {
    let text = "36 35 98:0 /a\\040b /mnt/x\\011y\\012z\\134040 ro,nosuid,noatime shared:1 master:2 - fuse.a /dev/a\\043 rw,x y z\n";
    let mounts = parse_mountinfo(text).unwrap();
    let mount = &mounts[0];
    assert_eq!(mount.root, "/a b");
    assert_eq!(mount.mount_point, "/mnt/x\ty\nz\\040");
    assert_eq!((mount.id, mount.parent, mount.shared), (36, 35, true));
    let flags = MountFlags::MS_RDONLY | MountFlags::MS_NOSUID | MountFlags::MS_NOATIME;
    assert_eq!(mount.flags, flags);
    assert_eq!((mount.fstype.as_str(), mount.source.as_str()), ("fuse.a", "/dev/a#"));
    assert_eq!(mount.super_options, "rw,x y z");
}

#[test]
fn an_empty_source_and_a_carriage_return_in_a_name_are_kept() {
    let mounts =
        parse_mountinfo("1 2 0:3 / /a\r\x0bb rw,relatime -  \n2 1 0:4 / /b rw - tmpfs  rw\n");
    let error = mounts.unwrap_err();
    assert_eq!(error.to_string(), "mountinfo:1: expected a file system type");
    let mounts = parse_mountinfo("1 2 0:3 / /a\r\x0bb rw - tmpfs  rw\n").unwrap();
    assert_eq!(mounts[0].mount_point, "/a\r\x0bb");
    assert_eq!((mounts[0].source.as_str(), mounts[0].super_options.as_str()), ("", "rw"));
}

#[test]
fn a_mount_that_shows_no_access_time_word_is_strictatime() {
    let mounts = parse_mountinfo("1 2 0:3 / / rw - tmpfs t rw").unwrap();
    assert_eq!(mounts[0].flags, MountFlags::MS_STRICTATIME);
}

#[test]
fn a_broken_mount_line_is_named() {
    for (text, expected) in [
        ("x", "mountinfo:1: expected the id of a mount"),
        ("1 2 0:3 / /", "mountinfo:1: expected options of the mount"),
        ("1 2 0:3 / / rw shared:1", "mountinfo:1: expected a lone `-` before the file system type"),
        (
            "1 2 0:3 / / rw - a b c\n1 2 0:3 / / rw - tmpfs tmpfs",
            "mountinfo:2: expected options of the superblock",
        ),
    ] {
        assert_eq!(parse_mountinfo(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn the_start_time_is_counted_from_the_last_parenthesis() {
    let tail = "S 7 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9 9";
    for name in ["sh", "a b", "a) Z 1 (b", ")", "a\n) S 9"] {
        let stat = parse_stat(&format!("42 ({name}) {tail}\n")).unwrap();
        assert_eq!(
            (stat.pid, stat.state, stat.parent, stat.start_time),
            (42, 'S', 7, 4711),
            "{name}"
        );
    }
    for wrong in ["", "42 sh S 7", "42 )(", "42 (sh) S 7 1", "42 (sh"] {
        assert!(parse_stat(wrong).is_err(), "{wrong}");
    }
}

const STATUS: &str = "Name:\ta\\nUid:\t0\nUmask:\t0022\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\nGroups:\t4 24 \n\
    CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t0000000000000001\nCapBnd:\t000001ffffffffff\n\
    CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n";

#[test]
fn a_status_gives_effective_ids_and_capability_sets() {
    let status = parse_status(STATUS).unwrap();
    assert_eq!((status.uid, status.gid, status.groups.as_slice()), (1001, 6, &[4, 24][..]));
    assert_eq!(status.permitted, CapSet::from_bits(0xa804_25fb));
    assert_eq!(status.bounding, CapSet::up_to(40));
    assert_eq!((status.ambient, status.no_new_privs), (Some(CapSet::EMPTY), Some(true)));
    let old = STATUS.replace("CapAmb:\t0000000000000000\n", "");
    assert_eq!(parse_status(&old).unwrap().ambient, None);
}

#[test]
fn a_status_without_ids_or_capabilities_is_refused() {
    let error = parse_status(&STATUS.replace("CapEff", "CapXff")).unwrap_err();
    assert_eq!(error.to_string(), "status: expected a line `CapEff:`");
    let error = parse_status(&STATUS.replace("1000\t1001", "1000")).map(|status| status.uid);
    assert_eq!(error, Ok(1002), "the second number is taken, whatever it is");
    let error = parse_status(&STATUS.replace("a80425fb", "a80425fg")).unwrap_err();
    assert_eq!(error.line, 7);
}

#[test]
fn an_id_map_is_the_identity_only_as_one_whole_range() {
    let full = parse_id_map("         0          0 4294967295\n").unwrap();
    assert!(is_identity(&full));
    let two = parse_id_map("0 1000 1\n1 100000 65536\n").unwrap();
    assert_eq!(two[1], IdMapping { container_id: 1, host_id: 100_000, size: 65536 });
    assert!(!is_identity(&two) && !is_identity(&[]));
    assert_eq!(parse_id_map("0 0 1\n0 0").unwrap_err().line, 2);
    assert!(parse_id_map("0 0 1 1").is_err() && parse_id_map("0 0 4294967296").is_err());
}

#[test]
fn subids_are_granted_by_name_or_number_and_broken_lines_grant_nothing() {
    let text = "# alice:1:1\nalice:100000:65536\nbob:165536:65536\n1000:300000:10\nalice:5\nalice:5:6:7\nalice::5\n\
        alice:-1:5\nalice:+1:5\nalice:10:0\nalice:4294967290:10\nalice:4294967290:5\n:1:1\nalice:x:1\n";
    let range = |first, count| SubidRange { first, count };
    let mine = [range(100_000, 65536), range(300_000, 10), range(4_294_967_290, 5)];
    assert_eq!(parse_subids(text, "alice", 1000), mine);
    assert_eq!(parse_subids(text, "", 1000), [range(300_000, 10)]);
    assert_eq!(parse_subids(text, "1000", 7), [], "an owner of digits is a uid, never a name");
}

#[test]
fn cgroup_lines_hold_controllers_names_and_paths_with_colons() {
    let lines = parse_proc_cgroup("4:cpu,cpuacct:/a:b c\n1:name=systemd:/x\n0::/../y\n").unwrap();
    assert_eq!(lines[0].controllers, parse_controllers("cpu cpuacct\n"));
    assert_eq!(lines[0].path, "/a:b c");
    assert_eq!(lines[1].name.as_deref(), Some("systemd"));
    assert!(lines[2].controllers.is_empty() && lines[2].name.is_none());
    for wrong in ["x::/", "0:/", "0::", "0::a"] {
        assert_eq!(parse_proc_cgroup(wrong).unwrap_err().line, 1, "{wrong}");
    }
}

#[test]
fn a_hybrid_tree_is_found_in_the_order_of_its_mounts() {
    let mounts = parse_mountinfo(HYBRID).unwrap();
    let caller =
        parse_proc_cgroup("9:name=systemd:/s\n4:memory:/m\n1:cpu,cpuacct:/\n3:cpuset:/\n0::/u\n")
            .unwrap();
    let init = parse_proc_cgroup("4:memory:/init\n0::/i\n").unwrap();
    let facts = discover(&mounts, &caller, Some(&init), true);
    let points: Vec<_> = facts.hierarchies.iter().map(|h| h.mount_point.as_str()).collect();
    assert_eq!(
        points,
        ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/systemd"]
    );
    assert_eq!(facts.layout(), CgroupLayout::Hybrid);
    assert_eq!(
        facts.v1("memory").map(|h| (h.caller.as_str(), h.init.as_str())),
        Some(("/m", "/init"))
    );
    assert_eq!(facts.v1("cpuset"), None, "enabled but not mounted");
    let unified = facts.unified.unwrap();
    assert_eq!((unified.caller.as_str(), unified.init.as_str()), ("/u", "/i"));
    assert_eq!(unified.directory("/u").unwrap().as_str(), "/sys/fs/cgroup/unified/u");
    assert!(!unified.writable && unified.caller_populated);
}

#[test]
fn a_hierarchy_that_another_mount_has_covered_is_not_there() {
    let caller = parse_proc_cgroup("4:memory:/\n1:name=systemd:/\n0::/box\n").unwrap();
    let over = "60 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 none rw\n";
    let mounts = parse_mountinfo(&format!("{HYBRID}{over}")).unwrap();
    let facts = discover(&mounts, &caller, None, false);
    assert!(facts.hierarchies.is_empty(), "{:?}", facts.hierarchies);
    assert_eq!(facts.unified.unwrap().mount_point.as_str(), "/sys/fs/cgroup");
    // One that stands on what is mounted there is seen, and so is one beside it.
    for on in ["61 60 0:32 / /sys/fs/cgroup/memory", "61 23 0:32 / /sys/fs/cgroups"] {
        let text = format!("{HYBRID}{over}{on} rw - cgroup cgroup rw,memory\n");
        let facts = discover(&parse_mountinfo(&text).unwrap(), &caller, None, false);
        assert_eq!(facts.hierarchies.len(), 1, "{on}");
    }
    // What is mounted on a mount itself is below it for the kernel.
    let text = format!("{HYBRID}62 35 0:50 / /sys/fs/cgroup/memory rw - tmpfs tmpfs rw\n");
    let facts = discover(&parse_mountinfo(&text).unwrap(), &caller, None, false);
    assert_eq!(facts.v1("memory"), None);
    assert_eq!(facts.hierarchies.len(), 1, "{:?}", facts.hierarchies);
    // Mounts in a circle are those of no kernel.
    let circle =
        parse_mountinfo("1 2 0:1 / /a rw - cgroup c rw,memory\n2 1 0:2 / / rw - tmpfs t rw");
    assert_eq!(discover(&circle.unwrap(), &caller, None, false).hierarchies.len(), 1);
}

#[test]
fn a_cgroup_outside_of_what_is_mounted_has_no_directory() {
    let text = "1 2 0:3 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n2 2 0:3 / /host rw - cgroup2 cgroup rw\n";
    let mounts = parse_mountinfo(text).unwrap();
    let seen = |path: &str| {
        let caller = parse_proc_cgroup(&format!("0::{path}\n")).unwrap();
        let unified = discover(&mounts, &caller, None, false).unified.unwrap();
        (unified.mount_point.to_string(), unified.directory(path).map(String::from))
    };
    let at = |point: &str, dir: &str| (point.to_owned(), Some(dir.to_owned()));
    assert_eq!(seen("/docker/abc/x"), at("/sys/fs/cgroup", "/sys/fs/cgroup/x"));
    assert_eq!(seen("/docker/abc"), at("/sys/fs/cgroup", "/sys/fs/cgroup"));
    assert_eq!(seen("/docker/abcd"), at("/host", "/host/docker/abcd"));
    assert_eq!(seen("/../x"), ("/sys/fs/cgroup".to_owned(), None));
}
