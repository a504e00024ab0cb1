//! Memory that a child with a copy of its launcher's does not need becomes a list of ranges, which it unmaps.
//!
//! # References
//! `proc_pid_maps(5)`, `munmap(2)`.

use alloc::vec::Vec;
use core::arch::asm;
use core::ops::Range;

use super::raw::call;

/// What is kept is kept in whole pages of the largest kind.
const PAGE: usize = 64 * 1024;
/// Behind the last page of a program's or a library's file are its zeroed variables.
const MOST_VARIABLES: usize = 4 * 1024 * 1024;

/// Ranges of private memory that come from no file.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<Range<usize>>);

impl Spare {
    /// All that the calling process has, but for what is kept: `kept`, files and what is behind them, memory that is shared,
    /// what the kernel has put there, and what this thread and the kernel have agreed on (`rseq(2)`). What is mapped from now
    /// on is no part of it. Nothing if that cannot be found out.
    pub(crate) fn beside(kept: &[Range<usize>]) -> Self {
        let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
        let found =
            spare(&String::from_utf8_lossy(&maps), kept.iter().cloned().chain([own_block()]));
        // The list itself is read while the rest goes. Leaving it out cuts one in two at most.
        let mut list = Vec::with_capacity(found.len() + 1);
        let own = addresses(list.spare_capacity_mut());
        list.extend(found.into_iter().flat_map(|range| without(range, &own)).flatten());
        Self(list)
    }

    /// Unmaps them. To be called in a child whose memory is a copy, and which uses no more of it than was kept: what it does
    /// then is to make calls, until it executes a program.
    pub(crate) fn let_go(&self) {
        for range in &self.0 {
            // SAFETY: of this process's memory alone, as it is a copy, and of nothing that is used again: whoever made the
            // list has told what is. A child runs no destructor and unwinds nowhere.
            let _ = unsafe { call!(munmap, range.start, range.len()) };
        }
    }
}

/// Where `values` are.
pub(crate) fn addresses<T>(values: &[T]) -> Range<usize> {
    let ends = values.as_ptr_range();
    ends.start.addr()..ends.end.addr()
}

/// What is around the thread pointer: the kernel may write there when it switches tasks.
fn own_block() -> Range<usize> {
    let pointer: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads the word that the ABI puts at the thread pointer, which is the thread pointer.
    unsafe {
        asm!("mov {}, fs:0", out(reg) pointer, options(nostack, readonly, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads a register.
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, nomem, preserves_flags));
    }
    pointer.saturating_sub(PAGE)..pointer.saturating_add(PAGE)
}

fn spare(maps: &str, kept: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut file_end = 0;
    for line in maps.lines() {
        let Some((range, is_anonymous)) = read(line) else { continue };
        if !is_anonymous {
            file_end = range.end;
        } else if range.start != file_end {
            found.push(range);
        } else if range.len() > MOST_VARIABLES {
            found.push(range.start + MOST_VARIABLES..range.end);
        }
    }
    for kept in kept {
        found = found.into_iter().flat_map(|range| without(range, &kept)).flatten().collect();
    }
    found
}

/// `START-END ACCESS OFFSET DEVICE INODE NAME`: where it is, and whether it is private and no file's.
fn read(line: &str) -> Option<(Range<usize>, bool)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_private = words.next()?.ends_with('p');
    let is_file = words.nth(2)? != "0";
    let is_plain = words.next().is_none_or(|name| name == "[heap]" || name.starts_with("[anon"));
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some((number(start)?..number(end)?, is_private && !is_file && is_plain))
}

/// What is left of `range` below and above `kept`.
fn without(range: Range<usize>, kept: &Range<usize>) -> [Option<Range<usize>>; 2] {
    let (from, to) = (kept.start / PAGE * PAGE, kept.end.div_ceil(PAGE).saturating_mul(PAGE));
    let below = range.start..range.end.min(from);
    let above = range.start.max(to)..range.end;
    if kept.is_empty() || below == range || above == range {
        return [Some(range), None];
    }
    [below, above].map(|part| Some(part).filter(|part| !part.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-00500000 r-xp 00000000 fe:00 1016 /bin/a
00500000-00510000 rw-p 00100000 fe:00 1016 /bin/a
00510000-00520000 rw-p 00000000 00:00 0 
01000000-02000000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0040000000 rw-p 00000000 00:00 0 
7f0050000000-7f0050001000 rw-s 00000000 00:01 77 /dev/zero (deleted)
7f0060000000-7f0061000000 rw-p 00000000 00:00 0 [anon:glibc]
7f0070000000-7f0070010000 r-xp 00000000 fe:00 1017 /lib/b
7f0070010000-7f0071010000 rw-p 00000000 00:00 0 
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
7ffd00030000-7ffd00032000 r-xp 00000000 00:00 0 [vdso]
";

    #[test]
    fn only_anonymous_memory_that_is_not_kept_is_spare() {
        let kept = [0x0100_0010..0x0100_0020, 0x7f00_2001_0000..0x7f00_2003_0000, 0..0];
        let found = spare(MAPS, kept.into_iter());
        let expected = [
            0x0101_0000..0x0200_0000,
            0x7f00_0000_0000..0x7f00_2001_0000,
            0x7f00_2003_0000..0x7f00_4000_0000,
            0x7f00_6000_0000..0x7f00_6100_0000,
            0x7f00_7041_0000..0x7f00_7101_0000,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_kept_and_the_list_itself_are_not_spare() {
        let value = Vec::from([7_u8; 3 * PAGE]);
        let found = Spare::beside(&[addresses(&value)]);
        assert!(!found.0.is_empty());
        let all = [addresses(&value), addresses(&found.0), own_block()];
        for range in &found.0 {
            let meets = |kept: &Range<usize>| range.start < kept.end && kept.start < range.end;
            assert!(!all.iter().any(meets), "{range:x?}");
        }
    }
}
