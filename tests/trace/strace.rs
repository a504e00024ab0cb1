//! The text that strace writes becomes calls: who, which, its arguments, its answer. Pure.

use std::collections::HashMap;

/// One system call that has returned, or never did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
    pub(crate) answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done(i64),
    /// By the name of the error.
    Failed(String),
    /// The process ended in it.
    Never,
    /// It did nothing and is made once more: by the kernel itself, where a lock was taken for example.
    Again,
}

impl Call {
    pub(crate) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", String::as_str)
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.answer, Answer::Done(_))
    }

    /// The number that a successful call gave: a descriptor, a pid, a length.
    pub(crate) fn number(&self) -> Option<i64> {
        match self.answer {
            Answer::Done(number) => Some(number),
            _ => None,
        }
    }
}

/// The calls of a trace written by `strace -f -o`, each where it began.
pub(crate) fn parse(trace: &str) -> Result<Vec<Call>, String> {
    let mut calls: Vec<Option<Call>> = Vec::new();
    let mut open: HashMap<u32, (usize, String)> = HashMap::new();
    for line in trace.lines() {
        let fail = || format!("not a line of strace: {line}");
        let (pid, rest) = line.split_once(' ').ok_or_else(fail)?;
        let pid: u32 = pid.parse().map_err(|_| fail())?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            open.insert(pid, (calls.len(), begun.trim_end().to_owned()));
            // One that never returns: what it was is known all the same.
            calls.push(unfinished(pid, begun));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (place, begun) = open.remove(&pid).ok_or_else(fail)?;
            let (_, end) = resumed.split_once(" resumed>").ok_or_else(fail)?;
            calls[place] = Some(call(pid, &format!("{begun}{end}")).ok_or_else(fail)?);
        } else {
            calls.push(Some(call(pid, rest).ok_or_else(fail)?));
        }
    }
    Ok(calls.into_iter().flatten().filter(|call| call.answer != Answer::Again).collect())
}

fn unfinished(pid: u32, begun: &str) -> Option<Call> {
    let (name, args) = begun.split_once('(')?;
    let args = split(args.trim_end_matches([' ', ',', ')'])).0;
    Some(Call { pid, name: name.into(), args, answer: Answer::Never })
}

fn call(pid: u32, text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (args, after) = split(rest);
    let (name, args) = with_directory(name, args);
    let answer = after.trim_start().strip_prefix('=')?.trim_start();
    let mut words = answer.split_whitespace();
    let answer = match words.next()? {
        "?" if words.next().is_some_and(|why| why.starts_with("ERESTART")) => Answer::Again,
        "?" => Answer::Never,
        "-1" => Answer::Failed(words.next()?.to_owned()),
        word => Answer::Done(match word.strip_prefix("0x") {
            // An address may be above the half.
            Some(digits) => u64::from_str_radix(digits, 16).ok()?.cast_signed(),
            None => i64::from_str_radix(word, if word.starts_with('0') { 8 } else { 10 }).ok()?,
        }),
    };
    Some(Call { pid, name, args, answer })
}

/// The older calls, which musl makes where the newer ones would say the same, become those.
fn with_directory(name: &str, mut args: Vec<String>) -> (String, Vec<String>) {
    let newer = match name {
        "open" => "openat",
        "unlink" | "rmdir" => "unlinkat",
        "symlink" => "symlinkat",
        _ => return (name.to_owned(), args),
    };
    args.insert(usize::from(name == "symlink"), "AT_FDCWD".into());
    if newer == "unlinkat" {
        args.push(if name == "rmdir" { "AT_REMOVEDIR" } else { "0" }.into());
    }
    (newer.to_owned(), args)
}

/// The arguments up to the bracket that closes them, and what comes after it.
fn split(text: &str) -> (Vec<String>, &str) {
    let (mut args, mut arg) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped, mut comment) = (0_u32, false, false, false);
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        if comment {
            comment = !(c == '/' && text[..at].ends_with('*'));
        } else if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                '"' => quoted = true,
                '*' if text[..at].ends_with('/') => comment = true,
                '(' | '[' | '{' => depth += 1,
                ')' if depth == 0 => {
                    end = at + 1;
                    break;
                }
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    args.push(std::mem::take(&mut arg).trim().to_owned());
                    continue;
                }
                _ => {}
            }
        }
        arg.push(c);
    }
    if !arg.trim().is_empty() {
        args.push(arg.trim().to_owned());
    }
    (args, &text[end..])
}

