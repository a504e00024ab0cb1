//! System calls and their arguments become a static x86_64 program: straight-line code, no library, no stack.

/// Where the program's code, data and results are in memory.
const CODE: u32 = 0x40_0000;
const DATA: u32 = 0x60_0000;
const RESULTS: u32 = 0x80_0000;
const PAGE: usize = 4096;
const HEADERS: usize = 64 + 3 * 56;

/// One argument of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// A number, known now.
    Is(u64),
    /// What an earlier call answered.
    Of(Kept),
}

/// Where the answer of a call is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept(u32);

/// A place in the code to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

/// A program in the making.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    code: Vec<u8>,
    data: Vec<u8>,
    kept: u32,
    /// Jumps that lead to the end of the code, where a failed call ends the program.
    failures: Vec<usize>,
}

impl From<i32> for Word {
    fn from(value: i32) -> Self {
        Self::Is(u64::from(value.cast_unsigned()))
    }
}

impl From<u64> for Word {
    fn from(value: u64) -> Self {
        Self::Is(value)
    }
}

impl From<u32> for Word {
    fn from(value: u32) -> Self {
        Self::Is(value.into())
    }
}

impl From<usize> for Word {
    fn from(value: usize) -> Self {
        Self::Is(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl Kept {
    fn address(self) -> u32 {
        RESULTS + 8 * self.0
    }
}

impl Machine {
    /// Bytes in memory that may be written to, on a boundary of eight; their address.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Word {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        let at = DATA + length(&self.data);
        self.data.extend_from_slice(bytes);
        Word::Is(at.into())
    }

    /// The address of a text with a NUL at its end.
    pub(crate) fn text(&mut self, text: &str) -> Word {
        self.bytes(&[text.as_bytes(), &[0]].concat())
    }

    /// The address of machine words, one after the other.
    pub(crate) fn words(&mut self, words: &[u64]) -> Word {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bytes(&bytes)
    }

    /// The address of a table of texts with a null pointer at its end, for `execve(2)`.
    pub(crate) fn table(&mut self, texts: &[String]) -> Word {
        let mut words: Vec<u64> = texts.iter().map(|text| number(self.text(text))).collect();
        words.push(0);
        self.words(&words)
    }

    /// A call that must work.
    pub(crate) fn call(&mut self, call: i64, args: &[Word]) {
        self.attempt(call, args);
        self.check();
    }

    /// A call that must work, and whose answer is used later.
    pub(crate) fn make(&mut self, call: i64, args: &[Word]) -> Kept {
        self.attempt(call, args);
        self.check();
        let kept = Kept(self.kept);
        self.kept += 1;
        self.store(kept);
        kept
    }

    /// A call whose answer does not matter.
    pub(crate) fn attempt(&mut self, call: i64, args: &[Word]) {
        /// `mov reg32, imm32`, `xor reg32, reg32`, `movabs reg64, imm64`, `mov reg64, [disp32]`, for rdi rsi rdx r10 r8 r9.
        type Load = (&'static [u8], &'static [u8], &'static [u8], &'static [u8]);
        const REGISTERS: [Load; 6] = [
            (&[0xbf], &[0x31, 0xff], &[0x48, 0xbf], &[0x48, 0x8b, 0x3c, 0x25]),
            (&[0xbe], &[0x31, 0xf6], &[0x48, 0xbe], &[0x48, 0x8b, 0x34, 0x25]),
            (&[0xba], &[0x31, 0xd2], &[0x48, 0xba], &[0x48, 0x8b, 0x14, 0x25]),
            (&[0x41, 0xba], &[0x45, 0x31, 0xd2], &[0x49, 0xba], &[0x4c, 0x8b, 0x14, 0x25]),
            (&[0x41, 0xb8], &[0x45, 0x31, 0xc0], &[0x49, 0xb8], &[0x4c, 0x8b, 0x04, 0x25]),
            (&[0x41, 0xb9], &[0x45, 0x31, 0xc9], &[0x49, 0xb9], &[0x4c, 0x8b, 0x0c, 0x25]),
        ];
        for (arg, (short, zero, long, load)) in args.iter().zip(REGISTERS) {
            match *arg {
                Word::Is(0) => self.code.extend(zero),
                Word::Is(value) => match u32::try_from(value) {
                    Ok(value) => self.with(short, &value.to_le_bytes()),
                    Err(_) => self.with(long, &value.to_le_bytes()),
                },
                Word::Of(kept) => self.with(load, &kept.address().to_le_bytes()),
            }
        }
        let call = i32::try_from(call).unwrap_or(-1);
        self.with(&[0xb8], &call.to_le_bytes());
        self.code.extend([0x0f, 0x05]);
    }

    /// The low half of what is kept is written over the 32 bits at `at`, and `offset` bytes on.
    pub(crate) fn put(&mut self, kept: Kept, at: Word, offset: u32) {
        self.with(&[0x8b, 0x04, 0x25], &kept.address().to_le_bytes());
        self.with(&[0x89, 0x04, 0x25], &(low(at) + offset).to_le_bytes());
    }

    /// `number` in decimal before the text `tail`; the address of its first digit.
    pub(crate) fn decimal(&mut self, number: Kept, tail: &str) -> Kept {
        const DIGITS: usize = 16;
        let at = self.bytes(&[&[b'0'; DIGITS], tail.as_bytes(), &[0]].concat());
        let kept = Kept(self.kept);
        self.kept += 1;
        self.with(&[0x48, 0x8b, 0x04, 0x25], &number.address().to_le_bytes());
        let end = low(at) + 16;
        self.with(&[0x41, 0xbc], &end.to_le_bytes());
        self.code.extend([0xb9, 10, 0, 0, 0]);
        // Divides eax by ecx and stores the remainder's digit below r12, until nothing is left.
        self.code.extend([0x31, 0xd2, 0xf7, 0xf1, 0x80, 0xc2, b'0', 0x49, 0xff, 0xcc]);
        self.code.extend([0x41, 0x88, 0x14, 0x24, 0x85, 0xc0, 0x75, 0xee]);
        self.with(&[0x4c, 0x89, 0x24, 0x25], &kept.address().to_le_bytes());
        kept
    }

    /// A call that gives two processes, a child with the answer 0. What follows up to [`join`](Self::join) is the child's
    /// alone, and must not come to its end.
    pub(crate) fn fork(&mut self, call: i64, args: &[Word]) -> Mark {
        self.attempt(call, args);
        self.check();
        // test rax, rax; jnz over the child
        self.code.extend([0x48, 0x85, 0xc0, 0x0f, 0x85]);
        let jump = Mark(self.code.len());
        self.code.extend([0; 4]);
        jump
    }

    /// The parent goes on here. It alone keeps the child's number: the child may share its memory, and have none.
    pub(crate) fn join(&mut self, jump: Mark) -> Kept {
        self.patch(jump.0, self.code.len());
        let pid = Kept(self.kept);
        self.kept += 1;
        self.store(pid);
        pid
    }

    /// Keeps a number.
    pub(crate) fn keep(&mut self, value: u32) -> Kept {
        let kept = Kept(self.kept);
        self.kept += 1;
        self.with(&[0xb8], &value.to_le_bytes());
        self.store(kept);
        kept
    }

    /// Keeps the 32 bits that are `offset` bytes behind `at`.
    pub(crate) fn load(&mut self, at: Word, offset: u32) -> Kept {
        let kept = Kept(self.kept);
        self.kept += 1;
        self.with(&[0x8b, 0x04, 0x25], &(low(at) + offset).to_le_bytes());
        self.store(kept);
        kept
    }

    /// Adds to what is kept.
    pub(crate) fn add(&mut self, kept: Kept, what: u32) {
        self.with(&[0x48, 0x81, 0x04, 0x25], &kept.address().to_le_bytes());
        self.code.extend(what.to_le_bytes());
    }

    /// A place to go back to.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.code.len())
    }

    /// One less; back to `mark` unless it is zero.
    pub(crate) fn again(&mut self, counter: Kept, mark: Mark) {
        self.with(&[0x48, 0xff, 0x0c, 0x25], &counter.address().to_le_bytes());
        self.code.extend([0x0f, 0x85]);
        let jump = self.code.len();
        self.code.extend([0; 4]);
        self.patch(jump, mark.0);
    }

    /// Ends with the 32-bit word `offset` bytes behind `at` as exit code.
    pub(crate) fn exit_with(&mut self, at: Word, offset: u32) {
        self.with(&[0x8b, 0x3c, 0x25], &(low(at) + offset).to_le_bytes());
        let call = i32::try_from(libc::SYS_exit_group).unwrap_or(-1);
        self.with(&[0xb8], &call.to_le_bytes());
        self.code.extend([0x0f, 0x05]);
    }

    /// The program as the bytes of an executable file.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let end = self.code.len();
        for jump in std::mem::take(&mut self.failures) {
            self.patch(jump, end);
        }
        let words = "floor: a call failed, see strace\n";
        let text = self.text(words);
        self.attempt(libc::SYS_write, &[2.into(), text, words.len().into()]);
        self.attempt(libc::SYS_exit_group, &[125.into()]);
        let (data_at, results) = (
            (HEADERS + self.code.len()).next_multiple_of(PAGE),
            usize::try_from(self.kept * 8 + 8).unwrap_or(PAGE),
        );
        let mut file = headers(self.code.len(), data_at, self.data.len(), results);
        file.extend(self.code);
        file.resize(data_at, 0);
        file.extend(self.data);
        file
    }

