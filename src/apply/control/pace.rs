//! A time limit becomes pauses that grow, and their end.

use std::thread;
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_micros(50);
const LONGEST: Duration = Duration::from_millis(10);

/// What is left of a time limit.
#[derive(Debug)]
pub(in crate::apply) struct Pace {
    end: Option<Instant>,
    pause: Duration,
}

impl Pace {
    /// From now on; a limit that no clock can hold is none.
    pub(in crate::apply) fn until(limit: Duration) -> Self {
        Self { end: Instant::now().checked_add(limit), pause: FIRST }
    }

    /// How much time is left.
    pub(super) fn left(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    /// Pauses, longer each time, but not beyond the end; `false` when that has come.
    #[must_use]
    pub(in crate::apply) fn rest(&mut self) -> bool {
        let left = self.left();
        if left.is_zero() {
            return false;
        }
        thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 2).min(LONGEST);
        true
    }
}
