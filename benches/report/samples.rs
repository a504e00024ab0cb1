//! What was measured, as data: taken on one machine, kept as JSON, rendered anywhere.

use serde::{Deserialize, Serialize};

/// Everything of one sitting.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sitting {
    /// What machine it was, and what ran on it: name and value.
    pub(crate) machine: Vec<(String, String)>,
    /// Programs that were measured: name and version.
    pub(crate) programs: Vec<(String, String)>,
    pub(crate) series: Vec<Series>,
    pub(crate) counts: Vec<Counts>,
    /// What was not measured, and why.
    pub(crate) missing: Vec<String>,
}

/// Samples of one program doing one thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    /// What was measured: `run`, `entry`, `live`, `starters`, `library`, `pool`, `verb`.
    pub(crate) experiment: String,
    /// The cgroup layout.
    pub(crate) layout: String,
    /// Which container, or how many.
    pub(crate) variant: String,
    pub(crate) program: String,
    /// Microseconds, in the order they were taken; containers per second for `starters`.
    pub(crate) values: Vec<f64>,
    /// How many were taken while something else ran.
    pub(crate) busy: usize,
}

/// What one run takes from the kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) layout: String,
    pub(crate) program: String,
    pub(crate) calls: Option<u64>,
    pub(crate) clones: Option<u64>,
    pub(crate) execs: Option<u64>,
    pub(crate) faults: u64,
    /// Kibibytes.
    pub(crate) peak: u64,
}

impl Series {
    /// The value that `share` of the samples lie below.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a few hundred samples"
        )]
        let index = (share * (sorted.len().max(1) - 1) as f64).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

impl Sitting {
    pub(crate) fn find(
        &self,
        experiment: &str,
        layout: &str,
        variant: &str,
        program: &str,
    ) -> Option<&Series> {
        self.series.iter().find(|series| {
            series.experiment == experiment
                && series.layout == layout
                && series.variant == variant
                && series.program == program
        })
    }

    /// The different values of a key, in the order of their first appearance.
    pub(crate) fn keys<'a>(
        &'a self,
        experiment: &str,
        key: impl Fn(&'a Series) -> &'a str,
    ) -> Vec<&'a str> {
        let mut found = Vec::new();
        for series in self.series.iter().filter(|series| series.experiment == experiment) {
            let value = key(series);
            if !found.contains(&value) {
                found.push(value);
            }
        }
        found
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.series.extend(other.series);
        self.counts.extend(other.counts);
        for missing in other.missing {
            if !self.missing.contains(&missing) {
                self.missing.push(missing);
            }
        }
    }
}
