//! Any text in any file: no panic, and every number that was written is read back.

use nsplan::facts::{CgroupStats, fuzz_text, parse_cgroup_number, parse_flat_keyed};
use proptest::prelude::*;

use crate::{entry, files};

fn near_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "8:0",
        "259:70000",
        "Read",
        "Total",
        "rbytes=",
        "rios=",
        "some",
        "full",
        "avg10=",
        "avg60=",
        "total=",
        "1.00",
        ".",
        "=",
        ":",
        " ",
        "\n",
        "\t",
        "-",
        "0",
        "7",
        "18446744073709551615",
        "18446744073709551616",
        "max",
        "user",
        "system",
        "populated",
        "frozen",
        "FROZEN",
        "é",
        "\0",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        fuzz_text(text.as_bytes());
    }

    #[test]
    fn near_text_is_read_or_refused(text in near_text()) {
        fuzz_text(text.as_bytes());
    }

    #[test]
    fn a_number_is_read_back(number: i128) {
        let expected = match u64::try_from(number) {
            Ok(number) => Ok(number),
            Err(_) if number < 0 => Ok(0),
            Err(_) => Err(()),
        };
        prop_assert_eq!(parse_cgroup_number(&format!("{number}\n")).map_err(|_| ()), expected);
    }

    #[test]
    fn keys_are_read_back(pairs in prop::collection::btree_map("[a-z_]{1,8}", any::<u64>(), 0..8)) {
        let text: String = pairs.iter().map(|(key, value)| format!("{key} {value}\n")).collect();
        prop_assert_eq!(parse_flat_keyed("memory.stat", &text), Ok(pairs));
    }

    #[test]
    fn devices_are_read_back(major in 0..=0xfff_u32, minor in 0..=0xf_ffff_u32, value: u64) {
        let text = format!("{major}:{minor} rbytes={value} wbytes=0\n");
        let stats = CgroupStats::from_v2(&files(&[("io.stat", &text)])).expect("it reads");
        prop_assert_eq!(&stats.block_io.service_bytes[0], &entry(major, minor, "Read", value));
    }
}