/// The bytes of a string as strace writes it; `None` for an address or a number.
pub(crate) fn bytes(arg: &str) -> Option<Vec<u8>> {
    let inner = arg.strip_prefix('"')?.trim_end_matches("...").strip_suffix('"')?;
    let (mut bytes, mut rest) = (Vec::new(), inner.as_bytes());
    while let [first, after @ ..] = rest {
        let (byte, length) = match (first, after) {
            (b'\\', [b'x', digits @ ..]) => (number(digits.get(..2)?, 16)?, 4),
            (b'\\', [b'0'..=b'7', ..]) => {
                let length = after.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
                (number(&after[..length], 8)?, 1 + length)
            }
            (b'\\', [c, ..]) => (letter(*c), 2),
            (byte, _) => (*byte, 1),
        };
        bytes.push(byte);
        rest = rest.get(length..)?;
    }
    Some(bytes)
}

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

fn letter(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 0x0b,
        b'f' => 0x0c,
        other => other,
    }
}

/// The same as text.
pub(crate) fn text(arg: &str) -> Option<String> {
    bytes(arg).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A member of a structure: `{…, key=VALUE, …}`.
pub(crate) fn member<'a>(structure: &'a str, key: &str) -> Option<&'a str> {
    let at = structure.find(&format!("{key}="))? + key.len() + 1;
    let value = &structure[at..];
    let end = value.find([',', '}']).unwrap_or(value.len());
    let value = &value[..end];
    Some(value.split(" /*").next().unwrap_or(value).trim())
}

/// `A|B` in one order, whatever order strace has: none for 0.
pub(crate) fn words(flags: &str) -> Vec<&str> {
    let mut words: Vec<_> = flags.split('|').filter(|word| *word != "0").collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Call {
        parse(line).unwrap().remove(0)
    }

    #[test]
    fn arguments_are_split_where_no_bracket_and_no_string_is_open() {
        let call = one(
            r#"7 openat2(5, "a,b)\"", {flags=O_PATH, resolve=A|B}, 24) = -1 ENOENT (No such file)"#,
        );
        assert_eq!(call.args, ["5", r#""a,b)\"""#, "{flags=O_PATH, resolve=A|B}", "24"]);
        assert_eq!(call.answer, Answer::Failed("ENOENT".into()));
        let call = one("7 prctl(PR_CAPBSET_DROP, 0x29 /* CAP_???, ) */) = -1 EINVAL (Invalid)");
        assert_eq!(call.args.len(), 2);
        assert_eq!(one("7 setsid()             = 12").args, [""; 0]);
        assert_eq!(one("7 umask(022) = 000").answer, Answer::Done(0));
        assert_eq!(one("7 exit_group(0) = ?").answer, Answer::Never);
        let again =
            "7 write(3, \"1\", 1) = ? ERESTARTNOINTR (To be restarted)\n7 write(3, \"1\", 1) = 1";
        assert_eq!(parse(again).unwrap().len(), 1);
        assert!(parse("no number here").is_err() && parse("7 half a line").is_err());
    }

    #[test]
    fn what_was_interrupted_is_one_call_where_it_began() {
        let trace = "1 clone3({flags=CLONE_VM} <unfinished ...>\n2 setsid() = 2\n\
            1 <... clone3 resumed> => {pidfd=[6]}, 88) = 2\n2 +++ exited with 0 +++\n\
            1 read(3,  <unfinished ...>\n1 +++ killed by SIGKILL +++\n";
        let calls = parse(trace).unwrap();
        let names: Vec<_> = calls.iter().map(|call| &*call.name).collect();
        assert_eq!(names, ["clone3", "setsid", "read"]);
        assert_eq!((calls[0].number(), calls[0].args.len()), (Some(2), 2));
        assert_eq!(calls[2].answer, Answer::Never);
    }

    #[test]
    fn strings_are_read_back() {
        assert_eq!(text(r#""a\n\"\\\0611""#).unwrap(), "a\n\"\\11");
        assert_eq!(bytes(r#""\x00\xff"..."#).unwrap(), [0, 255]);
        assert_eq!(bytes("0x7ffc"), None);
    }

    #[test]
    fn an_older_call_is_the_newer_one_below_the_working_directory() {
        let calls = parse("7 open(\"/a\", O_RDONLY) = 3\n7 rmdir(\"/b\") = 0\n").unwrap();
        assert_eq!(
            (&*calls[0].name, calls[0].arg(1), calls[0].arg(2)),
            ("openat", "\"/a\"", "O_RDONLY")
        );
        assert_eq!(
            (&*calls[1].name, calls[1].arg(0), calls[1].arg(2)),
            ("unlinkat", "AT_FDCWD", "AT_REMOVEDIR")
        );
    }

    #[test]
    fn members_and_flags_are_found() {
        let text = "{attr_set=RDONLY|A, attr_clr=0, propagation=0 /* MS_??? */, userns_fd=0}";
        assert_eq!(member(text, "attr_set"), Some("RDONLY|A"));
        assert_eq!(member(text, "propagation"), Some("0"));
        assert_eq!(words("B|A"), ["A", "B"]);
        assert!(words("0").is_empty());
    }
}
