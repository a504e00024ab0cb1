//! Two kinds of path that cannot be joined with each other: on the host, and inside the container's root.
//!
//! Both are UTF-8, since every configuration is JSON. Neither can ask a file system anything.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// An absolute path on the host, without NUL, without `.` parts and without double or trailing slashes.
///
/// `..` is kept: on the host only the kernel knows where it leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPath(String);

/// An absolute path inside the container's root: no NUL, no `.`, no `..`, no double or trailing slashes.
///
/// `..` parts are resolved lexically and stop at the root, so a value never names anything outside. Symbolic links
/// met on the way are the applier's business (`RESOLVE_IN_ROOT`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct RootPath(String);

/// Why a text is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It is empty.
    Empty,
    /// It does not begin with `/`.
    Relative,
    /// It holds a NUL byte.
    Nul,
    /// It is longer than the kernel takes (4095 bytes), or a part of it is (255).
    TooLong,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty path",
            Self::Relative => "relative path, expected one that begins with `/`",
            Self::Nul => "path with a NUL byte",
            Self::TooLong => "path longer than 4095 bytes, or with a part longer than 255",
        })
    }
}

impl core::error::Error for PathError {}

/// Whether a path is tidy as it is.
fn check(text: &str) -> Result<bool, PathError> {
    let bytes = text.as_bytes();
    if is_surely_tidy(bytes) {
        return Ok(true);
    }
    let (mut has_nul, mut is_long, mut is_tidy) = (false, bytes.len() > 4095, true);
    let mut begins = 1;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        has_nul |= byte == 0;
        if byte == b'/' {
            is_long |= at - begins > 255;
            is_tidy &= is_plain(&bytes[begins..at]);
            begins = at + 1;
        }
    }
    match bytes.first() {
        None => return Err(PathError::Empty),
        Some(0) => return Err(PathError::Nul),
        Some(_) if has_nul => return Err(PathError::Nul),
        Some(b'/') => {}
        Some(_) => return Err(PathError::Relative),
    }
    if is_long || bytes.len() - begins > 255 {
        return Err(PathError::TooLong);
    }
    Ok(is_tidy && (bytes.len() == 1 || is_plain(&bytes[begins..])))
}

/// What nearly every path is, and quick to see, as a start looks at a hundred: too short for a part to be too long, and no
/// part is empty or begins with a dot.
fn is_surely_tidy(bytes: &[u8]) -> bool {
    let [b'/', rest @ ..] = bytes else { return false };
    // A dot and a slash differ in the last bit alone. Without a branch it is done sixteen bytes at a time.
    let is_odd = |before: u8, byte: u8| {
        u8::from(byte == 0) | (u8::from(before == b'/') & u8::from(byte & 0xfe == b'.'))
    };
    let odd = bytes.iter().zip(rest).fold(0, |odd, (&before, &byte)| odd | is_odd(before, byte));
    odd == 0 && bytes.len() < 256 && rest.last().is_some_and(|&last| last != b'/')
}

/// Whether a part is a name, and says nothing of the way.
fn is_plain(part: &[u8]) -> bool {
    !matches!(part, b"" | b"." | b"..")
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|part| !part.is_empty() && *part != ".")
}

impl HostPath {
    /// The root itself.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Checks and tidies a path.
    ///
    /// # Errors
    /// When it is empty, relative, too long or holds a NUL byte.
    pub fn new(text: &str) -> Result<Self, PathError> {
        if check(text)? {
            return Ok(Self(text.to_owned()));
        }
        let mut path = String::with_capacity(text.len());
        for part in parts(text) {
            path.push('/');
            path.push_str(part);
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(Self(path))
    }

    /// This path with one more part, which must be a plain name.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let above = if self.0 == "/" { "" } else { self.0.as_str() };
        let mut path = String::with_capacity(above.len() + 1 + name.len());
        path.push_str(above);
        path.push('/');
        path.push_str(name);
        Self(path)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this path or below it, by name.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        is_below(&self.0, &other.0)
    }
}

impl RootPath {
    /// Checks and tidies a path; `..` goes up, but never above the root.
    ///
    /// # Errors
    /// When it is empty, relative, too long or holds a NUL byte.
    pub fn new(text: &str) -> Result<Self, PathError> {
        if check(text)? {
            return Ok(Self(text.to_owned()));
        }
        let mut path = String::with_capacity(text.len());
        for part in parts(text) {
            if part == ".." {
                let cut = path.rfind('/').unwrap_or(0);
                path.truncate(cut);
            } else {
                path.push('/');
                path.push_str(part);
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(Self(path))
    }

    /// The root itself.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Whether this is the root itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The text, beginning with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text without its first `/`: what is given to `openat2` beside the root's fd. Empty for the root.
    #[must_use]
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// The parts between slashes, none for the root.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        parts(&self.0)
    }

    /// The directory this is in, by name; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.rfind('/').unwrap_or(0);
        Some(if cut == 0 { Self::root() } else { Self(self.0[..cut].to_owned()) })
    }

    /// The last part; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// Whether `other` is this path or below it, by name.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        is_below(&self.0, &other.0)
    }
}

fn is_below(dir: &str, path: &str) -> bool {
    dir == "/"
        || path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

macro_rules! path_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = PathError;

            fn try_from(text: String) -> Result<Self, PathError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> Self {
                path.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

path_conversions!(HostPath);
path_conversions!(RootPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_never_leave_the_root() {
        let tidy = |text: &str| RootPath::new(text).map(String::from);
        assert_eq!(tidy("/../../etc//passwd/.").as_deref(), Ok("/etc/passwd"));
        assert_eq!(tidy("/a/b/../../..").as_deref(), Ok("/"));
        assert_eq!(tidy("a"), Err(PathError::Relative));
        assert_eq!(tidy("/a\0b"), Err(PathError::Nul));
    }

    #[test]
    fn what_is_tidy_is_taken_as_it_is_and_anything_else_tidied() {
        let long = alloc::format!("/a/{}", "b".repeat(256));
        let texts = [
            "/",
            "//",
            "/a",
            "/a/",
            "/a//b",
            "/a/./b",
            "/a/..",
            "/..a/.b/...",
            "/.",
            "x/",
            "",
            "\0",
            "/a\0",
            "x\0",
        ];
        for text in texts.into_iter().chain([long.as_str(), &long[..258], &long[..257]]) {
            let is_odd = text.split('/').any(|part| part.len() > 255);
            let expected = match text {
                "" => Err(PathError::Empty),
                _ if text.contains('\0') => Err(PathError::Nul),
                _ if !text.starts_with('/') => Err(PathError::Relative),
                _ if is_odd => Err(PathError::TooLong),
                _ => Ok(parts(text).fold(String::new(), |path, part| path + "/" + part)),
            };
            let expected = expected.map(|path| if path.is_empty() { "/".to_owned() } else { path });
            assert_eq!(HostPath::new(text).map(String::from), expected, "{text:?}");
        }
    }

    #[test]
    fn below_is_by_whole_parts() {
        let path = |text: &str| RootPath::new(text).expect("a path");
        assert!(path("/proc").contains(&path("/proc/self")));
        assert!(!path("/proc").contains(&path("/process")));
        assert!(RootPath::root().contains(&path("/x")));
    }
}
