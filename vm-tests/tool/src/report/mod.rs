//! The lines that [`measure`](crate::measure) printed in the guest become a page, a picture, and a verdict.

mod baseline;
mod page;
mod picture;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What we are called in the figures, and the bare system calls.
const OURS: &str = "nsplan";
const FLOOR: &str = "floor";

/// Of one subject in one configuration, in nanoseconds of a start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Figure {
    median: u64,
    min: u64,
    max: u64,
    /// What its processes ran of it.
    cpu: u64,
    /// Traced: by what its processes were doing.
    #[serde(default, skip_serializing)]
    classes: BTreeMap<String, u64>,
    /// Traced, ours: by group of steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<String, u64>,
    /// Traced, ours: time, step, group, text; in the order of the cost.
    #[serde(default, skip_serializing)]
    steps: Vec<(u64, String, String, String)>,
}

/// By configuration and subject.
type Figures = BTreeMap<String, BTreeMap<String, Figure>>;

/// Writes `latency.md` and `latency.svg` into `dir`, and fails where a start of ours is slower than the baseline's.
pub fn report(log: &str, versions: &str, baseline: &str, dir: &str) -> Result<(), String> {
    let (figures, versions) = (read(log)?, text(versions)?);
    let verdict = baseline::compare(&figures, &versions, baseline)?;
    for (name, said) in [
        ("latency.md", page::page(&figures, &versions, &verdict)),
        ("latency.svg", picture::picture(&figures)),
    ] {
        let path = Path::new(dir).join(name);
        fs::write(&path, said).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    print!("{}", page::table(&figures));
    verdict.lines.iter().for_each(|line| println!("{line}"));
    if verdict.is_worse { Err("slower than the baseline".into()) } else { Ok(()) }
}

/// Makes what was measured the baseline.
pub fn bless(log: &str, versions: &str, baseline: &str) -> Result<(), String> {
    baseline::write(&read(log)?, &text(versions)?, baseline)
}

fn text(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn read(path: &str) -> Result<Figures, String> {
    let mut figures = Figures::new();
    for line in text(path)?.lines() {
        line_of(line, &mut figures)
            .ok_or_else(|| format!("{path}: not a line of a measurement: {line}"))?;
    }
    // What has no plan that is printed is told apart by what was being done.
    for figure in figures.values_mut().filter_map(|subjects| subjects.get_mut(OURS)) {
        if figure.groups.is_empty() {
            figure.groups = figure.classes.clone();
        }
    }
    let has_ours = |subjects: &BTreeMap<String, Figure>| subjects.contains_key(OURS);
    match figures.is_empty() || !figures.values().all(has_ours) {
        true => Err(format!("{path}: no figures of ours")),
        false => Ok(figures),
    }
}

fn line_of(line: &str, figures: &mut Figures) -> Option<()> {
    let mut words = line.splitn(4, ' ');
    let kind = words.next()?;
    if !["TIME", "SHARE", "STEP"].contains(&kind) {
        return Some(());
    }
    let (configuration, subject, rest) = (words.next()?, words.next()?, words.next()?);
    let figure =
        figures.entry(configuration.into()).or_default().entry(subject.into()).or_default();
    if kind == "TIME" {
        let value = |key: &str| -> Option<u64> {
            rest.split(' ')
                .filter_map(|word| word.split_once('='))
                .find(|(name, _)| *name == key)?
                .1
                .parse()
                .ok()
        };
        (figure.median, figure.min) = (value("median")?, value("min")?);
        (figure.max, figure.cpu) = (value("max")?, value("cpu")?);
        return Some(());
    }
    let (time, rest) = rest.split_once(' ')?;
    let time = time.parse().ok()?;
    if kind == "SHARE" {
        figure.classes.insert(rest.into(), time);
        return Some(());
    }
    let mut words = rest.splitn(3, ' ');
    let (step, group, text) = (words.next()?, words.next()?, words.next()?);
    *figure.groups.entry(group.into()).or_default() += time;
    figure.steps.push((time, step.into(), group.into(), text.into()));
    figure.steps.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    Some(())
}

/// Microseconds with one digit.
fn micros(nanoseconds: u64) -> String {
    format!("{}.{}", nanoseconds / 1000, nanoseconds % 1000 / 100)
}

/// Names in the order of a report: we, the floor, then others.
fn in_order(subjects: &BTreeMap<String, Figure>) -> Vec<(&str, &Figure)> {
    let rank = |name: &str| [FLOOR, OURS].iter().position(|known| *known == name).unwrap_or(2);
    let mut all: Vec<(&str, &Figure)> =
        subjects.iter().map(|(name, figure)| (&**name, figure)).collect();
    all.sort_by_key(|(name, figure)| (rank(name), figure.median));
    all
}

/// Configurations from the barest to the fullest.
fn configurations(figures: &Figures) -> Vec<(&str, &BTreeMap<String, Figure>)> {
    let rank = |name: &str| {
        crate::bundles::MEASURED.iter().position(|one| *one == name).unwrap_or(usize::MAX)
    };
    let mut all: Vec<_> = figures.iter().map(|(name, subjects)| (&**name, subjects)).collect();
    all.sort_by_key(|(name, _)| (rank(name), *name));
    all
}
