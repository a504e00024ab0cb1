//! The program that a process runs becomes another descriptor's: mapped anew in place, and told to the kernel.
//!
//! For the kernel, the program of a process is one file (`/proc/PID/exe`), and it lets that be changed when nothing of the
//! old one is mapped any more. So a process can leave its file for a read-only mount of the same file without `execve`.
//!
//! # References
//! `PR_SET_MM(2const)`, `proc_pid_stat(5)`, `elf(5)`, `getauxval(3)`; `replace_mm_exe_file` in the kernel's `kernel/fork.c`.

use core::ptr;

use super::abi;
use super::fd::Fd;
use super::raw::{Fault, Outcome, Sysno, Word, call};
use super::signal;
use crate::types::Errno;

/// More segments than any linker makes; the table is on the stack, as nothing may be written to while data is moved.
const MOST: usize = 16;
/// Where what is, in the order in which the kernel takes it.
type Layout = [u64; 11];

/// `struct prctl_mm_map`.
#[repr(C)]
struct MemoryMap {
    layout: Layout,
    /// None is given.
    auxiliary: u64,
    auxiliary_size: u32,
    program: u32,
}

/// Of the kernel's, in front of the headers of the segments.
const ELF_HEADER: usize = size_of::<libc::Elf64_Ehdr>();

/// One part of the file in memory, in whole pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Segment {
    at: usize,
    length: usize,
    offset: u64,
    access: u32,
}

/// The segments of this program that come from its file, and the part of them that is read-only since the program was linked.
#[derive(Debug, Default)]
struct Segments {
    list: [Segment; MOST],
    count: usize,
    relocated: Option<Segment>,
}

/// Maps this program from `file` in place of where it is mapped from now, and makes that its file. To be another way to the
/// very file that this process was started from.
///
/// Needs `CAP_SYS_ADMIN` in the caller's user namespace, or `CAP_CHECKPOINT_RESTORE` (Linux 5.9); and a kernel with
/// `CONFIG_CHECKPOINT_RESTORE`. After a failure the program goes on as well as before, and has its old file.
///
/// # Errors
/// `EBUSY` in a process of more than one thread. `ENOEXEC` for a program that is not laid out as expected.
pub(crate) fn adopt(file: Fd) -> Outcome {
    let (threads, layout) = own_layout()?;
    if threads != 1 {
        return Err(Fault::new(Sysno::prctl, Errno(libc::EBUSY)));
    }
    let segments = own_segments()?;
    // Until it is moved, nobody else may write to what is copied.
    let mask = signal::set_mask(u64::MAX)?;
    let answer = segments.map(file).and_then(|()| tell(file, layout));
    signal::set_mask(mask)?;
    answer
}

impl Segments {
    /// Each mapping is replaced by one call: at no moment is there nothing.
    fn map(&self, file: Fd) -> Outcome {
        for segment in &self.list[..self.count] {
            if segment.access & abi::PROT_WRITE == 0 {
                map_fixed(segment, file)?;
            } else {
                copy_over(segment)?;
            }
        }
        self.relocated.as_ref().map_or(Ok(()), protect)
    }

    fn push(&mut self, segment: Segment) -> Outcome {
        let place = self.list.get_mut(self.count).ok_or(NOT_AS_EXPECTED)?;
        *place = segment;
        self.count += 1;
        Ok(())
    }
}

fn map_fixed(segment: &Segment, file: Fd) -> Outcome {
    let Segment { at, length, offset, access } = *segment;
    let flags = abi::MAP_PRIVATE | abi::MAP_FIXED;
    // SAFETY: what is replaced is a segment of this program that nothing writes to, by the same bytes of the same file with
    // the same access, as one step of the kernel's: who reads or executes there notices nothing.
    unsafe { call!(mmap, at, length, access, flags, file, offset) }.map(drop)
}

/// What is written to is no file's any more, but a copy: of its own, in the same place.
fn copy_over(segment: &Segment) -> Outcome {
    let Segment { at, length, .. } = *segment;
    let access = abi::PROT_READ | abi::PROT_WRITE;
    let flags = abi::MAP_PRIVATE | abi::MAP_ANONYMOUS | abi::MAP_POPULATE;
    // SAFETY: an anonymous mapping at an address of the kernel's choice replaces nothing of ours.
    let copy = unsafe { call!(mmap, 0_usize, length, access, flags, -1_i32, 0_usize) }?;
    let (from, to) =
        (ptr::with_exposed_provenance::<u8>(at), ptr::with_exposed_provenance_mut(copy));
    // SAFETY: a segment of this program, mapped whole and readable, and the mapping just made, which is as long. The only
    // thread is here, and its signals are blocked, so nobody writes to the one; nobody knows of the other.
    unsafe { ptr::copy_nonoverlapping(from, to, length) };
    let moves = abi::MREMAP_MAYMOVE | abi::MREMAP_FIXED;
    // SAFETY: takes the place of the segment with the same bytes, as one step of the kernel's; nothing was written to
    // it since the copy, as neither this function nor those that it calls have anything there.
    unsafe { call!(mremap, copy, length, length, moves, at) }.map(drop)
}

