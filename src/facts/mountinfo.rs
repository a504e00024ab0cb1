//! Text of `/proc/PID/mountinfo` becomes mounts, and a mount becomes its line again.
//!
//! # References
//! `proc_pid_mountinfo(5)`; `show_mountinfo` in the kernel's `fs/proc_namespace.c`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::split::{cut, split};
use super::{FactsError, MountFact};
use crate::types::MountFlags;

const FILE: &str = "mountinfo";

/// The words that a mount's own flags go by. `rw` is the absence of `ro`; a mount that shows neither `noatime` nor
/// `relatime` is `strictatime`, which has no word.
const FLAGS: [(&str, MountFlags); 8] = [
    ("ro", MountFlags::MS_RDONLY),
    ("nosuid", MountFlags::MS_NOSUID),
    ("nodev", MountFlags::MS_NODEV),
    ("noexec", MountFlags::MS_NOEXEC),
    ("noatime", MountFlags::MS_NOATIME),
    ("nodiratime", MountFlags::MS_NODIRATIME),
    ("relatime", MountFlags::MS_RELATIME),
    ("nosymfollow", MountFlags::MS_NOSYMFOLLOW),
];

/// Reads a whole mount table.
///
/// Lines end at a line feed and fields at one blank, nothing else: the kernel escapes those two in names, and leaves a
/// carriage return or a form feed as it is.
///
/// # Errors
/// The first line with a field missing or a number that is none.
pub fn parse_mountinfo(text: &str) -> Result<Vec<MountFact>, FactsError> {
    split(text, b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(at, line)| {
            parse_line(line).map_err(|expected| FactsError::expected(FILE, at + 1, expected))
        })
        .collect()
}

fn parse_line(line: &str) -> Result<MountFact, &'static str> {
    let mut rest = Some(line);
    let mut next = || {
        let text = rest.take()?;
        let (field, behind) =
            cut(text, b' ').map_or((text, None), |(field, behind)| (field, Some(behind)));
        rest = behind;
        Some(field)
    };
    let mut number = |expected| next().and_then(|field| field.parse::<u32>().ok()).ok_or(expected);
    let id = number("the id of a mount")?;
    let parent = number("the id of the parent mount")?;
    let _device = next().ok_or("a device number")?;
    let root = next().ok_or("the root of the mount")?;
    let mount_point = next().ok_or("a mount point")?;
    let words = next().ok_or("options of the mount")?;
    let mut shared = false;
    loop {
        match next() {
            Some("-") => break,
            Some(field) => shared |= field.starts_with("shared:"),
            None => return Err("a lone `-` before the file system type"),
        }
    }
    let fstype = next().filter(|name| !name.is_empty()).ok_or("a file system type")?;
    let source = next().ok_or("a mount source")?;
    let super_options = rest.ok_or("options of the superblock")?;
    Ok(MountFact {
        id,
        parent,
        root: unescape(root),
        mount_point: unescape(mount_point),
        flags: parse_flags(words),
        shared,
        fstype: unescape(fstype),
        source: unescape(source),
        super_options: super_options.to_owned(),
    })
}

fn parse_flags(words: &str) -> MountFlags {
    let mut flags = MountFlags::empty();
    for word in split(words, b',') {
        if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == word) {
            flags |= *flag;
        }
    }
    if !flags.intersects(MountFlags::ATIME) {
        flags |= MountFlags::MS_STRICTATIME;
    }
    flags
}

/// Replaces `\NNN`, three octal digits of an ASCII character, by that character; anything else stays as it is.
fn unescape(field: &str) -> String {
    if !field.as_bytes().contains(&b'\\') {
        return field.to_owned();
    }
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let digits =
            rest.get(at + 1..at + 4).filter(|d| d.bytes().all(|b| matches!(b, b'0'..=b'7')));
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn escape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    for c in field.chars() {
        match c {
            ' ' => out.push_str("\\040"),
            '\t' => out.push_str("\\011"),
            '\n' => out.push_str("\\012"),
            '\\' => out.push_str("\\134"),
            '#' => out.push_str("\\043"),
            other => out.push(other),
        }
    }
    out
}

impl MountFact {
    /// Whether the path of this mount leads elsewhere: another one is over it, or over a directory on the way to it.
    ///
    /// That other one is on the mount that this one is on, or that one's, and so on to the root.
    pub(super) fn is_covered(&self, table: &[Self]) -> bool {
        // The kernel puts one that is mounted on a mount itself below that one, by the same path.
        let is_on_it = |other: &Self| {
            other.parent == self.id && other.id != self.id && other.mount_point == self.mount_point
        };
        if table.iter().any(is_on_it) {
            return true;
        }
        let mut way = self;
        // A table that is none, where the way leads in a circle, has an end too.
        for _ in table {
            let is_over = |other: &Self| {
                other.parent == way.parent && other.id != way.id && other.is_above(way)
            };
            if table.iter().any(is_over) {
                return true;
            }
            match table.iter().find(|mount| mount.id == way.parent) {
                Some(mount) => way = mount,
                None => return false,
            }
        }
        false
    }

    /// Whether the path of `other` leads through this mount's.
    fn is_above(&self, other: &Self) -> bool {
        let rest = other.mount_point.strip_prefix(&*self.mount_point);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.mount_point == "/")
    }

    /// The line of this mount as the kernel writes it, without the line feed. The device and the number of the peer
    /// group, which facts do not keep, are written as 0.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut words =
            if self.flags.contains(MountFlags::MS_RDONLY) { "" } else { "rw" }.to_owned();
        for (name, _) in FLAGS.iter().filter(|(_, flag)| self.flags.contains(*flag)) {
            if !words.is_empty() {
                words.push(',');
            }
            words.push_str(name);
        }
        format!(
            "{} {} 0:0 {} {} {words} {}- {} {} {}",
            self.id,
            self.parent,
            escape(&self.root),
            escape(&self.mount_point),
            if self.shared { "shared:0 " } else { "" },
            escape(&self.fstype),
            escape(&self.source),
            self.super_options,
        )
    }
}
