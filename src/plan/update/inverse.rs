//! What a file of a cgroup held becomes what is written to it so that it holds that again.

use alloc::format;
use alloc::string::{String, ToString as _};

/// The value that takes back the write of `new` to `file`, which held `old`; `None` where the file was not there.
pub(super) fn of(file: &str, new: &str, old: Option<&str>) -> Option<String> {
    let old = old?;
    if let Some(unset) = of_key(file) {
        // One line for each device: only that of the new value's is taken back.
        let key = new.split_whitespace().next().unwrap_or_default();
        let line = old.lines().find(|line| line.split_whitespace().next() == Some(key));
        return Some(line.map_or_else(|| format!("{key} {unset}"), String::from));
    }
    if file == "memory.oom_control" {
        let line = old.lines().find_map(|line| line.strip_prefix("oom_kill_disable "));
        return Some(line.unwrap_or("0").trim().to_string());
    }
    let old = old.trim();
    // A write of nothing is none: an empty list is a newline.
    Some(if old.is_empty() { "\n".into() } else { old.to_string() })
}

/// For a file with a line for each device: what is said of a device that has no limit.
fn of_key(file: &str) -> Option<&'static str> {
    Some(match file {
        "io.max" => "rbps=max wbps=max riops=max wiops=max",
        "io.weight" | "io.bfq.weight" => "default",
        "rdma.max" => "hca_handle=max hca_object=max",
        _ if file.starts_with("blkio.throttle.") || file.ends_with("weight_device") => "0",
        "net_prio.ifpriomap" => "0",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_with_many_lines_only_the_new_ones_line_is_taken_back() {
        let of = |file, new, old| of(file, new, Some(old));
        let old = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2";
        assert_eq!(of("io.max", "8:16 rbps=5", old).as_deref(), Some("8:16 rbps=2"));
        let unset = "8:32 rbps=max wbps=max riops=max wiops=max";
        assert_eq!(of("io.max", "8:32 rbps=5", old).as_deref(), Some(unset));
        assert_eq!(
            of("io.weight", "default 5", "default 100\n8:0 7").as_deref(),
            Some("default 100")
        );
        assert_eq!(of("io.weight", "8:16 5", "default 100").as_deref(), Some("8:16 default"));
    }

    #[test]
    fn an_empty_list_is_written_as_a_line() {
        assert_eq!(of("cpuset.cpus", "0", Some("")).as_deref(), Some("\n"));
        assert_eq!(of("cpu.max", "5 6", Some("max 100000\n")).as_deref(), Some("max 100000"));
        assert_eq!(
            of("memory.oom_control", "1", Some("oom_kill_disable 0\nunder_oom 0")).as_deref(),
            Some("0")
        );
        assert_eq!(of("memory.max", "5", None), None);
    }
}
