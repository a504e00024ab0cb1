//! What was measured and what was measured once become a verdict: no slower, or which configuration and what in it grew.

use std::fs;

use serde::{Deserialize, Serialize};

use super::{FLOOR, Figure, Figures, OURS, configurations, micros};

/// More than this is slower: a change of the program moves the phase of its timers, which is worth two or three.
const PERCENT: u64 = 3;

#[derive(Debug, Serialize, Deserialize)]
struct Baseline {
    /// What it was measured with; the first line is the kernel's.
    versions: Vec<String>,
    /// Nanoseconds.
    figures: Figures,
}

#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) lines: Vec<String>,
    pub(super) is_worse: bool,
}

pub(super) fn write(figures: &Figures, versions: &str, path: &str) -> Result<(), String> {
    let baseline = Baseline {
        versions: versions.lines().map(str::to_owned).collect(),
        figures: figures.clone(),
    };
    let text = serde_json::to_string_pretty(&baseline).map_err(|error| error.to_string())?;
    fs::write(path, text + "\n").map_err(|error| format!("{path}: {error}"))
}

pub(super) fn compare(figures: &Figures, versions: &str, path: &str) -> Result<Verdict, String> {
    let Ok(text) = fs::read_to_string(path) else {
        let lines = vec![format!("no baseline in {path}: --bless makes one")];
        return Ok(Verdict { lines, is_worse: true });
    };
    let baseline: Baseline =
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let mut verdict = Verdict::default();
    let is_same = baseline.versions.first().map(String::as_str) == versions.lines().next();
    if !is_same {
        let was = baseline.versions.first().map_or("", String::as_str);
        verdict.lines.push(format!(
            "the baseline is of another kernel ({was}): compared in proportion to the floor"
        ));
    }
    for (name, subjects) in configurations(figures) {
        let Some(before) = baseline.figures.get(name).and_then(|all| all.get(OURS)) else {
            verdict.lines.push(format!("{name}: not in the baseline: --bless adds it"));
            verdict.is_worse = true;
            continue;
        };
        // Of another kernel, what its own system calls have become slower or faster is not our doing.
        let floors = (subjects.get(FLOOR), baseline.figures[name].get(FLOOR));
        let (now, then) = match floors {
            (Some(now), Some(then)) if !is_same => (now.median.max(1), then.median.max(1)),
            _ => (1, 1),
        };
        judge(name, &subjects[OURS], before, (now, then), &mut verdict);
    }
    Ok(verdict)
}

fn judge(
    name: &str,
    after: &Figure,
    before: &Figure,
    (now, then): (u64, u64),
    verdict: &mut Verdict,
) {
    let expected = before.median * now / then;
    let change = percent(after.median, expected);
    let mut line =
        format!("{name}: {} µs, baseline {} µs: {change}", micros(after.median), micros(expected));
    if after.median * 100 > expected * (100 + PERCENT) {
        verdict.is_worse = true;
        line += &format!(", more than {PERCENT} % slower; grown: {}", grown(after, before));
    } else if after.median * (100 + PERCENT) < expected * 100 {
        line += "; --bless keeps that";
    }
    verdict.lines.push(line);
}

fn percent(after: u64, before: u64) -> String {
    let (after, before) = (after.cast_signed(), before.max(1).cast_signed());
    let permille = (after - before) * 1000 / before;
    format!(
        "{}{}.{} %",
        if permille < 0 { "-" } else { "+" },
        permille.abs() / 10,
        permille.abs() % 10
    )
}

/// The groups of steps that grew by a fifth of all growth and more, the most grown first.
fn grown(after: &Figure, before: &Figure) -> String {
    let mut all: Vec<(u64, &str)> = after
        .groups
        .iter()
        .map(|(name, time)| {
            (time.saturating_sub(before.groups.get(name).copied().unwrap_or(0)), &**name)
        })
        .filter(|(growth, _)| *growth > 0)
        .collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let total: u64 = all.iter().map(|(growth, _)| growth).sum();
    let named = all.iter().filter(|(growth, _)| growth * 5 >= total);
    let words: Vec<String> =
        named.map(|(growth, name)| format!("{name} by {} µs", micros(*growth))).collect();
    if words.is_empty() { "no group of steps: it waits longer".into() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};
    use crate::report::Figure;

    fn figure(median: u64, mounts: u64) -> Figure {
        Figure {
            median,
            groups: [("mounts".into(), mounts), ("clone".into(), 10_000)].into(),
            ..Figure::default()
        }
    }

    #[test]
    fn what_is_five_percent_slower_fails_and_names_what_grew() {
        let mut verdict = Verdict::default();
        judge("default", &figure(105_000, 15_000), &figure(100_000, 10_000), (1, 1), &mut verdict);
        assert!(verdict.is_worse);
        assert!(verdict.lines[0].contains("mounts by 5.0 µs"), "{:?}", verdict.lines);
    }

    #[test]
    fn what_is_two_percent_slower_passes() {
        let mut verdict = Verdict::default();
        judge("default", &figure(102_000, 12_000), &figure(100_000, 10_000), (1, 1), &mut verdict);
        assert!(!verdict.is_worse);
    }

    #[test]
    fn another_kernel_is_compared_in_proportion_to_the_floor() {
        let mut verdict = Verdict::default();
        judge(
            "default",
            &figure(120_000, 12_000),
            &figure(100_000, 10_000),
            (60, 50),
            &mut verdict,
        );
        assert!(!verdict.is_worse);
    }
}
