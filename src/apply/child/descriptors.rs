//! Everything that is open but what the program is passed is closed, or marked to be by `execve`.

use core::sync::atomic::Ordering;

use super::Child;
use crate::apply::program::Place;
use crate::sys::abi::LAST_FD;
use crate::sys::{Fd, Outcome, fd};
use crate::types::Errno;

impl Child<'_> {
    /// `keep` stays in the table and open until `execve`.
    pub(super) fn close_descriptors(self, keep: Option<Place>) -> Outcome {
        let kept = keep.map(|place| Ok((place, self.at(place)?))).transpose()?;
        for entry in &self.launch.table {
            entry.store(-1, Ordering::Relaxed);
        }
        let first = u32::try_from(self.launch.passed.len()).map_or(u32::MAX, |passed| 3 + passed);
        // Without a launcher there is no channel to step around.
        let channel = u32::try_from(self.channel.0).unwrap_or(first - 1);
        let mut above = channel.saturating_add(1);
        if let Some((place, fd)) = kept {
            self.launch.set(place, fd);
            // What is marked stays where it is: the place above the channel may be somebody's.
            if !self.launch.marks {
                self.launch.set(place, seat_at(fd, Fd(above.cast_signed()))?);
                above += 1;
            }
        }
        let close = if self.launch.marks { fd::mark_range } else { fd::close_range };
        let below = match channel.checked_sub(1) {
            Some(last) if last >= first => close(first, last),
            _ => Ok(()),
        };
        match below.and_then(|()| close(above, LAST_FD)) {
            Err(fault) if self.is_unknown(fault.errno) => {
                let is_kept = |number: &u32| (channel..above).contains(number);
                for number in (first..self.launch.descriptors).filter(|n| !is_kept(n)) {
                    self.close_one(Fd(number.cast_signed()));
                }
                Ok(())
            }
            answer => answer,
        }
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

/// Right above the channel, so that two ranges are all there is to close.
fn seat_at(fd: Fd, seat: Fd) -> Outcome<Fd> {
    if fd != seat {
        fd::dup3_cloexec(fd, seat)?;
    }
    Ok(seat)
}
