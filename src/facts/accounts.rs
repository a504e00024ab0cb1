//! Texts of `/etc/passwd` and `/etc/group`, and a user as a config names it, become the ids a program runs with.
//!
//! The files are the container's: hostile, and read as text only, never through the host's name service.
//!
//! # References
//! `passwd(5)`, `group(5)`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::AccountFacts;

/// One line of `/etc/passwd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswdEntry<'a> {
    /// Login name.
    pub name: &'a str,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Home directory; empty if there is none.
    pub home: &'a str,
}

/// One line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupEntry<'a> {
    /// Name of the group.
    pub name: &'a str,
    /// Group id.
    pub gid: u32,
    /// Names of its members.
    pub members: Vec<&'a str>,
}

/// Who a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
}

impl Default for ExecUser {
    /// Root, as container engines have it: uid 0, gid 0, no groups, home `/`.
    fn default() -> Self {
        Self { uid: 0, gid: 0, groups: Vec::new(), home: "/".to_owned() }
    }
}

/// Why a user or group has no ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountError {
    /// A name that `/etc/passwd` of the root does not have.
    UnknownUser {
        /// The name.
        name: String,
        /// Whether the root has that file at all.
        has_file: bool,
    },
    /// A name that `/etc/group` of the root does not have.
    UnknownGroup {
        /// The name.
        name: String,
        /// Whether the root has that file at all.
        has_file: bool,
    },
    /// A number above 4294967294, the last id.
    OutOfRange {
        /// The number as written.
        number: String,
    },
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name, file, has_file) = match self {
            Self::UnknownUser { name, has_file } => ("user", name, "/etc/passwd", *has_file),
            Self::UnknownGroup { name, has_file } => ("group", name, "/etc/group", *has_file),
            Self::OutOfRange { number } => {
                return write!(f, "id {number} is above 4294967294, the last id");
            }
        };
        let fault = if has_file { "is not in" } else { "cannot be looked up without" };
        write!(f, "{what} `{name}` {fault} {file} of the root")
    }
}

impl core::error::Error for AccountError {}

/// The entries of a passwd file.
///
/// A line that is not one is skipped, never read as uid 0: without a name, a uid and a gid that are numbers, or with a
/// NUL byte; also comments and the `+` and `-` lines of NIS.
pub fn parse_passwd(text: &str) -> impl Iterator<Item = PasswdEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| is_name(name))?;
        let _password = fields.next()?;
        let (uid, gid) = (id(fields.next()?)?, id(fields.next()?)?);
        let _gecos = fields.next();
        let home = fields.next().unwrap_or_default();
        (!line.contains('\0')).then_some(PasswdEntry { name, uid, gid, home })
    })
}

/// The entries of a group file; lines that are none are skipped as in [`parse_passwd`].
pub fn parse_group(text: &str) -> impl Iterator<Item = GroupEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| is_name(name))?;
        let _password = fields.next()?;
        let gid = id(fields.next()?)?;
        let members = fields.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
        (!line.contains('\0')).then(|| GroupEntry { name, gid, members: members.collect() })
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['#', '+', '-'])
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// An id in decimal digits alone; 4294967295 is "no id" to the kernel.
fn id(text: &str) -> Option<u32> {
    if is_number(text) { text.parse().ok().filter(|id| *id != u32::MAX) } else { None }
}

/// Finds the ids of `user` and `group`, each a name, a number or nothing (an empty text is nothing).
///
/// - A text of digits alone is a number, whatever names the files hold.
/// - No user: `defaults.uid`. A user with an entry has its gid, its home if not empty, and the groups that list its name.
/// - A number without an entry keeps `defaults.gid` and `defaults.home`.
/// - A group takes the place of the gid, and of the supplementary groups, which stay at `defaults.groups`; so they do
///   when no group lists the user.
///
/// # Errors
/// A name that the files do not have, a number that is no id.
pub fn resolve(
    user: Option<&str>,
    group: Option<&str>,
    accounts: &AccountFacts,
    defaults: &ExecUser,
) -> Result<ExecUser, AccountError> {
    let mut found = defaults.clone();
    let entry = find_user(user.filter(|user| !user.is_empty()), accounts, &mut found.uid)?;
    if let Some(entry) = entry {
        found.gid = entry.gid;
        if !entry.home.is_empty() {
            entry.home.clone_into(&mut found.home);
        }
    }
    if let Some(group) = group.filter(|group| !group.is_empty()) {
        found.gid = find_group(group, accounts)?;
    } else if let Some(entry) = entry {
        let groups = groups_of(entry.name, accounts);
        if !groups.is_empty() {
            found.groups = groups;
        }
    }
    Ok(found)
}

/// Sets `uid`, and gives the entry that belongs to it if there is one.
fn find_user<'a>(
    user: Option<&str>,
    accounts: &'a AccountFacts,
    uid: &mut u32,
) -> Result<Option<PasswdEntry<'a>>, AccountError> {
    let mut entries = parse_passwd(accounts.passwd.as_deref().unwrap_or_default());
    match user {
        Some(name) if !is_number(name) => {
            let entry = entries.find(|entry| entry.name == name).ok_or_else(|| {
                AccountError::UnknownUser {
                    name: name.to_owned(),
                    has_file: accounts.passwd.is_some(),
                }
            })?;
            *uid = entry.uid;
            return Ok(Some(entry));
        }
        Some(number) => *uid = number_of(number)?,
        None => {}
    }
    Ok(entries.find(|entry| entry.uid == *uid))
}

/// The id of a group, which is a name or a number.
///
/// # Errors
/// A name that the file does not have, a number that is no id.
pub fn find_group(group: &str, accounts: &AccountFacts) -> Result<u32, AccountError> {
    if is_number(group) {
        return number_of(group);
    }
    let mut entries = parse_group(accounts.group.as_deref().unwrap_or_default());
    entries.find(|entry| entry.name == group).map(|entry| entry.gid).ok_or_else(|| {
        AccountError::UnknownGroup { name: group.to_owned(), has_file: accounts.group.is_some() }
    })
}

fn groups_of(name: &str, accounts: &AccountFacts) -> Vec<u32> {
    let mut groups = Vec::new();
    for entry in parse_group(accounts.group.as_deref().unwrap_or_default()) {
        if entry.members.contains(&name) && !groups.contains(&entry.gid) {
            groups.push(entry.gid);
        }
    }
    groups
}

fn number_of(number: &str) -> Result<u32, AccountError> {
    id(number).ok_or_else(|| AccountError::OutOfRange { number: number.to_owned() })
}