/// As it was before it was copied.
fn protect(part: &Segment) -> Outcome {
    // SAFETY: a part of this program that its linker has made read-only already; only that is done again.
    unsafe { call!(mprotect, part.at, part.length, abi::PROT_READ) }.map(drop)
}

/// `prctl(PR_SET_MM, PR_SET_MM_MAP)`: the kernel refuses (`EBUSY`) if the old file is mapped anywhere.
fn tell(file: Fd, layout: Layout) -> Outcome {
    let map =
        MemoryMap { layout, auxiliary: 0, auxiliary_size: 0, program: file.0.cast_unsigned() };
    let (option, what, length) = (abi::PR_SET_MM, abi::PR_SET_MM_MAP, size_of::<MemoryMap>());
    // SAFETY: `map` is a whole `struct prctl_mm_map`, borrowed for the call and only read, and its size is what is told. What
    // it says of this process's memory is what the kernel has just said itself.
    unsafe { call!(prctl, option, what, &raw const map, length, 0_u32) }.map(drop)
}

const NOT_AS_EXPECTED: Fault = Fault::new(Sysno::mmap, Errno(libc::ENOEXEC));

/// How many threads there are, and where the kernel says that what is.
fn own_layout() -> Outcome<(u64, Layout)> {
    let mut text = [0; 1024];
    let file = super::fd::openat(Fd::CWD, c"/proc/self/stat", abi::O_RDONLY, 0)?;
    let length = super::fd::read(file.fd(), &mut text)?;
    // SAFETY: asks for the end of the heap: 0 is where it cannot be, so nothing is changed.
    let heap_end = unsafe { call!(brk, 0_usize) }?;
    let text = core::str::from_utf8(&text[..length]).ok();
    text.and_then(|text| read_layout(text, heap_end)).ok_or(NOT_AS_EXPECTED)
}

/// Fields are counted from 1; the second may hold spaces, and is put into parentheses.
fn read_layout(text: &str, heap_end: usize) -> Option<(u64, Layout)> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut numbers = [0_u64; 52];
    for (number, word) in numbers.iter_mut().skip(3).zip(fields.split_ascii_whitespace()) {
        // The state is a letter, some are negative.
        *number = word.parse().unwrap_or(0);
    }
    let [code, data] = [[26, 27], [45, 46]].map(|pair| pair.map(|field| numbers[field]));
    let heap_end = u64::try_from(heap_end).ok()?;
    let layout = [
        code[0],
        code[1],
        data[0],
        data[1],
        numbers[47],
        heap_end,
        numbers[28],
        numbers[48],
        numbers[49],
        numbers[50],
        numbers[51],
    ];
    // Zeros stand for what one may not see.
    (code[0] > 0 && numbers[51] > 0).then_some((numbers[20], layout))
}

/// What the kernel has mapped of this program's file, by the headers that it says are in memory.
fn own_segments() -> Outcome<Segments> {
    let value = |what| {
        // SAFETY: takes a number; answers 0 for what is not there.
        unsafe { libc::getauxval(what) }.word()
    };
    let [headers, count, page] = [libc::AT_PHDR, libc::AT_PHNUM, libc::AT_PAGESZ].map(value);
    let is_whole = value(libc::AT_PHENT) == size_of::<libc::Elf64_Phdr>();
    if headers == 0 || !is_whole || !page.is_power_of_two() || count > 4 * MOST {
        return Err(NOT_AS_EXPECTED);
    }
    let first: *const libc::Elf64_Phdr = ptr::with_exposed_provenance(headers);
    // SAFETY: the kernel put the address and the number of this program's headers there, of the size that was compared; they
    // are part of a segment that is never written to.
    let headers_of = unsafe { core::slice::from_raw_parts(first, count) };
    segments(headers_of, headers, page)
}

fn segments(headers: &[libc::Elf64_Phdr], at: usize, page: usize) -> Outcome<Segments> {
    let of = |kind| headers.iter().filter(move |header| header.p_type == kind);
    // By how much everything is moved: the headers know where they were to be, or they are behind the file's own.
    let planned = match of(libc::PT_PHDR).next() {
        Some(own) => own.p_vaddr.word(),
        None => {
            let first = of(libc::PT_LOAD).find(|load| load.p_offset == 0).ok_or(NOT_AS_EXPECTED)?;
            first.p_vaddr.word() + ELF_HEADER
        }
    };
    let moved = at.checked_sub(planned).ok_or(NOT_AS_EXPECTED)?;
    let mut found = Segments::default();
    for load in of(libc::PT_LOAD).filter(|load| load.p_filesz > 0) {
        let begin = moved + load.p_vaddr.word();
        let (at, end) = (down(begin, page), down(begin + load.p_filesz.word() + page - 1, page));
        let offset = load.p_offset.checked_sub((begin - at) as u64).ok_or(NOT_AS_EXPECTED)?;
        found.push(Segment { at, length: end - at, offset, access: access(load.p_flags) })?;
    }
    found.relocated = of(libc::PT_GNU_RELRO).next().and_then(|part| {
        let begin = moved + part.p_vaddr.word();
        let (at, end) = (down(begin, page), down(begin + part.p_memsz.word(), page));
        (at < end).then_some(Segment { at, length: end - at, offset: 0, access: abi::PROT_READ })
    });
    Ok(found)
}

