//! The unit tests that libcontainer had for statistics, under their names and with their values.

use nsplan::config::{Config, ConfigErrors, Problem, from_libcontainer};
use nsplan::facts::{
    CgroupStats, Counter, FreezerState, HostFacts, Throttling, parse_cgroup_number,
    parse_freezer_state, parse_proc_cgroup,
};
use nsplan::plan::{CgroupOp, Op, plan};
use nsplan::types::HostPath;

use crate::{entry, files, v1};

#[test]
fn test_parse_cgroups() {
    let text = "10:hugetlb:/\n9:perf_event:/\n8:blkio:/user/1000.user/c2.session\n7:net_cls:/\n6:freezer:/\n5:devices:/\n4:cpuacct,cpu:/\n3:cpuset:/\n2:memory:/\n1:name=systemd:/user/1000.user/16.session\n";
    let lines = parse_proc_cgroup(text).unwrap();
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().any(|line| line.controllers.contains("blkio")));
}

#[test]
fn test_get_cgroup_params_int() {
    assert_eq!(parse_cgroup_number("2048"), Ok(2048));
    assert_eq!(parse_cgroup_number("2048\n"), Ok(2048));
    assert_eq!(parse_cgroup_number("-12345"), Ok(0));
    assert_eq!(parse_cgroup_number(&i64::MIN.to_string()), Ok(0));
    assert_eq!(parse_cgroup_number("-99999999999999999999999999999999"), Ok(0));
    assert!(parse_cgroup_number("not-a-float").is_err());
    for wrong in ["", "-", "+5", "1 2", "18446744073709551616", "0x10"] {
        assert!(parse_cgroup_number(wrong).is_err(), "{wrong:?}");
    }
    // The file that is missing.
    let error = v1(&[("memory.stat", "rss 1\n")]).unwrap_err();
    assert_eq!(error.to_string(), "memory.usage_in_bytes: expected the file");
}

#[test]
fn test_cpu_stats() {
    let text = "nr_periods 2000\n nr_throttled 200\n throttled_time 18446744073709551615\n";
    let stats = v1(&[("cpu.stat", text)]).unwrap();
    let expected = Throttling {
        periods: 2000,
        throttled_periods: 200,
        throttled_time: u64::MAX,
        ..Throttling::default()
    };
    assert_eq!(stats.cpu.throttling, expected);
}

#[test]
fn test_no_cpu_stat_file() {
    assert_eq!(v1(&[]), Ok(CgroupStats::default()));
}

#[test]
fn test_invalid_cpu_stat() {
    let text = "nr_periods 2000\nnr_throttled 200\nthrottled_time fortytwo";
    let error = v1(&[("cpu.stat", text)]).unwrap_err();
    assert_eq!(error.to_string(), "cpu.stat:3: expected a word and a number");
}

const MEMORY: [(&str, &str); 4] = [
    ("memory.stat", "cache 512\nrss 1024"),
    ("memory.usage_in_bytes", "2048\n"),
    ("memory.max_usage_in_bytes", "4096\n"),
    ("memory.failcnt", "100\n"),
];

/// [`MEMORY`] with another text in the file at `index`, or without it.
fn memory_but(index: usize, text: Option<&str>) -> Result<CgroupStats, nsplan::facts::FactsError> {
    let mut list = MEMORY.to_vec();
    match text {
        Some(text) => list[index].1 = text,
        None => drop(list.remove(index)),
    }
    v1(&list)
}

#[test]
fn test_memory_stats() {
    let stats = v1(&MEMORY).unwrap().memory;
    let expected = Counter { usage: 2048, max_usage: 4096, failures: 100, limit: None };
    assert_eq!(stats.memory, expected);
    let pairs: Vec<_> = stats.stats.into_iter().collect();
    assert_eq!(pairs, [("cache".into(), 512), ("rss".into(), 1024)]);
}

#[test]
fn test_memory_stats_with_its_later_parts() {
    let mut list = MEMORY.to_vec();
    for part in ["memsw", "kmem"] {
        for (file, text) in
            [("usage_in_bytes", "2048"), ("max_usage_in_bytes", "4096"), ("failcnt", "100")]
        {
            list.push((format!("memory.{part}.{file}").leak(), text));
        }
    }
    let stats = v1(&list).unwrap().memory;
    let expected = Counter { usage: 2048, max_usage: 4096, failures: 100, limit: None };
    assert_eq!(
        (stats.swap, stats.kernel, stats.kernel_tcp),
        (Some(expected), Some(expected), None)
    );
}

#[test]
fn test_memory_stats_no_stat_file() {
    assert_eq!(memory_but(0, None), Ok(CgroupStats::default()));
}

#[test]
fn test_memory_stats_no_usage_file() {
    assert_eq!(memory_but(1, None).unwrap_err().file, "memory.usage_in_bytes");
}

