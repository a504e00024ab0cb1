//! Any text at all, and any mount: no parser panics, and what is written is read back.

use nsplan::facts::{MountFact, fuzz_text, parse_mountinfo};
use nsplan::types::MountFlags;
use proptest::prelude::*;

/// Text made of the pieces that the parsers look for, so that it gets past their first line.
fn near_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1 2 0:3 / / rw - cgroup2 x rw",
        "1 2 0:3 /a /b ro shared:1 - cgroup c rw,cpu",
        "0::/",
        "3:cpu,name=x:/a/..",
        "\\040",
        "\\777",
        "\\1",
        " - ",
        "(",
        ")",
        ":",
        ",",
        "\n",
        "\r",
        "\0",
        " ",
        "\t",
        "Uid:",
        "CapPrm:",
        "Groups:",
        "0",
        "4294967295",
        "18446744073709551616",
        "-1",
        "root",
        "alice",
        "{",
        "\"schema\":1",
        "}",
        "é",
        "\u{2028}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn mount() -> impl Strategy<Value = MountFact> {
    let name = "[^\0]{1,12}";
    let flag = prop::sample::select(vec![
        MountFlags::MS_RDONLY,
        MountFlags::MS_NOSUID,
        MountFlags::MS_NODEV,
        MountFlags::MS_NOEXEC,
        MountFlags::MS_NODIRATIME,
        MountFlags::MS_NOSYMFOLLOW,
    ]);
    let atime = prop::sample::select(vec![
        MountFlags::MS_RELATIME,
        MountFlags::MS_NOATIME,
        MountFlags::MS_STRICTATIME,
    ]);
    let flags = (prop::collection::vec(flag, 0..4), atime)
        .prop_map(|(flags, atime)| flags.into_iter().fold(atime, |all, flag| all | flag));
    (any::<(u32, u32, bool)>(), name, name, flags, "[a-z0-9.]{1,8}", ".{0,8}", "[a-z=, ]{0,12}")
        .prop_map(
            |((id, parent, shared), root, mount_point, flags, fstype, source, super_options)| {
                MountFact {
                    id,
                    parent,
                    root,
                    mount_point,
                    flags,
                    shared,
                    fstype,
                    source,
                    super_options,
                }
            },
        )
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_text(&bytes);
    }

    #[test]
    fn any_near_text_is_read_or_refused(text in near_text()) {
        fuzz_text(text.as_bytes());
    }

    #[test]
    fn a_mount_is_the_same_after_its_line(mounts in prop::collection::vec(mount(), 1..4)) {
        let text: String = mounts.iter().map(|mount| mount.to_line() + "\n").collect();
        prop_assert_eq!(parse_mountinfo(&text), Ok(mounts));
    }
}
