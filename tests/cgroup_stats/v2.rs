//! Files of v2, and what upstream never had to read.

use nsplan::facts::{
    CgroupStats, Counter, FactsError, InterfaceEvent, MemoryEvents, PidsStats, Pressure, Stalled,
    Throttling, parse_cgroup_events,
};

use crate::{entry, files, v1};

fn v2(list: &[(&str, &str)]) -> Result<CgroupStats, FactsError> {
    CgroupStats::from_v2(&files(list))
}

#[test]
fn cpu_time_in_microseconds_becomes_nanoseconds() {
    let text = "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnice_usec 0\nnr_periods 5\nnr_throttled 2\nthrottled_usec 7\nnr_bursts 1\nburst_usec 4\n";
    let cpu = v2(&[("cpu.stat", text)]).unwrap().cpu;
    assert_eq!((cpu.total, cpu.user, cpu.kernel), (30_000, 20_000, 10_000));
    let expected = Throttling {
        periods: 5,
        throttled_periods: 2,
        throttled_time: 7000,
        bursts: 1,
        burst_time: 4000,
    };
    assert_eq!(cpu.throttling, expected);
}

#[test]
fn memory_counts_are_read_and_max_is_no_limit() {
    let list = [
        ("memory.current", "4096\n"),
        ("memory.peak", "8192\n"),
        ("memory.max", "max\n"),
        ("memory.stat", "anon 1\nfile 2\n"),
        ("memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 0\n"),
        ("memory.swap.current", "10\n"),
        ("memory.swap.max", "20\n"),
        ("memory.swap.events", "high 0\nmax 6\nfail 0\n"),
    ];
    let memory = v2(&list).unwrap().memory;
    let expected = Counter { usage: 4096, max_usage: 8192, failures: 3, limit: None };
    assert_eq!(memory.memory, expected);
    let expected = Counter { usage: 10, max_usage: 0, failures: 6, limit: Some(20) };
    assert_eq!(memory.swap, Some(expected));
    let expected = MemoryEvents { low: 1, high: 2, max: 3, oom: 4, oom_kill: 5, under_oom: false };
    assert_eq!(memory.events, expected);
    assert_eq!(memory.stats.len(), 2);
}

#[test]
fn io_stat_holds_device_numbers_above_16_bits() {
    let text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n259:1048575 rbytes=7 wbytes=0 rios=8 wios=0 dbytes=0 dios=0 cost.vrate=100.00 depth=max\n";
    let io = v2(&[("io.stat", text)]).unwrap().block_io;
    let last = entry(259, 0xf_ffff, "Read", 7);
    assert_eq!(
        io.service_bytes[..3],
        [entry(8, 0, "Read", 1), entry(8, 0, "Write", 2), entry(8, 0, "Discard", 5)]
    );
    assert_eq!(io.service_bytes[3], last);
    assert_eq!(io.serviced.iter().map(|entry| entry.value).sum::<u64>(), 3 + 4 + 6 + 8);
}

#[test]
fn io_stat_of_kernels_that_forget_line_feeds_is_read() {
    let io = v2(&[("io.stat", "7:7 7:6 8:0 rbytes=1\n8:16\n")]).unwrap().block_io;
    assert_eq!(io.service_bytes, [entry(8, 0, "Read", 1)]);
    for wrong in ["rbytes=1", "8:0 rbytes=x", "8 rbytes=1", "a:b rbytes=1", "8:0 rbytes"] {
        let error = v2(&[("io.stat", wrong)]).unwrap_err();
        assert_eq!((error.file, error.line), ("io.stat", 1), "{wrong:?}");
    }
}

#[test]
fn pressure_is_read_in_hundredths_of_a_percent() {
    let text = "some avg10=73.88 avg60=34.74 avg300=0.05 total=365635042\nfull avg10=0.00 avg60=0.00 avg300=100.00 total=1\n";
    let stats =
        v2(&[("cpu.pressure", text), ("io.pressure", "some avg10=0.00 total=2\n")]).unwrap();
    let expected = Pressure {
        some: Stalled { avg10: 7388, avg60: 3474, avg300: 5, total: 365_635_042 },
        full: Some(Stalled { avg300: 10_000, total: 1, ..Stalled::default() }),
    };
    assert_eq!(stats.cpu.pressure, Some(expected));
    assert_eq!(stats.block_io.pressure.map(|pressure| pressure.full), Some(None));
    for wrong in
        ["some avg10=1.2", "some avg10=1", "some avg10=1.2.3", "some avg10", "some total=x"]
    {
        assert!(v2(&[("memory.pressure", wrong)]).is_err(), "{wrong:?}");
    }
}

#[test]
fn pids_are_counted_on_both_versions() {
    let list = [("pids.current", "3\n"), ("pids.max", "max\n"), ("pids.events", "max 2\n")];
    let expected = PidsStats { current: 3, refused: 2, peak: 0, limit: None };
    assert_eq!(v1(&list).unwrap().pids, Some(expected));
    let list = [("pids.current", "3\n"), ("pids.max", "64\n"), ("pids.peak", "9\n")];
    let expected = PidsStats { current: 3, refused: 0, peak: 9, limit: Some(64) };
    assert_eq!(v2(&list).unwrap().pids, Some(expected));
    assert_eq!(v2(&[]).unwrap().pids, None);
}