    /// test rax, rax; js to the end
    fn check(&mut self) {
        self.code.extend([0x48, 0x85, 0xc0, 0x0f, 0x88]);
        self.failures.push(self.code.len());
        self.code.extend([0; 4]);
    }

    /// mov [disp32], rax
    fn store(&mut self, kept: Kept) {
        self.with(&[0x48, 0x89, 0x04, 0x25], &kept.address().to_le_bytes());
    }

    fn with(&mut self, opcode: &[u8], operand: &[u8]) {
        self.code.extend(opcode);
        self.code.extend(operand);
    }

    /// Makes the jump whose operand is at `jump` lead to `to`.
    fn patch(&mut self, jump: usize, to: usize) {
        let distance = i64::try_from(to).unwrap_or(0) - i64::try_from(jump + 4).unwrap_or(0);
        let distance = i32::try_from(distance).unwrap_or(0);
        self.code[jump..jump + 4].copy_from_slice(&distance.to_le_bytes());
    }
}

/// ELF header and program headers (`elf(5)`): code, data, and memory for the answers.
fn headers(code: usize, data_at: usize, data: usize, results: usize) -> Vec<u8> {
    const HEADER: usize = 64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: usize| {
        file.extend(u64::try_from(value).unwrap_or(0).to_le_bytes());
    };
    let address = |at: u32| usize::try_from(at).unwrap_or(0);
    half(&mut file, 2); // ET_EXEC
    half(&mut file, 62); // EM_X86_64
    word(&mut file, 1);
    long(&mut file, address(CODE) + HEADERS);
    long(&mut file, HEADER);
    long(&mut file, 0);
    word(&mut file, 0);
    for value in [64, 56, 3, 0, 0, 0] {
        half(&mut file, value);
    }
    let mut load = |flags: u32, at: usize, to: u32, in_file: usize, in_memory: usize| {
        word(&mut file, 1); // PT_LOAD
        word(&mut file, flags);
        for value in [at, address(to), address(to), in_file, in_memory, PAGE] {
            long(&mut file, value);
        }
    };
    load(5, 0, CODE, HEADERS + code, HEADERS + code);
    load(6, data_at, DATA, data, data);
    load(6, 0, RESULTS, 0, results);
    file
}

pub(crate) fn number(word: Word) -> u64 {
    match word {
        Word::Is(value) => value,
        Word::Of(_) => 0,
    }
}

pub(crate) fn low(word: Word) -> u32 {
    u32::try_from(number(word)).unwrap_or(0)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
