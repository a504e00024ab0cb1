//! The experiments: who is measured doing what, in interleaved rounds.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsplan::apply::{Io, spawn};

use crate::bundle::Variant;
use crate::contender::{Contender, Kind, Place, found, nsplans};
use crate::counts::counts;
use crate::floor::{Times, floor};
use crate::gate::{Words, entry, micros, quiet, whole};
use crate::host::Layout;
use crate::samples::{Series, Sitting};
use crate::verbs::verbs;

/// How long and where.
pub(crate) struct Bench {
    pub(crate) layout: Layout,
    pub(crate) place: Place,
    pub(crate) rounds: usize,
    pub(crate) sitting: Sitting,
    contenders: Vec<Contender>,
}

pub(crate) type Take = fn(&Words) -> Result<f64, String>;

/// The pause of the common case: what the kernel had at hand for the last start has gone cold, and no RCU grace period is
/// under way.
const PAUSE: Duration = Duration::from_millis(100);
const ID: &str = "nsplan-report";

impl Bench {
    pub(crate) fn new(layout: Layout, place: Place, rounds: usize) -> Self {
        let mut sitting = Sitting::default();
        let contenders = found(&mut sitting.missing);
        for contender in contenders.iter().filter(|found| found.kind != Kind::Floor) {
            let version = (contender.name().to_owned(), contender.version());
            sitting.programs.push(version);
        }
        Self { layout, place, rounds, sitting, contenders }
    }

    pub(crate) fn all(&mut self) {
        for variant in Variant::ALL {
            self.run("run", variant, Duration::ZERO);
        }
        self.run("pause", Variant::Default, PAUSE);
        self.run("pause", Variant::NoCgroup, PAUSE);
        self.entry();
        self.library();
        verbs(self);
        self.starters();
        self.live();
        counts(self);
    }

    /// Those that can start this container here, with the words for it.
    pub(crate) fn able(
        &mut self,
        variant: Variant,
        payload: &str,
        id: &str,
    ) -> Vec<(Contender, Words)> {
        let mut able = Vec::new();
        for contender in &self.contenders {
            match contender.run(&self.place, variant, payload, id) {
                Ok(words) => able.push((contender.clone(), words)),
                Err(why) => {
                    let why = format!("{}, {}: {why}", self.layout.name(), variant.name());
                    if !self.sitting.missing.contains(&why) {
                        self.sitting.missing.push(why);
                    }
                }
            }
        }
        able
    }

    fn run(&mut self, experiment: &str, variant: Variant, pause: Duration) {
        let able = self.able(variant, "exits", ID);
        self.interleave(experiment, variant.name(), &able, pause, whole);
    }

    fn entry(&mut self) {
        for (name, pause) in [("entry", Duration::ZERO), ("entry, pause", PAUSE)] {
            let able = self.able(Variant::Default, "stamps", ID);
            self.interleave(name, Variant::Default.name(), &able, pause, entry);
        }
    }

    /// Every round takes one sample of each, beginning with another each time.
    fn interleave(
        &mut self,
        experiment: &str,
        variant: &str,
        able: &[(Contender, Words)],
        pause: Duration,
        take: Take,
    ) {
        eprintln!("report: {} {experiment} {variant}", self.layout.name());
        let mut all: Vec<Series> =
            able.iter().map(|(found, _)| self.series(experiment, variant, found.name())).collect();
        let rounds = if pause.is_zero() { self.rounds } else { self.rounds / 2 };
        for round in 0..rounds {
            for turn in 0..able.len() {
                let at = (round + turn) % able.len();
                let (_, words) = &able[at];
                sleep(pause);
                if !quiet() {
                    all[at].busy += 1;
                }
                match take(words) {
                    Ok(value) => all[at].values.push(value),
                    Err(why) => self.sitting.missing.push(format!("{experiment}: {why}")),
                }
            }
        }
        self.sitting.series.extend(all);
    }

    pub(crate) fn series(&self, experiment: &str, variant: &str, program: &str) -> Series {
        Series {
            experiment: experiment.to_owned(),
            layout: self.layout.name().to_owned(),
            variant: variant.to_owned(),
            program: program.to_owned(),
            values: Vec::new(),
            busy: 0,
        }
    }