const fn down(address: usize, page: usize) -> usize {
    address & !(page - 1)
}

/// The bits of a header and those of a mapping stand for the same in another order.
fn access(flags: u32) -> u32 {
    let bit = |flag: u32, access: u32| if flags & flag == 0 { 0 } else { access };
    bit(libc::PF_R, abi::PROT_READ)
        | bit(libc::PF_W, abi::PROT_WRITE)
        | bit(libc::PF_X, abi::PROT_EXEC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u32, flags: u32, offset: u64, at: u64, size: u64) -> libc::Elf64_Phdr {
        libc::Elf64_Phdr {
            p_type: kind,
            p_flags: flags,
            p_offset: offset,
            p_vaddr: at,
            p_paddr: at,
            p_filesz: size,
            p_memsz: size,
            p_align: 0x1000,
        }
    }

    #[test]
    fn segments_are_whole_pages_where_the_kernel_has_put_them() {
        let headers = [
            header(libc::PT_PHDR, libc::PF_R, 0x40, 0x40, 0x1c0),
            header(libc::PT_LOAD, libc::PF_R, 0, 0, 0x1234),
            header(libc::PT_LOAD, libc::PF_R | libc::PF_X, 0x1240, 0x2240, 0x3000),
            header(libc::PT_LOAD, libc::PF_R | libc::PF_W, 0x4300, 0x6300, 0xe00),
            header(libc::PT_LOAD, libc::PF_R | libc::PF_W, 0x5100, 0x8100, 0),
            header(libc::PT_GNU_RELRO, libc::PF_R, 0x4300, 0x6300, 0xd00),
        ];
        let base = 0x5555_0000;
        let found = segments(&headers, base + 0x40, 0x1000).expect("as expected");
        let segment =
            |at, length, offset, access| Segment { at: base + at, length, offset, access };
        let (read, write, run) = (abi::PROT_READ, abi::PROT_WRITE, abi::PROT_EXEC);
        let all = [
            segment(0, 0x2000, 0, read),
            segment(0x2000, 0x4000, 0x1000, read | run),
            segment(0x6000, 0x2000, 0x4000, read | write),
        ];
        assert_eq!(found.list[..found.count], all);
        assert_eq!(found.relocated, Some(segment(0x6000, 0x1000, 0, read)));
    }

    #[test]
    fn headers_that_do_not_name_themselves_are_behind_the_files_own() {
        let load = header(libc::PT_LOAD, libc::PF_R, 0, 0x40_0000, 0x1000);
        let found = segments(&[load], 0x40_0040, 0x1000).expect("as expected");
        assert_eq!(found.list[0].at, 0x40_0000);
        let later = header(libc::PT_LOAD, libc::PF_R, 0x1000, 0x40_1000, 0x1000);
        assert!(segments(&[later], 0x40_0040, 0x1000).is_err());
    }

    #[test]
    fn what_one_may_not_see_is_no_layout() {
        let numbers: Vec<String> = (4..60).map(|field: i64| field.to_string()).collect();
        let text = format!("7 (a) b) S {}", numbers.join(" "));
        let (threads, layout) = read_layout(&text, 99).expect("numbers");
        assert_eq!((threads, layout), (20, [26, 27, 45, 46, 47, 99, 28, 48, 49, 50, 51]));
        assert!(read_layout(&format!("7 (a) S {}", "0 ".repeat(50)), 99).is_none());
        assert!(read_layout("7 (a", 99).is_none());
    }

    #[test]
    fn the_headers_of_this_program_are_found() {
        let found = own_segments().expect("as expected");
        let here = own_segments as *const () as usize;
        let is_here = |it: &&Segment| (it.at..it.at + it.length).contains(&here);
        let runs = found.list[..found.count].iter().find(is_here).expect("where this runs");
        assert_eq!(runs.access & abi::PROT_EXEC, abi::PROT_EXEC);
        assert_eq!(size_of::<MemoryMap>(), 104);
    }

    #[test]
    fn a_process_of_several_threads_keeps_its_file() {
        let (threads, layout) = own_layout().expect("this process's");
        assert!(layout.iter().all(|&place| place > 0));
        // The harness has one beside each test's.
        assert!(threads > 1);
        let fault = adopt(Fd(-1)).expect_err("too many");
        assert!(fault.is(Errno(libc::EBUSY)));
    }
}