#[test]
fn test_memory_stats_no_max_usage_file() {
    assert_eq!(memory_but(2, None).unwrap_err().file, "memory.max_usage_in_bytes");
}

#[test]
fn test_memory_stats_no_failcnt_file() {
    assert_eq!(memory_but(3, None).unwrap_err().file, "memory.failcnt");
}

#[test]
fn test_memory_stats_bad_stat_file() {
    assert_eq!(memory_but(0, Some("rss rss")).unwrap_err().file, "memory.stat");
}

#[test]
fn test_memory_stats_bad_usage_file() {
    assert_eq!(memory_but(1, Some("bad")).unwrap_err().file, "memory.usage_in_bytes");
}

#[test]
fn test_memory_stats_bad_max_usage_file() {
    assert_eq!(memory_but(2, Some("bad")).unwrap_err().file, "memory.max_usage_in_bytes");
}

const BYTES: &str = "blkio.io_service_bytes_recursive";
const SERVICED: &str = "blkio.io_serviced_recursive";

const BLKIO: [(&str, &str); 8] = [
    (BYTES, "8:0 Read 100\n8:0 Write 200\n8:0 Sync 300\n8:0 Async 500\n8:0 Total 500\nTotal 500"),
    (SERVICED, "8:0 Read 10\n8:0 Write 40\n8:0 Sync 20\n8:0 Async 30\n8:0 Total 50\nTotal 50"),
    (
        "blkio.io_queued_recursive",
        "8:0 Read 1\n8:0 Write 4\n8:0 Sync 2\n8:0 Async 3\n8:0 Total 5\nTotal 5",
    ),
    (
        "blkio.io_service_time_recursive",
        "8:0 Read 173959\n8:0 Write 0\n8:0 Sync 0\n8:0 Async 173959\n8:0 Total 17395\nTotal 17395",
    ),
    (
        "blkio.io_wait_time_recursive",
        "8:0 Read 15571\n8:0 Write 0\n8:0 Sync 0\n8:0 Async 15571\n8:0 Total 15571",
    ),
    (
        "blkio.io_merged_recursive",
        "8:0 Read 5\n8:0 Write 10\n8:0 Sync 0\n8:0 Async 0\n8:0 Total 15\nTotal 15",
    ),
    ("blkio.time_recursive", "8:0 8\nTotal 8"),
    ("blkio.sectors_recursive", "8:0 1024\nTotal 1024"),
];

/// Five entries of one device, in the order of the files.
fn five((major, minor): (u32, u32), values: [u64; 5]) -> Vec<nsplan::facts::BlockIoEntry> {
    let ops = ["Read", "Write", "Sync", "Async", "Total"];
    ops.iter().zip(values).map(|(op, value)| entry(major, minor, op, value)).collect()
}

#[test]
fn test_blkio_stats() {
    let stats = v1(&BLKIO).unwrap().block_io;
    let disk = (8, 0);
    assert_eq!(stats.service_bytes, five(disk, [100, 200, 300, 500, 500]));
    assert_eq!(stats.serviced, five(disk, [10, 40, 20, 30, 50]));
    assert_eq!(stats.queued, five(disk, [1, 4, 2, 3, 5]));
    assert_eq!(stats.service_time, five(disk, [173_959, 0, 0, 173_959, 17_395]));
    assert_eq!(stats.wait_time, five(disk, [15_571, 0, 0, 15_571, 15_571]));
    assert_eq!(stats.merged, five(disk, [5, 10, 0, 0, 15]));
    assert_eq!(stats.time, [entry(8, 0, "", 8)]);
    assert_eq!(stats.sectors, [entry(8, 0, "", 1024)]);
}

#[track_caller]
fn is_no_error_without(name: &str) {
    let list: Vec<_> = BLKIO.into_iter().filter(|(file, _)| *file != name).collect();
    assert_eq!(list.len(), 7, "{name}");
    let stats = v1(&list).unwrap().block_io;
    // Without the one that tells whether the scheduler counts, nothing counts.
    assert_eq!(stats.serviced.is_empty(), name == SERVICED, "{stats:?}");
}

#[test]
fn test_blkio_stats_no_sectors_file() {
    is_no_error_without("blkio.sectors_recursive");
}

#[test]
fn test_blkio_stats_no_service_bytes_file() {
    is_no_error_without(BYTES);
}

#[test]
fn test_blkio_stats_no_serviced_file() {
    is_no_error_without(SERVICED);
}

#[test]
fn test_blkio_stats_no_queued_file() {
    is_no_error_without("blkio.io_queued_recursive");
}

#[test]
fn test_blkio_stats_no_service_time_file() {
    is_no_error_without("blkio.io_service_time_recursive");
}

