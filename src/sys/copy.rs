//! Bytes from one place to another, for the static program: what its C library does with string instructions, without them.
//!
//! A start copies some two thousand times, nine tenths of them less than 64 bytes. `rep movs`, which musl's `memcpy` always
//! goes through, takes a processor some thirty nanoseconds to begin with; a pair of loads and stores takes one. glibc knows;
//! so this is for musl alone, and for the command alone: the library leaves its caller's `memcpy` as it is.

use core::arch::asm;

/// Whose copies have no more than this are loaded whole before anything is stored, so they may overlap.
const SHORT: usize = 128;

/// `memmove(3)`, and so `memcpy(3)` too.
///
/// There is no loop in here: a compiler that found one which copies would call `memcpy` for it.
///
/// # Safety
/// `length` bytes can be read at `from` and written at `to`. They may overlap.
#[doc(hidden)]
#[inline]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one condition for all of them")]
pub unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: of each pair, the first is at the beginning and the second at the end of the range, which is at least as long
    // as one of them; all that is read is read before anything is written.
    unsafe {
        match length {
            0 => {}
            1 => to.write(from.read()),
            2..=3 => ends::<u16>(to, from, length),
            4..=7 => ends::<u32>(to, from, length),
            8..=15 => ends::<u64>(to, from, length),
            16..=32 => ends::<u128>(to, from, length),
            33..=64 => ends::<[u128; 2]>(to, from, length),
            65..=SHORT => ends::<[u128; 4]>(to, from, length),
            _ => long(to, from, length),
        }
    }
}

/// The first and the last bytes of a range, which meet or overlap.
///
/// # Safety
/// As for [`copy`]; the range has from one to two times the size of `Part`.
#[inline(always)]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one condition for all of them")]
unsafe fn ends<Part>(to: *mut u8, from: *const u8, length: usize) {
    let last = length.wrapping_sub(size_of::<Part>());
    // SAFETY: both parts are within the range; no address is aligned to anything.
    unsafe {
        let first = from.cast::<Part>().read_unaligned();
        let end = from.wrapping_add(last).cast::<Part>().read_unaligned();
        to.cast::<Part>().write_unaligned(first);
        to.wrapping_add(last).cast::<Part>().write_unaligned(end);
    }
}

/// # Safety
/// As for [`copy`]; at least 16 bytes.
#[inline]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one condition for all of them")]
unsafe fn long(to: *mut u8, from: *const u8, length: usize) {
    // From the end, if the beginning would write over what is still to be read.
    let is_ahead = to.addr().wrapping_sub(from.addr()) < length;
    // SAFETY: the instructions read and write the range and nothing else; the flag for the direction is put back.
    unsafe {
        if is_ahead {
            let last = length.wrapping_sub(1);
            asm!(
                "std", "rep movsb", "cld",
                inout("rcx") length => _,
                inout("rdi") to.wrapping_add(last) => _,
                inout("rsi") from.wrapping_add(last) => _,
                options(nostack),
            );
        } else {
            let last = length.wrapping_sub(size_of::<u128>());
            let end = from.wrapping_add(last).cast::<u128>().read_unaligned();
            asm!(
                "rep movsq",
                inout("rcx") length / 8 => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags),
            );
            to.wrapping_add(last).cast::<u128>().write_unaligned(end);
        }
    }
}

/// Makes that function, which is to be [`copy`], the program's `memcpy` and `memmove`. Both, as musl's second goes on in its
/// first.
#[doc(hidden)]
#[macro_export]
macro_rules! copies_of_its_own {
    ($copy:path) => {
        /// # Safety
        /// `memcpy(3)`
        #[allow(unsafe_code, reason = "the names of C")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
            // SAFETY: the caller's conditions are the same, and more.
            unsafe { $copy(to, from, length) };
            to
        }

        /// # Safety
        /// `memmove(3)`
        #[allow(unsafe_code, reason = "the names of C")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
            // SAFETY: the caller's conditions are the same.
            unsafe { $copy(to, from, length) };
            to
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length that has a way of its own and its neighbours, from every place to every place near it.
    #[test]
    fn what_is_copied_is_what_was_there_and_nothing_beside_it_changes() {
        const ROOM: usize = 700;
        let before: Vec<u8> = (0..ROOM).map(|at| u8::try_from(at * 7 % 251).unwrap_or(0)).collect();
        for length in (0..300).chain([511, 512, 513]) {
            for (to, from) in [(0, 350), (350, 0), (33, 34), (34, 33), (40, 25), (25, 40), (9, 9)] {
                if from + length > ROOM || to + length > ROOM {
                    continue;
                }
                let mut wanted = before.clone();
                wanted.copy_within(from..from + length, to);
                let mut found = before.clone();
                let base = found.as_mut_ptr();
                // SAFETY: both ranges are within the vector.
                unsafe { copy(base.wrapping_add(to), base.wrapping_add(from), length) };
                assert_eq!(found, wanted, "{length} bytes from {from} to {to}");
            }
        }
    }
}