    /// Starts of a caller that is there already, small and large, beside the floor in a process of its own.
    fn library(&mut self) {
        for variant in [Variant::NoCgroup, Variant::Default] {
            let Ok(plan) = nsplans(&self.place, variant, "exits", ID) else { return };
            for (size, threads) in [(16 << 20, 0), (1 << 30, 8)] {
                let label = format!("{}, {} MiB, {threads} threads", variant.name(), size >> 20);
                let mut memory = vec![0u8; size];
                memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
                let mut ours = self.series("library", &label, "nsplan");
                let mut floors = self.series("library", &label, "floor");
                with_threads(threads, || {
                    for _ in 0..self.rounds / 2 {
                        ours.busy += usize::from(!quiet());
                        let begin = Instant::now();
                        let container = spawn(&plan, Io::default());
                        if container.is_ok_and(|mut container| container.wait().is_ok()) {
                            ours.values.push(micros(begin.elapsed()));
                        }
                        floors.busy += usize::from(!quiet());
                        floors.values.extend(self.floor_in_process(&plan));
                    }
                });
                with_threads(threads, || crate::pool::pool(self, &label, variant));
                assert!(memory.iter().step_by(4096).all(|byte| *byte == 1), "memory was kept");
                self.sitting.series.extend([ours, floors]);
            }
        }
    }

    /// Two starts of the floor within one process; the second, as the first pays for its page faults.
    fn floor_in_process(&self, plan: &nsplan::plan::Plan) -> Option<f64> {
        let file = self.place.at.join("floor-twice").display().to_string();
        if !std::path::Path::new(&file).exists() || !self.is_of(plan) {
            crate::write_program(&file, &floor(plan, Times::Loop(2)).ok()?).ok()?;
            std::fs::write(self.place.at.join("floor-twice.json"), plan.to_json()).ok()?;
        }
        let output = Words::new([file]).command().output().ok()?;
        let seconds = |at: usize| {
            let word = |at: usize| {
                let bytes = output.stdout.get(at..at + 8)?.try_into().ok()?;
                Some(u64::from_le_bytes(bytes))
            };
            Some(Duration::from_secs(word(at)?) + Duration::from_nanos(word(at + 8)?))
        };
        Some(micros(seconds(48)?.saturating_sub(seconds(32)?)))
    }

    fn is_of(&self, plan: &nsplan::plan::Plan) -> bool {
        let text = std::fs::read_to_string(self.place.at.join("floor-twice.json"));
        text.is_ok_and(|text| text == plan.to_json())
    }

    /// Containers per second, several starting at once.
    fn starters(&mut self) {
        const EACH: usize = 30;
        eprintln!("report: {} starters", self.layout.name());
        let kinds = [Kind::Floor, Kind::Nsplan, Kind::Crun, Kind::Runc];
        for count in [1, 2, 4, 8] {
            let sets: Vec<_> = (0..count)
                .map(|number| self.able(Variant::Default, "exits", &format!("{ID}-{number}")))
                .collect();
            for kind in kinds {
                let words: Vec<Words> = sets
                    .iter()
                    .filter_map(|set| set.iter().find(|(found, _)| found.kind == kind))
                    .map(|(_, words)| words.clone())
                    .collect();
                if words.len() < count {
                    continue;
                }
                let mut series = self.series("starters", &count.to_string(), kind.name());
                for _ in 0..3 {
                    series.busy += usize::from(!quiet());
                    let begin = Instant::now();
                    let done: usize = std::thread::scope(|scope| {
                        let starters: Vec<_> = words
                            .iter()
                            .map(|words| {
                                scope.spawn(move || {
                                    (0..EACH / count.min(4))
                                        .filter(|_| whole(words).is_ok())
                                        .count()
                                })
                            })
                            .collect();
                        starters.into_iter().map(|starter| starter.join().unwrap_or(0)).sum()
                    });
                    let done = u32::try_from(done).map_or(0.0, f64::from);
                    series.values.push(done / begin.elapsed().as_secs_f64());
                }
                self.sitting.series.push(series);
            }
        }
    }

    /// Starts beside containers that live.
    fn live(&mut self) {
        let mut living: Vec<Child> = Vec::new();
        for count in [0, 100, 500] {
            while living.len() < count {
                let id = format!("{ID}-live-{}", living.len());
                let contender = self.contenders.iter().find(|found| found.kind == Kind::Nsplan);
                let words = contender.and_then(|nsplan| {
                    nsplan.run(&self.place, Variant::Default, "stays", &id).ok()
                });
                let child = words.and_then(|words| words.command().spawn().ok());
                let Some(child) = child else { break };
                living.push(child);
            }
            sleep(Duration::from_secs(u64::from(count > 0)));
            let mut able = self.able(Variant::Default, "exits", ID);
            able.retain(|(found, _)| found.kind != Kind::Youki);
            self.interleave("live", &count.to_string(), &able, Duration::ZERO, whole);
        }
        for child in &mut living {
            if let Ok(pid) = i32::try_from(child.id()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            let _ = child.wait();
        }
    }
}

/// Does `work` while so many threads of this process sleep and wake.
fn with_threads(count: usize, work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::thread::park_timeout(Duration::from_millis(50));
                }
            });
        }
        work();
        is_over.store(true, Ordering::Relaxed);
    });
}