#[test]
fn test_blkio_stats_no_wait_time_file() {
    is_no_error_without("blkio.io_wait_time_recursive");
}

#[test]
fn test_blkio_stats_no_merged_file() {
    is_no_error_without("blkio.io_merged_recursive");
}

#[test]
fn test_blkio_stats_no_time_file() {
    is_no_error_without("blkio.time_recursive");
}

#[test]
fn test_blkio_stats_unexpected_number_of_fields() {
    let mut list = BLKIO.to_vec();
    list[0].1 = "8:0 Read 100 100";
    assert_eq!(v1(&list).unwrap_err().file, BYTES);
}

#[test]
fn test_blkio_stats_unexpected_field_type() {
    let mut list = BLKIO.to_vec();
    list[0].1 = "8:0 Read Write";
    assert_eq!(v1(&list).unwrap_err().file, BYTES);
}

#[test]
fn test_non_cfq_blkio_stats() {
    let mut list: Vec<_> = BLKIO.iter().map(|(name, _)| (*name, "")).collect();
    let bytes = "8:0 Read 11030528\n8:0 Write 23\n8:0 Sync 42\n8:0 Async 11030528\n8:0 Total 11030528\n252:0 Read 11030528\n252:0 Write 23\n252:0 Sync 42\n252:0 Async 11030528\n252:0 Total 11030528\nTotal 22061056";
    let serviced = "8:0 Read 164\n8:0 Write 23\n8:0 Sync 42\n8:0 Async 164\n8:0 Total 164\n252:0 Read 164\n252:0 Write 23\n252:0 Sync 42\n252:0 Async 164\n252:0 Total 164\nTotal 328";
    list.push(("blkio.throttle.io_service_bytes", bytes));
    list.push(("blkio.throttle.io_serviced", serviced));
    let stats = v1(&list).unwrap().block_io;
    let values = [11_030_528, 23, 42, 11_030_528, 11_030_528];
    assert_eq!(stats.service_bytes, [five((8, 0), values), five((252, 0), values)].concat());
    let values = [164, 23, 42, 164, 164];
    assert_eq!(stats.serviced, [five((8, 0), values), five((252, 0), values)].concat());
    let rest = [
        stats.queued,
        stats.service_time,
        stats.wait_time,
        stats.merged,
        stats.time,
        stats.sectors,
    ];
    assert!(rest.concat().is_empty());
}

const HUGETLB: [(&str, &str); 3] = [
    ("hugetlb.2MB.usage_in_bytes", "128\n"),
    ("hugetlb.2MB.max_usage_in_bytes", "256\n"),
    ("hugetlb.2MB.failcnt", "100\n"),
];

#[test]
fn test_hugetlb_stats() {
    let stats = v1(&HUGETLB).unwrap();
    let expected = Counter { usage: 128, max_usage: 256, failures: 100, limit: None };
    assert_eq!(stats.hugetlb.get("2MB"), Some(&expected));
    for index in 0..HUGETLB.len() {
        let mut list = HUGETLB.to_vec();
        list[index].1 = "bad";
        assert_eq!(v1(&list).unwrap_err().file, "hugetlb");
        list.remove(index);
        assert_eq!(v1(&list).unwrap_err().file, "hugetlb");
    }
}

#[test]
fn test_freezer_state() {
    assert_eq!(parse_freezer_state("THAWED\n"), Ok(FreezerState::Thawed));
    assert_eq!(parse_freezer_state("FREEZING\n"), Ok(FreezerState::Freezing));
    assert_eq!(parse_freezer_state("FROZEN\n"), Ok(FreezerState::Frozen));
    assert!(parse_freezer_state("Invalid").is_err());
}

/// A config of 2015 with these cgroup fields.
fn config(fields: &str) -> Result<Config, ConfigErrors> {
    let text = format!(
        r#"{{"namespaces": [{{"type": "NEWPID"}}, {{"type": "NEWNS"}}],
            "cgroups": {{"name": "a", "parent": "b", "allow_all_devices": true, {fields}}}}}"#
    );
    let base = HostPath::new("/srv/rootfs").unwrap();
    from_libcontainer(text.as_bytes(), &base).map(|read| read.config)
}

/// What is written into its cgroup on a host with v1.
fn written(fields: &str) -> Vec<(String, String)> {
    let mut config = config(fields).unwrap_or_else(|errors| panic!("{fields}: {errors}"));
    let base = HostPath::new("/srv/rootfs").unwrap();
    config.process = Config::sandbox(base, vec!["sh".into()], false).process;
    let facts = HostFacts::from_json(include_str!("../facts/root-v1.json")).expect("facts");
    let plan = plan(&config, &facts).unwrap_or_else(|errors| panic!("{fields}: {errors:?}"));
    let writes = plan.parent.iter().filter_map(|step| match &step.op {
        Op::Cgroup(CgroupOp::Write { file, value }) => {
            let name = file.as_str().rsplit('/').next().unwrap_or_default();
            Some((name.to_owned(), value.clone()))
        }
        _ => None,
    });
    writes.collect()
}

