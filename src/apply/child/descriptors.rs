//! Everything that is open but what the program is passed is closed, or marked to be by `execve`.

use core::sync::atomic::Ordering;

use super::Child;
use crate::apply::program::Place;
use crate::sys::abi::LAST_FD;
use crate::sys::{Fd, Outcome, fd};
use crate::types::Errno;

impl Child<'_> {
    /// `keep` stays in the table and open until `execve`.
    pub(super) fn close_descriptors(self, keep: [Option<Place>; 2]) -> Outcome {
        for (place, entry) in (0..).map(Place).zip(&self.launch.table) {
            if !keep.contains(&Some(place)) {
                entry.store(-1, Ordering::Relaxed);
            }
        }
        let first = u32::try_from(self.launch.passed.len()).map_or(u32::MAX, |passed| 3 + passed);
        let kept = self.kept(keep);
        let close = if self.launch.marks { fd::mark_range } else { fd::close_range };
        let mut from = first;
        let mut answer = Ok(());
        for &number in kept.iter().filter(|&&number| number >= first) {
            if answer.is_ok() && from < number {
                answer = close(from, number - 1);
            }
            from = number.saturating_add(1);
        }
        match answer.and_then(|()| close(from, LAST_FD)) {
            Err(fault) if self.is_unknown(fault.errno) => {
                for number in (first..self.launch.descriptors).filter(|n| !kept.contains(n)) {
                    self.close_one(Fd(number.cast_signed()));
                }
                Ok(())
            }
            answer => answer,
        }
    }

    /// What stays open beside the program's own, in order: the channel, and `keep`. 0 stands for what there is not: without
    /// a launcher there is no channel to step around.
    fn kept(self, keep: [Option<Place>; 2]) -> [u32; 3] {
        let number = |fd: Option<Fd>| fd.and_then(|fd| u32::try_from(fd.0).ok()).unwrap_or(0);
        let at = |place: Option<Place>| number(place.and_then(|place| self.launch.at(place)));
        let mut kept = [number(Some(self.channel)), at(keep[0]), at(keep[1])];
        kept.sort_unstable();
        kept
    }

    /// `close_range(2)` is of Linux 5.9, its flag that marks of 5.11.
    fn is_unknown(self, errno: Errno) -> bool {
        errno == Errno::ENOSYS || self.launch.marks && errno == Errno::EINVAL
    }

    /// Most numbers are not open at all.
    fn close_one(self, number: Fd) {
        let _ = if self.launch.marks { fd::close_on_exec(number) } else { fd::close(number) };
    }
}
