//! What was measured becomes a page of Markdown and its drawings. It holds no figure that is not in the sitting.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::plot::{Bar, bars, distribution, lines};
use crate::samples::{Series, Sitting};

/// Writes `latency.md` and `latency/*.svg` below `out`. What is between the marks in an existing page is the author's, and
/// stays.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(sitting: &Sitting, out: &Path) -> std::io::Result<()> {
    let drawings = out.join("latency");
    fs::create_dir_all(&drawings)?;
    let mut page = Page { text: String::new(), drawings: Vec::new(), sitting };
    page.head();
    page.whole();
    page.pauses();
    page.entries();
    page.verbs();
    page.library();
    page.pool();
    page.live();
    page.starters();
    page.counts();
    page.missing();
    let name = out.join("latency.md");
    let before = fs::read_to_string(&name).unwrap_or_default();
    let authors = before.split_once(MARK).map_or("", |(_, rest)| rest);
    fs::write(&name, format!("{}{MARK}{authors}", page.text))?;
    for (name, svg) in page.drawings {
        fs::write(drawings.join(name), svg)?;
    }
    Ok(())
}

/// What follows it is written by hand.
const MARK: &str = "\n<!-- What follows is written by hand. -->\n";

struct Page<'a> {
    text: String,
    drawings: Vec<(String, String)>,
    sitting: &'a Sitting,
}

const HEAD: &str = "# Start latency

This page is made by `cargo bench --bench report -- all`; how it is measured is in `benches/report/README.md`. Times are in \
microseconds, from the start of a process to its end that was waited for, clean-up included; median, and p10 to p90 in \
brackets. The payload is a program of three instructions. The *floor* is a program of bare system calls made from nsplan's \
own plan of the same container: what the kernel takes, and nothing else.
";

