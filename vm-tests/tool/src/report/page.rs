//! Figures become a page in Markdown.

use std::fmt::Write as _;

use super::baseline::Verdict;
use super::{FLOOR, Figures, OURS, configurations, in_order, micros};
use crate::shares::CLASSES;

/// How many of the dearest steps are listed.
const DEAREST: usize = 12;

pub(super) fn page(figures: &Figures, versions: &str, verdict: &Verdict) -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n![where the time of a start goes](latency.svg)\n\n## Starts\n\n");
    page.push_str(&table(figures));
    page.push_str("\n## Against the baseline\n\n");
    for line in &verdict.lines {
        let _ = writeln!(page, "- {line}");
    }
    page.push_str("\n## By what was being done\n\nµs of a traced start, medians; tracing makes each call dearer, so sums are above the table's.\n");
    for (name, subjects) in configurations(figures) {
        let _ = write!(
            page,
            "\n### {name}\n\n| | {} |\n|---|",
            CLASSES.map(|class| class.replace('-', " ")).join(" | ")
        );
        page.push_str(&"---|".repeat(CLASSES.len()));
        page.push('\n');
        for (subject, figure) in
            in_order(subjects).into_iter().filter(|(_, figure)| !figure.classes.is_empty())
        {
            let cells =
                CLASSES.map(|class| micros(figure.classes.get(class).copied().unwrap_or(0)));
            let _ = writeln!(page, "| {subject} | {} |", cells.join(" | "));
        }
    }
    page.push_str("\n## Ours, by group of steps\n\nµs of a traced start, medians.\n\n");
    groups(&mut page, figures);
    page.push_str("\n## Ours, the dearest steps\n");
    for (name, subjects) in configurations(figures) {
        let figure = subjects.get(OURS).filter(|figure| !figure.steps.is_empty());
        let Some(figure) = figure else { continue };
        let _ = write!(page, "\n### {name}\n\n| µs | step | group | |\n|---|---|---|---|\n");
        for (time, step, group, text) in figure.steps.iter().take(DEAREST) {
            let _ = writeln!(
                page,
                "| {} | {step} | {group} | {} |",
                micros(*time),
                text.replace('|', "\\|")
            );
        }
    }
    let _ = write!(page, "\n## Measured with\n\n```text\n{versions}```\n");
    page
}

/// One line for each subject of each configuration.
pub(super) fn table(figures: &Figures) -> String {
    let mut table = String::from(
        "| configuration | | median µs | min | max | ran | to the floor |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, subjects) in configurations(figures) {
        let floor = subjects.get(FLOOR).map(|figure| figure.median.max(1));
        for (subject, figure) in in_order(subjects) {
            let ratio = floor.map_or("".into(), |floor| {
                let tenths = figure.median * 100 / floor;
                format!("{}.{:02}", tenths / 100, tenths % 100)
            });
            let _ = writeln!(
                table,
                "| {name} | {subject} | {} | {} | {} | {} | {ratio} |",
                micros(figure.median),
                micros(figure.min),
                micros(figure.max),
                micros(figure.cpu)
            );
        }
    }
    table
}

fn groups(page: &mut String, figures: &Figures) {
    let all = configurations(figures);
    let mut names: Vec<&str> = Vec::new();
    let ours: Vec<_> = all
        .iter()
        .filter_map(|(name, subjects)| Some((*name, subjects.get(OURS)?)))
        .filter(|(_, figure)| !figure.steps.is_empty())
        .collect();
    for name in ours.iter().flat_map(|(_, figure)| figure.groups.keys()) {
        if !names.contains(&&**name) {
            names.push(name);
        }
    }
    let cost = |name: &str| {
        ours.iter().map(|(_, figure)| figure.groups.get(name).copied().unwrap_or(0)).max()
    };
    names.sort_by_key(|name| std::cmp::Reverse(cost(name)));
    let heads: Vec<&str> = ours.iter().map(|(name, _)| *name).collect();
    let _ = write!(page, "| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for name in names {
        let cells: Vec<String> = ours
            .iter()
            .map(|(_, figure)| micros(figure.groups.get(name).copied().unwrap_or(0)))
            .collect();
        let _ = writeln!(page, "| {name} | {} |", cells.join(" | "));
    }
}

const INTRODUCTION: &str = "# Latency, counted in instructions

Made by `vm-tests/latency`. The machine is emulated with a clock of one nanosecond an instruction, and skips what it would wait: \
so figures are the same on every run, also on a loaded host, but know nothing of caches and page walks. They say what grew \
and by how much against others, not how long a start takes on metal.

Each start: from the spawn of the program to its reaped end, for a program inside of three instructions, 50 ms after the last \
one. The first ten do not count. \"ran\" is what its processes ran of the median; the rest is waited for or run by the kernel's \
own threads.

- `namespaces`: pid, net, ipc, uts and mount namespace, another root with a dev of six nodes; no control group \
(runc does not work without a proc inside, so it has no line).
- `default`: proc, dev with six nodes, devpts, shm, mqueue, sys; four masked and four read-only paths; a control group with \
device rules.
- `userns`: the same in a user namespace. `limits`: the same with limits of memory, tasks and CPU. `seccomp`: the same with \
Docker's default filter.
- `exec`: a program more in the running `default` container. `lifecycle`: the `default` one by `create`, `start` and \
`delete`, their times added. Neither has a floor.

The floor is a program of the bare system calls of our plan, each answer known before: it reads no config and no fact, \
checks nothing and journals nothing. We, crun and runc read the same OCI bundle. \
bubblewrap makes no control group, masks nothing and reads no file: its line is for the order of magnitude.
";
