//! A few starts become the kernel's own trace of them: system calls, switches, and where our program begins a step.
//!
//! The clock is the processor's counter, which is nanoseconds where QEMU counts instructions.

use std::fs;
use std::io::Write as _;

const TRACEFS: &str = "/sys/kernel/tracing";
/// What [`crate::shares`] reads.
const EVENTS: [&str; 6] = [
    "raw_syscalls/sys_enter",
    "raw_syscalls/sys_exit",
    "sched/sched_switch",
    "sched/sched_process_fork",
    "sched/sched_process_exec",
    "sched/sched_process_exit",
];
const SYMBOL: &str = "step_mark";

/// The kernel's trace, set up; undone when it is dropped.
#[derive(Debug)]
pub struct Tracer {
    has_marks: bool,
}

impl Tracer {
    /// With a probe on the marks of `program`, if that is ours.
    pub fn new(program: Option<&str>) -> Result<Self, String> {
        if !fs::exists(format!("{TRACEFS}/trace")).unwrap_or(false) {
            return Err(format!("no tracefs in {TRACEFS}"));
        }
        let tracer = Self { has_marks: program.is_some() };
        put("tracing_on", "0")?;
        put("trace_clock", "x86-tsc")?;
        put("buffer_size_kb", "32768")?;
        for event in EVENTS {
            put(&format!("events/{event}/enable"), "1")?;
        }
        if let Some(program) = program {
            let offset =
                offset_of(&fs::read(program).map_err(|error| format!("{program}: {error}"))?)?;
            let probe = format!(
                "p:nsplan/{SYMBOL} {program}:{offset:#x} actor=%di:u32 index=%si:u32 moment=%dx:u32"
            );
            put("uprobe_events", &probe)?;
            put(&format!("events/nsplan/{SYMBOL}/enable"), "1")?;
        }
        Ok(tracer)
    }

    /// The trace of what happens in `run`, between two marks.
    pub fn around(&self, run: impl FnOnce() -> Result<(), String>) -> Result<String, String> {
        put("trace", "")?;
        put("tracing_on", "1")?;
        put("trace_marker", "begin")?;
        let answer = run();
        put("trace_marker", "end")?;
        put("tracing_on", "0")?;
        answer?;
        let bytes =
            fs::read(format!("{TRACEFS}/trace")).map_err(|error| format!("trace: {error}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        for event in EVENTS {
            let _ = put(&format!("events/{event}/enable"), "0");
        }
        if self.has_marks {
            let _ = put(&format!("events/nsplan/{SYMBOL}/enable"), "0");
            let _ = put("uprobe_events", "");
        }
    }
}

fn put(file: &str, value: &str) -> Result<(), String> {
    let path = format!("{TRACEFS}/{file}");
    let open = fs::OpenOptions::new().write(true).truncate(true).open(&path);
    open.and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| format!("{path}: `{value}`: {error}"))
}

/// Where the function of the marks stands in the file (`elf(5)`): its address in the table of symbols, less the address
/// of the segment that it is in, plus where that segment is.
fn offset_of(file: &[u8]) -> Result<u64, String> {
    let elf = Elf(file);
    let wanted = || format!("no symbol with `{SYMBOL}` in its name: was the program stripped?");
    let address = elf.symbol(SYMBOL).ok_or_else(wanted)?;
    elf.offset(address).ok_or_else(|| format!("no segment at {address:#x}"))
}

struct Elf<'a>(&'a [u8]);

impl Elf<'_> {
    fn number<const N: usize>(&self, at: u64) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let mut bytes = [0; 8];
        bytes.get_mut(..N)?.copy_from_slice(self.0.get(at..at + N)?);
        Some(u64::from_le_bytes(bytes))
    }

    fn symbol(&self, part: &str) -> Option<u64> {
        let (sections, count) = (self.number::<8>(40)?, self.number::<2>(60)?);
        let section = |index: u64| sections + index * 64;
        // SHT_SYMTAB is 2; `sh_link` is the section with the names.
        let table = (0..count).map(section).find(|&at| self.number::<4>(at + 4) == Some(2))?;
        let (start, size) = (self.number::<8>(table + 24)?, self.number::<8>(table + 32)?);
        let names = self.number::<8>(section(self.number::<4>(table + 40)?) + 24)?;
        let mut symbols = (0..size / 24).map(|index| start + index * 24);
        let found = symbols.find(|&at| {
            self.number::<4>(at).is_some_and(|name| {
                let name = usize::try_from(names + name).unwrap_or(usize::MAX);
                let text = self.0.get(name..).unwrap_or_default();
                let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
                text.windows(part.len()).any(|window| window == part.as_bytes())
            })
        })?;
        self.number::<8>(found + 8)
    }

    fn offset(&self, address: u64) -> Option<u64> {
        let (headers, count) = (self.number::<8>(32)?, self.number::<2>(56)?);
        (0..count).map(|index| headers + index * 56).find_map(|at| {
            let (kind, offset) = (self.number::<4>(at)?, self.number::<8>(at + 8)?);
            let (begin, size) = (self.number::<8>(at + 16)?, self.number::<8>(at + 32)?);
            let is_inside = kind == 1 && address >= begin && address - begin < size;
            is_inside.then_some(address.wrapping_sub(begin) + offset)
        })
    }
}