#[test]
fn test_cpu_shares() {
    let errors = config(r#""cpu_shares": 1"#).unwrap_err();
    let expected = Problem::OutOfRange { found: "1".into(), min: 2, max: 262_144 };
    assert_eq!(errors.0[0].problem, expected);
}

#[test]
fn test_what_the_setters_wrote_is_in_the_plan() {
    let cases = [
        (r#""cpu_shares": 512"#, "cpu.shares", "512"),
        (r#""cpu_quota": 5000"#, "cpu.cfs_quota_us", "5000"),
        (r#""cpu_period": 7000"#, "cpu.cfs_period_us", "7000"),
        (r#""memory": 524288000"#, "memory.limit_in_bytes", "524288000"),
        (r#""memory_reservation": 314572800"#, "memory.soft_limit_in_bytes", "314572800"),
        (
            r#""memory": 314572800, "memory_swap": 524288000"#,
            "memory.memsw.limit_in_bytes",
            "524288000",
        ),
        (r#""cpuset_cpus": "1-3""#, "cpuset.cpus", "1-3"),
        (r#""cpuset_mems": "1""#, "cpuset.mems", "1"),
        (r#""blkio_weight": 200"#, "blkio.bfq.weight", "200"),
    ];
    for (fields, file, value) in cases {
        let writes = written(fields);
        assert!(writes.contains(&(file.into(), value.into())), "{fields}: {writes:?}");
    }
}

#[test]
fn a_reservation_alone_writes_no_swap_limit() {
    let writes = written(r#""memory_reservation": 314572800"#);
    assert!(writes.iter().all(|(file, _)| !file.contains("memsw")), "{writes:?}");
}

#[test]
fn the_json_has_the_names_of_2015() {
    let mut list = [MEMORY.as_slice(), &BLKIO[..2], &BLKIO[2..3]].concat();
    list.extend([
        ("cpu.stat", "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n"),
        ("cpuacct.usage", "70\n"),
        ("cpuacct.usage_percpu", "30 40 \n"),
        ("cpuacct.stat", "user 2\nsystem 1\n"),
    ]);
    let stats = v1(&list).unwrap();
    let json = serde_json::to_value(stats.to_libcontainer_json()).unwrap();
    let expected = serde_json::json!({
        "cpu_usage": {
            "total_usage": 70, "percpu_usage": [30, 40],
            "usage_in_usermode": 20_000_000, "usage_in_kernelmode": 10_000_000,
        },
        "throttling_data": { "periods": 1, "throttled_periods": 2, "throttled_time": 3 },
    });
    assert_eq!(json["cpu_stats"], expected);
    let memory = &json["memory_stats"];
    assert_eq!((&memory["usage"], &memory["max_usage"]), (&2048.into(), &4096.into()));
    assert_eq!((&memory["failcnt"], &memory["stats"]["rss"]), (&100.into(), &1024.into()));
    let blkio = json["blkio_stats"].as_object().unwrap();
    assert_eq!(
        blkio.keys().collect::<Vec<_>>(),
        ["io_queue_recursive", "io_service_bytes_recursive", "io_serviced_recursive"]
    );
    let first = serde_json::json!({ "major": 8, "op": "Read", "value": 100 });
    assert_eq!(blkio["io_service_bytes_recursive"][0], first);
}

#[test]
fn what_is_always_written_is_written_for_an_empty_cgroup() {
    let json = serde_json::to_string(&CgroupStats::default().to_libcontainer_json()).unwrap();
    let expected = r#"{"cpu_stats":{"cpu_usage":{"usage_in_kernelmode":0,"usage_in_usermode":0},"throttling_data":{}},"memory_stats":{"failcnt":0},"blkio_stats":{}}"#;
    assert_eq!(json, expected);
}

#[test]
fn ticks_become_nanoseconds_at_any_rate() {
    let user = |text, ticks| {
        CgroupStats::from_v1(&files(&[("cpuacct.stat", text)]), ticks).map(|stats| stats.cpu.user)
    };
    assert_eq!(user("user 3\nsystem 4\n", 1000), Ok(3_000_000));
    // Where the rate is not known it is 100.
    assert_eq!(user("user 3\nsystem 4\n", 0), Ok(30_000_000));
    assert_eq!(user("user 18446744073709551615\nsystem 4\n", 1), Ok(u64::MAX));
    for wrong in ["user 3\n", "user 3\nsystem 4\nnice 5\n", "system 3\nuser 4\n", "user\n3\n"] {
        assert!(user(wrong, 100).is_err(), "{wrong:?}");
    }
}