impl Page<'_> {
    fn head(&mut self) {
        self.text.push_str(HEAD);
        let rows = |title: &str, rows: &[(String, String)]| {
            let mut text = format!("\n| {title} | |\n|---|---|\n");
            for (name, value) in rows {
                let _ = writeln!(text, "| {name} | {value} |");
            }
            text
        };
        let machine = rows("machine", &self.sitting.machine);
        let programs = rows("program", &self.sitting.programs);
        let samples: usize = self.sitting.series.iter().map(|series| series.values.len()).sum();
        let busy: usize = self.sitting.series.iter().map(|series| series.busy).sum();
        let _ = write!(
            self.text,
            "{machine}{programs}\n{samples} samples; for {busy} of them no quiet moment came within the patience of the gate.\n"
        );
    }

    /// A table of variants × programs, and a drawing a layout of the default container.
    fn whole(&mut self) {
        self.text.push_str("\n## Whole runs, back to back\n");
        for layout in self.layouts("run") {
            self.table("run", layout);
            self.filters(layout);
            self.draw_bars("run", layout, "default");
            self.draw_distribution("run", layout, "default");
        }
    }

    /// What the filter of a container engine adds to the default container.
    fn filters(&mut self, layout: &str) {
        let mut row = String::new();
        for program in self.programs("run") {
            let find = |variant| self.sitting.find("run", layout, variant, &program);
            let Some((with, without)) = find("+ seccomp profile").zip(find("default")) else {
                continue;
            };
            let more = with.median() - without.median();
            if more.is_finite() {
                let comma = if row.is_empty() { "" } else { ", " };
                let _ = write!(row, "{comma}{program} {more:+.0}");
            }
        }
        if !row.is_empty() {
            let _ = write!(self.text, "\nWith the filter, over the default: {row} µs.\n");
        }
    }

    fn pauses(&mut self) {
        let layouts = self.layouts("pause");
        if layouts.is_empty() {
            return;
        }
        self.text.push_str(
            "\n## Whole runs after a pause of 100 ms\n\nThe common case outside of a benchmark: no RCU grace period is under \
             way, so what waits for one waits for the whole of it.\n",
        );
        for layout in layouts {
            self.table("pause", layout);
            self.draw_bars("pause", layout, "default");
        }
    }

    fn entries(&mut self) {
        if self.layouts("entry").is_empty() {
            return;
        }
        self.text.push_str("\n## To the first instruction of the program\n");
        for layout in self.layouts("entry") {
            self.table("entry", layout);
            self.table("entry, pause", layout);
        }
    }

    fn verbs(&mut self) {
        if self.layouts("verb").is_empty() {
            return;
        }
        self.text.push_str("\n## Verb by verb\n");
        for layout in self.layouts("verb") {
            self.table("verb", layout);
        }
    }

    fn library(&mut self) {
        if self.layouts("library").is_empty() {
            return;
        }
        self.text.push_str(
            "\n## From a process that is there\n\n`apply::spawn` and `wait` in a library caller of some size, beside the second \
             round of a floor that goes round twice.\n",
        );
        for layout in self.layouts("library") {
            self.table("library", layout);
        }
    }

    fn pool(&mut self) {
        if self.layouts("pool").is_empty() {
            return;
        }
        self.text.push_str(
            "\n## Out of a pool\n\n`Pool::start` and `wait` of a container that was made ahead, beside `apply::spawn` and `wait` of \
             the same config from the same process; the pool's thread makes the next one meanwhile.\n",
        );
        for layout in self.layouts("pool") {
            self.table("pool", layout);
        }
    }

    fn live(&mut self) {
        for layout in self.layouts("live") {
            let _ = write!(self.text, "\n## Beside containers that live\n");
            self.table("live", layout);
            let steps = owned(self.sitting.keys("live", |series| &series.variant));
            let series = self.per_program("live", layout, &steps);
            let svg = lines(
                &format!("Whole runs beside live containers, {layout}"),
                "µs",
                &steps,
                &series,
            );
            self.show(&format!("live-{layout}"), svg);
        }
    }

    fn starters(&mut self) {
        for layout in self.layouts("starters") {
            let _ = write!(self.text, "\n## Containers per second, by starters at once\n");
            self.table("starters", layout);
            let steps = owned(self.sitting.keys("starters", |series| &series.variant));
            let series = self.per_program("starters", layout, &steps);
            let title = format!("Containers per second, {layout}");
            let svg = lines(&title, "per second", &steps, &series);
            self.show(&format!("starters-{layout}"), svg);
        }
    }

    fn counts(&mut self) {
        if self.sitting.counts.is_empty() {
            return;
        }
        self.text.push_str(
            "\n## What one run takes\n\nCalls, clones and execs are those of the program, of its children and of the payload.\n\n\
             | | program | system calls | clones | execs | minor faults | peak memory, KiB |\n|---|---|---|---|---|---|---|\n",
        );
        for counts in &self.sitting.counts {
            let number = |value: Option<u64>| value.map_or_else(String::new, |v| v.to_string());
            let _ = writeln!(
                self.text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                counts.layout,
                counts.program,
                number(counts.calls),
                number(counts.clones),
                number(counts.execs),
                counts.faults,
                counts.peak
            );
        }
    }

    fn missing(&mut self) {
        if self.sitting.missing.is_empty() {
            return;
        }
        self.text.push_str("\n## What was not measured\n\n");
        for missing in &self.sitting.missing {
            let _ = writeln!(self.text, "- {missing}");
        }
    }

    fn layouts(&self, experiment: &str) -> Vec<&'static str> {
        let found = self.sitting.keys(experiment, |series| &series.layout);
        ["v1", "v2"].into_iter().filter(|layout| found.contains(layout)).collect()
    }

    fn programs(&self, experiment: &str) -> Vec<String> {
        owned(self.sitting.keys(experiment, |series| &series.program))
    }

    fn table(&mut self, experiment: &str, layout: &str) {
        let programs = self.programs(experiment);
        let variants = owned(self.sitting.keys(experiment, |series| &series.variant));
        let _ = write!(self.text, "\n| {experiment}, cgroup {layout} |");
        for program in &programs {
            let _ = write!(self.text, " {program} |");
        }
        let (over, under) = match experiment {
            "pool" => ("from the pool", "full start"),
            "verb" => ("nsplan", "fastest peer"),
            _ => ("nsplan", "floor"),
        };
        let rule = "---|".repeat(programs.len());
        let _ = write!(self.text, " {over} / {under} |\n|---|{rule}---|\n");
        for variant in &variants {
            let find = |program: &str| self.sitting.find(experiment, layout, variant, program);
            let mut row = format!("| {variant} |");
            for program in &programs {
                row.push_str(&find(program).map_or_else(|| " |".to_owned(), cell));
            }
            let under = match experiment {
                "verb" => {
                    let peers = programs.iter().filter(|program| !program.starts_with("nsplan"));
                    let medians = peers.filter_map(|peer| find(peer)).map(Series::median);
                    medians.min_by(f64::total_cmp)
                }
                _ => find(under).map(Series::median),
            };
            let ratio = find(over).zip(under).map(|(ours, under)| ours.median() / under);
            row.push_str(
                &ratio
                    .filter(|ratio| ratio.is_finite())
                    .map_or_else(|| " |\n".to_owned(), |ratio| format!(" **{ratio:.2}** |\n")),
            );
            self.text.push_str(&row);
        }
    }

    fn draw_bars(&mut self, experiment: &str, layout: &str, variant: &str) {
        let found = self.programs(experiment);
        let found =
            found.iter().filter_map(|name| self.sitting.find(experiment, layout, variant, name));
        let rows: Vec<Bar> = found
            .filter(|series| !series.values.is_empty())
            .map(|series| Bar {
                name: series.program.clone(),
                low: series.quantile(0.1),
                value: series.median(),
                high: series.quantile(0.9),
                is_floor: series.program == "floor",
            })
            .collect();
        let title = format!("{}, {variant}, cgroup {layout}", title(experiment));
        self.show(&format!("{experiment}-{layout}"), bars(&title, "µs", &rows));
    }

    fn draw_distribution(&mut self, experiment: &str, layout: &str, variant: &str) {
        let found = self.programs(experiment);
        let found =
            found.iter().filter_map(|name| self.sitting.find(experiment, layout, variant, name));
        let series: Vec<_> = found
            .filter(|series| !series.values.is_empty())
            .map(|series| (series.program.clone(), series.values.clone()))
            .collect();
        let title = format!("Share of runs below, {variant}, cgroup {layout}");
        self.show(&format!("distribution-{layout}"), distribution(&title, &series));
    }

    fn per_program(
        &self,
        experiment: &str,
        layout: &str,
        steps: &[String],
    ) -> Vec<(String, Vec<f64>)> {
        let mut all = Vec::new();
        for program in self.programs(experiment) {
            let find = |step: &String| self.sitting.find(experiment, layout, step, &program);
            let values: Vec<f64> = steps.iter().filter_map(find).map(Series::median).collect();
            if values.len() == steps.len() && values.iter().all(|value| value.is_finite()) {
                all.push((program, values));
            }
        }
        all
    }

    fn show(&mut self, name: &str, svg: String) {
        let _ = write!(self.text, "\n![{name}](latency/{name}.svg)\n");
        self.drawings.push((format!("{name}.svg"), svg));
    }
}

fn title(experiment: &str) -> &'static str {
    if experiment == "pause" { "Whole runs after 100 ms" } else { "Whole runs, back to back" }
}

fn cell(series: &Series) -> String {
    if series.values.is_empty() {
        return " |".into();
    }
    let (low, median, high) = (series.quantile(0.1), series.median(), series.quantile(0.9));
    format!(" {median:.0} ({low:.0}–{high:.0}) |")
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}