#[test]
fn huge_pages_are_counted_by_size() {
    let list = [
        ("hugetlb.2MB.current", "4\n"),
        ("hugetlb.2MB.max", "max\n"),
        ("hugetlb.2MB.events", "max 3\n"),
        ("hugetlb.1GB.current", "5\n"),
        ("hugetlb.1GB.max", "6\n"),
        ("hugetlb.1GB.rsvd.current", "7\n"),
    ];
    let hugetlb = v2(&list).unwrap().hugetlb;
    assert_eq!(hugetlb["2MB"], Counter { usage: 4, max_usage: 0, failures: 3, limit: None });
    assert_eq!(hugetlb["1GB"], Counter { usage: 5, max_usage: 0, failures: 0, limit: Some(6) });
}

#[test]
fn a_limit_of_v1_that_is_none_is_none() {
    let with = |limit: &str| {
        let list = [
            ("memory.stat", ""),
            ("memory.usage_in_bytes", "1"),
            ("memory.max_usage_in_bytes", "1"),
            ("memory.failcnt", "0"),
            ("memory.limit_in_bytes", limit),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 1\noom_kill 2\n"),
        ];
        let memory = v1(&list).unwrap().memory;
        assert_eq!((memory.events.oom_kill, memory.events.under_oom), (2, true));
        memory.memory.limit
    };
    assert_eq!(with("9223372036854771712\n"), None, "pages of 4 KiB");
    assert_eq!(with("9223372036854710272\n"), None, "pages of 64 KiB");
    assert_eq!(with("9223372036854775807\n"), None, "before Linux 3.19");
    assert_eq!(with("33554432\n"), Some(32 << 20));
}

#[test]
fn bfq_counts_before_the_throttle_layer() {
    let list = [
        ("blkio.bfq.io_service_bytes_recursive", "8:0 Read 1\nTotal 1\n"),
        ("blkio.bfq.io_serviced_recursive", "8:0 Read 2\nTotal 2\n"),
        ("blkio.throttle.io_serviced_recursive", "8:0 Read 3\n"),
    ];
    assert_eq!(v1(&list).unwrap().block_io.serviced, [entry(8, 0, "Read", 2)]);
    let list = [list[2], ("blkio.throttle.io_serviced", "8:0 Read 4\n")];
    assert_eq!(v1(&list).unwrap().block_io.serviced, [entry(8, 0, "Read", 3)]);
}

#[test]
fn the_state_of_a_cgroup_is_read() {
    assert_eq!(parse_cgroup_events("populated 1\nfrozen 0\n"), Ok((true, false)));
    assert_eq!(parse_cgroup_events("populated 0\nfrozen 1\n"), Ok((false, true)));
    // Before Linux 5.2 there is no second line.
    assert_eq!(parse_cgroup_events("populated 1\n"), Ok((true, false)));
    assert!(parse_cgroup_events("populated\n").is_err());
}

#[test]
fn only_files_with_numbers_in_them_are_sources() {
    for name in ["cpu.stat", "memory.stat", "io.stat", "hugetlb.2MB.current", "pids.peak"] {
        assert!(CgroupStats::is_source(name), "{name}");
    }
    for name in ["cgroup.procs", "cgroup.event_control", "hugetlb.2MB.rsvd.current", "tasks"] {
        assert!(!CgroupStats::is_source(name), "{name}");
    }
}

#[test]
fn an_event_has_runcs_names_and_counts_swap_with_memory() {
    let list = [
        ("memory.current", "4096\n"),
        ("memory.max", "max\n"),
        ("memory.stat", "anon 1\nfile 2\n"),
        ("memory.swap.current", "10\n"),
        ("memory.swap.max", "20\n"),
        ("pids.current", "3\n"),
        ("pids.max", "max\n"),
        ("cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n"),
        ("cpu.pressure", "some avg10=1.50 avg60=0.00 avg300=0.00 total=7\n"),
        ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
    ];
    let stats = v2(&list).unwrap();
    let interface =
        InterfaceEvent { name: "veth0".into(), rx_bytes: 5, ..InterfaceEvent::default() };
    let event = serde_json::to_value(stats.event(&[interface])).unwrap();
    assert_eq!(event["cpu"]["usage"]["total"], 30_000);
    assert_eq!(event["cpu"]["psi"]["some"]["avg10"], 1.5);
    assert_eq!(event["memory"]["cache"], 2);
    assert_eq!(event["memory"]["usage"]["limit"], u64::MAX);
    assert_eq!(event["memory"]["swap"]["usage"], 4106);
    assert_eq!(event["memory"]["swap"]["limit"], u64::MAX, "memory has none");
    assert_eq!(event["memory"]["raw"]["anon"], 1);
    assert_eq!(event["pids"], serde_json::json!({"current": 3, "limit": 0}));
    let first = &event["blkio"]["ioServiceBytesRecursive"][0];
    assert_eq!(*first, serde_json::json!({"major": 8, "minor": 0, "op": "Read", "value": 1}));
    assert_eq!(event["network_interfaces"][0]["RxBytes"], 5);
    assert_eq!(event["network_interfaces"][0]["Name"], "veth0");
}

#[test]
fn the_trees_of_a_hybrid_host_tell_what_each_has() {
    let one = v1(&[("pids.current", "3"), ("pids.max", "50")]).unwrap();
    let other =
        v2(&[("memory.current", "4096"), ("memory.max", "8192"), ("memory.stat", "anon 7")]);
    let both = one.clone().or(other.clone().unwrap());
    assert_eq!(both.pids, one.pids);
    assert_eq!(both.pids.unwrap().limit, Some(50));
    assert_eq!(both.memory, other.unwrap().memory);
    assert_eq!(both.memory.memory.usage, 4096);
}
