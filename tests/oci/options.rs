//! The mount options of the spec's own table.

use nsplan::config::MountKind;

use crate::config;

/// Those that a runtime must or should know.
const OPTIONS: &str = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev \
    nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev \
    rdiratime relatime rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate \
    rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid \
    symfollow sync unbindable idmap ridmap";

#[test]
fn every_option_of_the_spec_is_a_word_of_the_door() {
    let mount = |word: &str| {
        format!(
            r#""mounts": [{{"destination": "/m", "type": "tmpfs", "source": "/s", "options": ["{word}"]}}]"#
        )
    };
    // What is no word of the door's goes to the file system.
    let is_known = |word: &str| match &config(&mount(word)).mounts[0].kind {
        MountKind::Filesystem { data, .. } => data.is_empty(),
        _ => true,
    };
    for word in OPTIONS.split_whitespace().chain(["tmpcopyup", "mand", "nomand"]) {
        assert!(is_known(word), "{word}");
    }
    assert!(!is_known("size=1m"));
    assert_eq!(config(&mount("remount")).mounts[0].kind, MountKind::Remount);
}
